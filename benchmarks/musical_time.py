"""Measures beats, bars, tempo, grid and swing: ``python benchmarks/musical_time.py --data ../shared/data``.

Hits come from references (`--notes reference`, the default), so that this measures musical time alone, or from the
transcriber (`--notes drums`, or `--notes mix` behind `--separator NAME`), so that it measures the tool.

It needs pretty_midi, which comes with ``pip install ".[test]"``.

- Songs: the folders of mdb-dev. Beat and downbeat F (mir_eval, 70 ms, the whole song) of the written MIDI file's grid,
  as pretty_midi reads it.
- Grooves: the validation split of the Groove MIDI Dataset, human playing to a metronome, with hits lost, invented and
  moved as a transcriber does. Tempo within 4 %; time signature; hits that `1/16` at full strength puts on the sixteenth
  of the metronome that they are nearest to, and the same once the player's steady lead is taken off.
- Excerpts (`--only excerpts`): tempo within 4 % of short windows of the same grooves and of the songs' true hits.
- Pauses (`--only pauses`): grooves of at least `PAUSED_S` without what is played in `PAUSES`, misheard likewise. Beat F
  (70 ms) over the whole length, pauses included, and the share of the time at which the tempo is that of the metronome
  within 1 %.
- Changes (`--only changes`): the same grooves at a tempo that changes, misheard likewise: another one in their middle
  third, one that goes 5 % up and down every 25 s, one that slows down by 30 % over the last 16 beats. Beat F (70 ms).
- Patterns (`--only patterns`): `patterns.yaml`, drum patterns as musicians write them, each at many tempos, misheard
  likewise. Tempo within 4 %, time signature, downbeat F (70 ms); what is heard otherwise is named.
- Swing: straight grooves bent to a known swing, with 8 ms of scatter. Sixteenths that are heard as eighths of twice
  the tempo are wrong, but for the column that asks for the percentage alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from itertools import count, takewhile
from math import ceil
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pretty_midi
import yaml
from numpy.typing import NDArray

from mix2midi.drums import PIECES
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline.references import read_reference
from mix2midi.postprocess import QuantizeOptions, quantize, tempo_map_from_beats, track_beats, write_midi
from mix2midi.postprocess.beat_roll import ROWS
from mix2midi.postprocess.beat_training.grooves import BEATS_PER_QUARTER, Groove, load_grooves, without_lead
from mix2midi.postprocess.beats import BeatOptions, Beats, TimeSignature
from mix2midi.postprocess.grid import lay_grid
from mix2midi.postprocess.lines import STRAIGHT, Swing
from mix2midi.postprocess.swing import estimate_swing

PIECE_OF_KEY = {piece.key: piece for piece in PIECES}
#: Drum patterns, and how they are played: for how long, how loud each character of theirs is, by how much hits scatter.
PATTERNS, PATTERN_START_S, PATTERN_S = Path(__file__).parent / "patterns.yaml", 1.0, 30.0
STRENGTHS, SCATTER_S = {"X": 112, "x": 85, "o": 35}, 0.006
#: What ends every fourth bar, in quarter notes before its end.
FILL = (("snare", 1.0), ("snare", 0.75), ("high_tom", 0.5), ("low_tom", 0.25))
#: A note for each row of the beat roll.
ROW_NOTES = dict(zip(ROWS, (36, 38, 45, 42, 46, 49, 51, 56), strict=True))
#: Lengths of excerpts: loops of one to four bars.
EXCERPTS_S = (3.0, 5.0, 8.0)
SWINGS = (50.0, 54.0, 58.0, 62.0, 66.7, 70.0)
TEMPO_TOLERANCE = 0.04
#: Grooves this long are heard with pauses, which are these parts of them.
PAUSED_S, PAUSES = 40.0, ((0.0, 0.15), (0.4, 0.6), (0.85, 1.01))
#: Tempos of a middle third, as parts of the groove's own.
BRIDGES = (0.67, 0.75, 0.8, 0.9, 1.1, 1.25, 1.33, 1.5)


def song_notes(folder: Path, source: str, separator: str) -> tuple[list[DrumNote], float]:
    """Hits of a song and its length in seconds."""
    if source != "reference":
        from mix2midi.pipeline import Converter

        converter = Converter(stem_only=True) if source == "drums" else Converter(separator=separator)
        transcription = converter.convert(folder / f"{source}.flac").transcription
        return list(transcription.notes), transcription.duration_s
    notes = read_reference(folder / "subclass.txt").notes
    return list(notes), notes[-1].onset_s + 1.0


def written_grid(
    notes: list[DrumNote], beats: Beats, duration_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Beats and downbeats of the written file, in seconds, and its number of tempo events."""
    tempo_map = tempo_map_from_beats(beats, first_onset_s=notes[0].onset_s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.mid"
        write_midi(Transcription(notes, duration_s), path, tempo_map=tempo_map)
        midi = pretty_midi.PrettyMIDI(str(path))
        return midi.get_beats(), midi.get_downbeats(), len(midi.get_tempo_changes()[0])


def head(*names: str) -> None:
    """Print the head of a table."""
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")


def row(*values: object) -> None:
    """Print a row of a table."""
    cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in values]
    print("| " + " | ".join(cells) + " |", flush=True)


