"""What a run says at its end, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mix2midi.notes import Transcription
from mix2midi.pipeline.batch import Failure, Outcome, Skipped
from mix2midi.pipeline.converter import Conversion
from mix2midi.pipeline.midi_options import MidiOptions
from mix2midi.postprocess import Quantized
from mix2midi.postprocess.lines import STRAIGHT, SWUNG_STEP
from mix2midi.units import clock


def conversion_lines(conversion: Conversion) -> Iterator[str]:
    """Summary of one song: file, what was used, what was heard, how long it took, where it went."""
    transcription = conversion.transcription
    yield f"{conversion.song} -> {_targets(conversion.files)}"
    yield f"  separator  {conversion.separator_reason}"
    yield f"  device     {transcription.device}"
    yield f"  tempo      {_tempo(conversion)}"
    yield f"  bars       {_bars(transcription)}"
    if conversion.arranged.quantized is not None:
        yield f"  grid       {_grid(conversion.arranged.quantized, conversion.midi_options)}"
    note_map = conversion.midi_options.load_note_map()
    if note_map is not None:
        yield f"  note map   {note_map.name}{'' if note_map.verified else ' (its users say so, not its maker)'}"
    yield f"  notes      {_notes(transcription.count_by_name())}"
    yield f"  time       {transcription.elapsed_s:.1f} s for {clock(transcription.duration_s)} of audio"


def song_line(outcome: Outcome) -> str:
    """One song of many, on one line; the trouble with a song that failed comes at the end."""
    if isinstance(outcome, Failure):
        return f"{outcome.song}: failed"
    if isinstance(outcome, Skipped):
        return f"{outcome.song}: skipped, {_targets(outcome.files)} is there"
    transcription = outcome.transcription
    heard = f"{len(transcription.notes)} notes, {transcription.tempo_bpm:.1f} BPM, {transcription.time_signature}"
    guess = " (a guess)" if outcome.arranged.beats.reason else ""
    return f"{outcome.song} -> {_targets(outcome.files)}  {heard}{guess}, {transcription.elapsed_s:.1f} s"


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


def _targets(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)


def _tempo(conversion: Conversion) -> str:
    """Tempo and time signature; how often the file's tempo changes; why it is a guess, if it is one."""
    transcription, arranged = conversion.transcription, conversion.arranged
    tempo = f"{transcription.tempo_bpm:.1f} BPM, {transcription.time_signature}"
    events = len(arranged.tempo_map.tempos)
    if events > 1:
        tempo += f", a map of {events} tempos"
    return f"{tempo} (a guess: {arranged.beats.reason})" if arranged.beats.reason else tempo


def _bars(transcription: Transcription) -> str:
    downbeats_s = [beat.time_s for beat in transcription.beats if beat.position == 1]
    return f"{len(downbeats_s)}, the first at {downbeats_s[0]:.2f} s" if downbeats_s else "0"


def _grid(quantized: Quantized, options: MidiOptions) -> str:
    """Grids and swing that hits were moved to, and how far: ``"1/16 in 7 bars, 1/8 in 1, swing 58 % of eighths"``."""
    most_first = sorted(quantized.bars_by_grid.items(), key=lambda entry: -entry[1])
    parts = [f"{grid} in {bars}" for grid, bars in most_first]
    if most_first:
        parts[0] += " bar" if most_first[0][1] == 1 else " bars"
    swing = quantized.swing
    notes = "eighths" if swing.step == SWUNG_STEP["1/8"] else "sixteenths"
    parts.append("straight" if swing.percent == STRAIGHT.percent else f"swing {swing.percent:g} % of {notes}")
    if options.strength is not None:
        parts.append(f"strength {options.strength:g} %")
    if quantized.between_lines:
        parts.append(f"{quantized.between_lines} hit{'s' * (quantized.between_lines != 1)} left between the lines")
    return ", ".join(parts)


def _notes(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{total}: {each}" if counts else "0"
