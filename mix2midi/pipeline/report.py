"""What a run says at its end, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mix2midi.pipeline.batch import Failure, Outcome, Skipped
from mix2midi.pipeline.converter import Conversion


def conversion_lines(conversion: Conversion) -> Iterator[str]:
    """Summary of one song: file, what was used, what was heard, how long it took, where it went."""
    transcription = conversion.transcription
    yield f"{conversion.song} -> {_targets(conversion.files)}"
    yield f"  separator  {conversion.separator_reason}"
    yield f"  device     {transcription.device}"
    yield f"  tempo      {_tempo(conversion)}"
    yield f"  notes      {_notes(transcription.count_by_name())}"
    yield f"  time       {transcription.elapsed_s:.1f} s for {clock(transcription.duration_s)} of audio"


def song_line(outcome: Outcome) -> str:
    """One song of many, on one line; the trouble with a song that failed comes at the end."""
    if isinstance(outcome, Failure):
        return f"{outcome.song}: failed"
    if isinstance(outcome, Skipped):
        return f"{outcome.song}: skipped, {_targets(outcome.files)} is there"
    transcription = outcome.transcription
    count = len(transcription.notes)
    return f"{outcome.song} -> {_targets(outcome.files)}  {count} notes, {transcription.elapsed_s:.1f} s"


def batch_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Summary of many songs."""
    done = [outcome for outcome in outcomes if isinstance(outcome, Conversion)]
    skipped = sum(isinstance(outcome, Skipped) for outcome in outcomes)
    failed = sum(isinstance(outcome, Failure) for outcome in outcomes)
    yield f"{len(done)} converted, {skipped} skipped, {failed} failed"
    if done:
        counts: Counter[str] = Counter()
        for conversion in done:
            counts.update(conversion.transcription.count_by_name())
        audio_s = sum(conversion.transcription.duration_s for conversion in done)
        elapsed_s = sum(conversion.transcription.elapsed_s for conversion in done)
        yield f"  separator  {done[0].separator_reason}"
        yield f"  device     {done[0].transcription.device}"
        yield f"  notes      {_notes(dict(counts.most_common()))}"
        yield f"  time       {elapsed_s:.1f} s for {clock(audio_s)} of audio"


def clock(duration_s: float) -> str:
    """Minutes and seconds, ``"3:05"``; below a minute with a decimal, ``"4.2 s"``."""
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _targets(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)


def _tempo(conversion: Conversion) -> str:
    tempo = f"{conversion.transcription.tempo_bpm:.1f} BPM"
    return f"{tempo} (a guess: {conversion.tempo_reason})" if conversion.tempo_reason else tempo


def _notes(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{total}: {each}" if counts else "0"