def measure_songs(data: Path, source: str, separator: str) -> None:
    """Print beat and downbeat F of every song."""
    head(f"song ({source})", "beat F", "downbeat F", "time signature", "tempo", "reference", "tempo events")
    scores = []
    for folder in sorted(path.parent for path in data.glob("mdb-dev/*/beats.txt")):
        table = np.loadtxt(folder / "beats.txt")
        notes, duration_s = song_notes(folder, source, separator)
        beats = track_beats(notes, duration_s)
        found, bars, events = written_grid(notes, beats, duration_s)
        end_s = table[-1, 0] + 0.2
        f_beat = mir_eval.beat.f_measure(table[:, 0], found[found < end_s])
        f_bar = mir_eval.beat.f_measure(table[table[:, 1] == 1, 0], bars[bars < end_s])
        scores.append((f_beat, f_bar))
        true_bpm = 60 / np.median(np.diff(table[:, 0]))
        row(folder.name, f_beat, f_bar, beats.signature, beats.tempo_bpm, float(true_bpm), events)
    row("mean", *np.mean(scores, axis=0).tolist())


def misheard(groove: Groove, rng: np.random.Generator) -> tuple[list[DrumNote], NDArray[np.int64]]:
    """Hits as a good transcriber reports them, and which of the groove's each is; invented ones are none (-1)."""
    onset_s = groove.beat * 60.0 / groove.tempo_bpm
    keep = rng.random(len(onset_s)) > 0.05
    count = int(keep.sum())
    moved_s = np.maximum(onset_s[keep] + rng.normal(0.0, 0.003, count), 0.0)
    notes = list(ROW_NOTES.values())
    velocity = np.clip(groove.velocity[keep] + rng.normal(0, 8, count), 1, 127).astype(int)
    hits = [
        (DrumNote(float(t), notes[drum], int(v)), int(index))
        for t, drum, v, index in zip(moved_s, groove.row[keep], velocity, np.flatnonzero(keep), strict=True)
    ]
    for time_s in rng.uniform(0.0, onset_s.max(), int(0.03 * len(onset_s))):
        hits.append((DrumNote(float(time_s), int(rng.choice(notes)), int(rng.integers(20, 60))), -1))
    hits.sort()
    return [note for note, _ in hits], np.array([index for _, index in hits])


def sixteenths(groove: Groove) -> NDArray[np.int64]:
    """The sixteenth that each hit is nearest to."""
    return np.rint(groove.beat / groove_beats_per_quarter(groove) * 4).astype(np.int64)


def groove_beats_per_quarter(groove: Groove) -> int:
    """Counted beats per quarter note."""
    return BEATS_PER_QUARTER["6-8" if groove.beats_per_bar == 6 else f"{groove.beats_per_bar}-4"]


def measure_grooves(grooves: list[Groove]) -> None:
    """Print how many grooves get their tempo, signature and grid."""
    rng = np.random.default_rng(1)
    tally: dict[str, list[tuple[bool, bool, float, float, float]]] = defaultdict(list)
    for groove in grooves:
        notes, hits = misheard(groove, rng)
        duration_s = notes[-1].onset_s + 1.0
        beats = track_beats(notes, duration_s)
        quarter_bpm = groove.tempo_bpm / groove_beats_per_quarter(groove)
        tempo_right = abs(beats.tempo_bpm / quarter_bpm - 1.0) < TEMPO_TOLERANCE
        denominator = 8 if groove.beats_per_bar == 6 else 4
        signature_right = str(beats.signature) == f"{groove.beats_per_bar}/{denominator}"
        nearest, meant = (
            same_sixteenth(notes, np.where(hits < 0, -1, sixteenths(played)[hits]), beats, quarter_bpm)
            for played in (groove, without_lead(groove))
        )
        bars_s = np.arange(0, duration_s, 60 / groove.tempo_bpm * groove.beats_per_bar)
        bar_f = mir_eval.beat.f_measure(bars_s, beats.downbeats_s)
        tally[f"{groove.beats_per_bar}/{denominator}"].append((tempo_right, signature_right, nearest, meant, bar_f))
        grid = f"{beats.tempo_bpm:.1f} for {quarter_bpm:.1f}, {beats.signature}"
        print(f"  {groove.name}: {grid}, bars {bar_f:.2f}, sixteenths {nearest:.3f} {meant:.3f}")
    head("grooves", "number", "tempo right", "time signature right", "same sixteenth", "lead off", "downbeat F")
    for name, rows in tally.items():
        row(name, len(rows), *np.mean(rows, axis=0).tolist())


def same_sixteenth(notes: list[DrumNote], steps: NDArray[np.int64], beats: Beats, quarter_bpm: float) -> float:
    """Share of true hits that quantising leaves on the sixteenth they were played for."""
    marked = [DrumNote(n.onset_s, n.note, n.velocity, index / len(notes)) for index, n in enumerate(notes)]
    written = lay_grid(beats, first_onset_s=notes[0].onset_s).beats
    moved = quantize(marked, written, QuantizeOptions("1/16")).notes
    found = {round(note.confidence * len(notes)): round(note.onset_s * quarter_bpm / 60.0 * 4) for note in moved}
    return float(np.mean([found[index] == step for index, step in enumerate(steps.tolist()) if step >= 0]))


def bent(groove: Groove, swing: Swing, rng: np.random.Generator) -> list[DrumNote]:
    """The groove on a grid of swung notes, with a human's scatter."""
    step = float(swing.step)
    quarters = swing.bend(np.rint(groove.beat / step) * step)
    onset_s = np.maximum(quarters * 60.0 / groove.tempo_bpm + rng.normal(0.0, 0.008, len(quarters)), 0.0)
    notes = list(ROW_NOTES.values())
    return sorted(
        DrumNote(float(t), notes[drum], int(v)) for t, drum, v in zip(onset_s, groove.row, groove.velocity, strict=True)
    )


def straight_grooves(grooves: list[Groove], swing: Swing) -> Iterator[Groove]:
    """Grooves in four that play the notes in question straight."""
    for groove in grooves:
        quarter_s = np.full(len(groove.beat), 60.0 / groove.tempo_bpm)
        heard = estimate_swing(groove.beat, quarter_s, swing.step)
        if groove.beats_per_bar == 4 and heard is not None and heard.percent < 52:
            yield groove


def measure_pauses(grooves: list[Groove]) -> None:
    """Print how well the beat goes on where the drums pause."""
    rng = np.random.default_rng(4)
    scores = []
    for groove in grooves:
        notes, _ = misheard(groove, rng)
        duration_s = notes[-1].onset_s
        if groove.beats_per_bar != 4 or duration_s < PAUSED_S:
            continue
        share = [note.onset_s / duration_s for note in notes]
        left = [n for n, at in zip(notes, share, strict=True) if not any(a <= at < b for a, b in PAUSES)]
        times_s = track_beats(left, duration_s).times_s
        beat_f = mir_eval.beat.f_measure(np.arange(0, duration_s, 60 / groove.tempo_bpm), times_s)
        beat_s = np.diff(times_s)
        right = np.abs(60.0 / beat_s / groove.tempo_bpm - 1.0) < 0.01
        scores.append((beat_f, float(beat_s[right].sum() / beat_s.sum())))
    head("pauses", "grooves", "beat F", "share at the right tempo")
    row("at the start, in the middle, at the end", len(scores), *np.mean(scores, axis=0).tolist())


def tempo_changes(beats: float, tempo_bpm: float) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Names of changes, and the tempo of each beat of a groove as a part of its own."""
    number = np.arange(int(beats) + 2)
    yield "none", np.ones(len(number))
    first, last = (round(beats * share / 4) * 4 for share in (1 / 3, 2 / 3))
    for bridge in BRIDGES:
        yield f"{bridge:g} in the middle", np.where((number >= first) & (number < last), bridge, 1.0)
    yield "5 % to and fro", 1.0 + 0.05 * np.sin(2 * np.pi * number * 60 / tempo_bpm / 25)
    yield "30 % slower in the end", 1.0 - 0.3 * np.clip(1.0 - (beats - number) / 16, 0.0, 1.0)


def measure_changes(grooves: list[Groove]) -> None:
    """Print how well beats follow a tempo that changes."""
    rng = np.random.default_rng(5)
    scores = defaultdict(list)
    for groove in grooves:
        notes, _ = misheard(groove, rng)
        if groove.beats_per_bar != 4 or notes[-1].onset_s < PAUSED_S:
            continue
        played = np.array([note.onset_s for note in notes]) * groove.tempo_bpm / 60
        for name, tempo in tempo_changes(float(groove.beat.max()), groove.tempo_bpm):
            true_s = np.concatenate([[0.0], np.cumsum(60 / groove.tempo_bpm / tempo)])
            onset_s = np.interp(played, np.arange(len(true_s)), true_s)
            moved = [DrumNote(float(t), note.note, note.velocity) for t, note in zip(onset_s, notes, strict=True)]
            times_s = track_beats(moved, onset_s[-1] + 1.0).times_s
            inside = slice(np.searchsorted(true_s, onset_s[-1], side="right"))
            scores[name].append(mir_eval.beat.f_measure(true_s[inside], times_s[times_s < onset_s[-1] + 0.1]))
    head("changes of tempo", "grooves", "beat F")
    for name, of_grooves in scores.items():
        row(name, len(of_grooves), float(np.mean(of_grooves)))


def bars_of_pattern(pattern: dict[str, Any], bars: int) -> Iterator[tuple[float, str, int]]:
    """Quarter note, drum and velocity of each hit."""
    bar_quarters = float(TimeSignature.parse(pattern["signature"]).bar_quarters)
    lines = {name: line for name, line in pattern.items() if name in PIECE_OF_KEY}
    for name, line in lines.items():
        at = (place / pattern["steps"] for place in count() if line[place % len(line)] != ".")
        for quarter in takewhile(lambda quarter: quarter < bars * bar_quarters, at):
            bar, in_bar = divmod(quarter + 1e-6, bar_quarters)
            is_fill = not pattern.get("plain") and bar % 4 == 3 and in_bar >= bar_quarters - 1.0
            if not is_fill or name in ("pedal_hat", "bell"):
                yield quarter, name, STRENGTHS[line[round(quarter * pattern["steps"]) % len(line)]]
    if not pattern.get("plain"):
        for bar in range(bars):
            if bar % 8 == 0:
                yield bar * bar_quarters, "crash", STRENGTHS["X"]
            if bar % 4 == 3:
                yield from (((bar + 1) * bar_quarters - before, name, STRENGTHS["x"]) for name, before in FILL)


def play_pattern(pattern: dict[str, Any], tempo_bpm: float, rng: np.random.Generator) -> list[DrumNote]:
    """Hits of `PATTERN_S` from `PATTERN_START_S` on, with a human's scatter; some are lost."""
    bar_s = float(TimeSignature.parse(pattern["signature"]).bar_quarters) * 60 / tempo_bpm
    return sorted(
        DrumNote(
            float(quarter * 60 / tempo_bpm + PATTERN_START_S + rng.normal(0.0, SCATTER_S)),
            PIECE_OF_KEY[drum].note,
            int(np.clip(velocity + rng.normal(0, 6), 1, 127)),
        )
        for quarter, drum, velocity in bars_of_pattern(pattern, ceil(PATTERN_S / bar_s))
        if rng.random() > 0.03
    )


def read_right(pattern: dict[str, Any], tempo_bpm: float, beats: Beats, end_s: float) -> tuple[bool, bool, float]:
    """Whether tempo and time signature are right, and the F of downbeats: of the reading that is nearest."""
    found_s = beats.downbeats_s[(beats.downbeats_s > PATTERN_START_S - 0.1) & (beats.downbeats_s < end_s + 0.1)]
    readings = []
    for name, factor in {pattern["signature"]: 1.0, **pattern.get("or", {})}.items():
        signature = TimeSignature.parse(name)
        bar_s = float(signature.bar_quarters) * 60 / tempo_bpm / factor
        bars_s = np.arange(PATTERN_START_S, end_s, bar_s)
        is_tempo = abs(beats.tempo_bpm / tempo_bpm / factor - 1.0) < TEMPO_TOLERANCE
        readings.append((is_tempo, beats.signature == signature, float(mir_eval.beat.f_measure(bars_s, found_s))))
    return max(readings)


def measure_patterns() -> None:
    """Print which patterns are heard as they were meant, at which tempos."""
    rng = np.random.default_rng(6)
    head("pattern", "tempos", "tempo right", "time signature right", "downbeat F", "heard otherwise")
    everything = []
    for name, pattern in yaml.safe_load(PATTERNS.read_text(encoding="utf-8")).items():
        scores, otherwise = [], []
        options = BeatOptions(signature=TimeSignature.parse(pattern["signature"]) if pattern.get("told") else None)
        for tempo_bpm in pattern["tempos"]:
            notes = play_pattern(pattern, tempo_bpm, rng)
            beats = track_beats(notes, notes[-1].onset_s + 1.0, options)
            scores.append(read_right(pattern, tempo_bpm, beats, notes[-1].onset_s))
            if not scores[-1] > (True, True, 0.9):
                otherwise.append(f"{tempo_bpm}: {beats.tempo_bpm:.0f} {beats.signature} {scores[-1][-1]:.2f}")
        row(name, len(scores), *np.mean(scores, axis=0).tolist(), "; ".join(otherwise))
        everything.append(np.mean(scores, axis=0))
    row("mean of patterns", len(everything), *np.mean(everything, axis=0).tolist(), "")


def measure_swing(grooves: list[Groove]) -> None:
    """Print the error of the estimate by swing, on tracked beats."""
    rng = np.random.default_rng(2)
    head("swing", "grooves", "within 3 points", "of notes of any length", "median error", "mean error")
    for swing in (Swing(percent, step) for step in (STRAIGHT.step, STRAIGHT.step / 2) for percent in SWINGS):
        errors, percents = [], []
        for groove in straight_grooves(grooves, swing):
            notes = bent(groove, swing, rng)
            beats = track_beats(notes, notes[-1].onset_s + 1.0)
            written = lay_grid(beats, first_onset_s=notes[0].onset_s).beats
            found = quantize(notes, written, QuantizeOptions(swing="auto")).swing
            same = found.step == swing.step or max(found.percent, swing.percent) <= 53.0
            errors.append(abs(found.percent - swing.percent) if same else 25.0)
            percents.append(found.percent)
        name = f"{swing.percent:g} % of {'eighths' if swing.step == STRAIGHT.step else 'sixteenths'}"
        shares = [float(np.mean(np.array(off) <= 3.0)) for off in (errors, np.abs(np.array(percents) - swing.percent))]
        row(name, len(errors), *shares, float(np.median(errors)), float(np.mean(errors)))


def measure_excerpts(grooves: list[Groove]) -> None:
    """Print how often the tempo of a few seconds out of a groove is right, misheard as `measure_grooves` has it."""
    head("excerpts of grooves in 4/4", "grooves", "tempo within 4 %", "half or double")
    for duration_s in EXCERPTS_S:
        rng = np.random.default_rng(3)
        ratios = []
        for groove in grooves:
            notes, _ = misheard(groove, rng)
            if groove.beats_per_bar != 4 or notes[-1].onset_s < duration_s + 1.0:
                continue
            start_s = rng.uniform(0.0, notes[-1].onset_s - duration_s)
            inside = [note for note in notes if start_s <= note.onset_s < start_s + duration_s]
            moved = [DrumNote(note.onset_s - start_s, note.note, note.velocity) for note in inside]
            ratios.append(track_beats(moved, duration_s).tempo_bpm / groove.tempo_bpm)
        octave = np.abs(np.log2(ratios))
        right = float(np.mean(octave < np.log2(1.04)))
        row(f"{duration_s:g} s", len(ratios), right, float(np.mean(np.abs(octave - 1.0) < np.log2(1.04))))


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of mdb-dev and groove.zip")
    parser.add_argument("--notes", choices=("reference", "drums", "mix"), default="reference")
    parser.add_argument("--separator", default="auto", help="for --notes mix")
    parser.add_argument("--only", choices=("songs", "grooves", "excerpts", "pauses", "changes", "patterns", "swing"))
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"{options.data}: no such folder; name the one of mdb-dev and groove.zip with --data")
    if options.only in (None, "songs"):
        if not any(options.data.glob("mdb-dev/*/beats.txt")):
            parser.error(f"{options.data}: holds no mdb-dev with songs; name its folder with --data, or --only another")
        measure_songs(options.data, options.notes, options.separator)
    if options.only in (None, "patterns"):
        measure_patterns()
    if options.only not in ("songs", "patterns"):
        grooves = load_grooves(options.data / "groove.zip", "validation")
        if options.only in (None, "grooves"):
            measure_grooves(grooves)
        if options.only in (None, "excerpts"):
            measure_excerpts(grooves)
        if options.only in (None, "pauses"):
            measure_pauses(grooves)
        if options.only in (None, "changes"):
            measure_changes(grooves)
        if options.only in (None, "swing"):
            measure_swing(grooves)


if __name__ == "__main__":
    main()
