"""Scores: tempo, chords and a melody in beats, from piano arrangements as MIDI or made at random.

Every clip starts on a downbeat at its first sample, so that training can lay it under drums of the same tempo.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.units import tempo_to_seconds_per_beat

Rng = np.random.Generator

N_PITCH_CLASSES = 12
SIXTEENTHS_PER_BEAT = 4
_BEATS_PER_CHORD = 2
CHORD_SHAPES: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "dominant": (0, 4, 7, 10),
    "minor7": (0, 3, 7, 10),
    "sus4": (0, 5, 7),
    "diminished": (0, 3, 6),
}
SCALES: tuple[tuple[int, ...], ...] = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 1, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
)


class Note(NamedTuple):
    """One note of one player: beats from the start of the clip, MIDI pitch, strength 0..1."""

    start_beat: float
    length_beats: float
    pitch: int
    strength: float


@dataclass(frozen=True)
class Chord:
    """A harmony that lasts for `length_beats`: root 0..11 and intervals above it in semitones."""

    start_beat: float
    length_beats: float
    root: int
    intervals: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """What all players of a clip share.

    Attributes
    ----------
    tempo_bpm : float
    beats_per_bar : int
    n_beats : int
        Whole bars.
    chords, melody, keys
        Harmony, tune, and the piano part as it was played (empty for random scores).
    swing : float
        Where the second half of a beat falls: 0.5 straight, 0.67 triplets.
    source : str
        Name of the source in the recipe, or "random".
    """

    tempo_bpm: float
    beats_per_bar: int
    n_beats: int
    chords: tuple[Chord, ...]
    melody: tuple[Note, ...]
    keys: tuple[Note, ...]
    swing: float = 0.5
    source: str = "random"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_beats * tempo_to_seconds_per_beat(self.tempo_bpm)

    def seconds(self, beat: float) -> float:
        """Time of a beat position, swung."""
        whole = np.floor(beat)
        part = beat - whole
        bent = part / 0.5 * self.swing if part < 0.5 else self.swing + (part - 0.5) / 0.5 * (1 - self.swing)
        return float(whole + bent) * tempo_to_seconds_per_beat(self.tempo_bpm)

    def chord_at(self, beat: float) -> Chord:
        """The harmony that sounds at a beat."""
        playing = [chord for chord in self.chords if chord.start_beat <= beat + 1e-6]
        return playing[-1] if playing else self.chords[0]


def random_tempo(rng: Rng) -> float:
    """Tempo in quarter notes per minute, 60 to 200, most often near 120."""
    return float(np.round(np.clip(rng.normal(118, 30), 60, 200), 2))


def bars_for(duration_s: float, tempo_bpm: float, beats_per_bar: int) -> int:
    """Whole bars that come nearest to a duration, at least two."""
    return max(2, round(duration_s / (beats_per_bar * tempo_to_seconds_per_beat(tempo_bpm))))


def random_score(rng: Rng, duration_s: float) -> Score:
    """A made-up song: a progression that repeats and a tune of repeated rhythms on its scale."""
    tempo_bpm = random_tempo(rng)
    beats_per_bar = int(rng.choice([4, 4, 4, 4, 3, 6]))
    n_bars = bars_for(duration_s, tempo_bpm, beats_per_bar)
    key, scale = int(rng.integers(N_PITCH_CLASSES)), SCALES[rng.integers(len(SCALES))]
    chords = _random_progression(rng, key, scale, n_bars, beats_per_bar)
    melody = _random_melody(rng, key, scale, n_bars, beats_per_bar)
    swing = float(rng.choice([0.5, 0.5, 0.5, 0.58, 0.66]))
    return Score(tempo_bpm, beats_per_bar, n_bars * beats_per_bar, chords, melody, (), swing)


def _random_progression(rng: Rng, key: int, scale: Sequence[int], n_bars: int, beats_per_bar: int) -> tuple[Chord, ...]:
    period = int(rng.choice([1, 2, 4, 4, 4, 8]))
    degrees = [0, *rng.choice([0, 1, 2, 3, 3, 4, 4, 5, 5, 6], period - 1)]
    with_seventh = rng.random() < 0.3
    chords = []
    for bar in range(n_bars):
        degree = int(degrees[bar % period])
        steps = [scale[(degree + step) % 7] + 12 * ((degree + step) // 7) for step in (0, 2, 4, 6)]
        intervals = tuple(step - steps[0] for step in steps[: 4 if with_seventh else 3])
        root = (key + steps[0]) % N_PITCH_CLASSES
        chords.append(Chord(float(bar * beats_per_bar), float(beats_per_bar), root, intervals))
    return tuple(chords)


def _random_melody(rng: Rng, key: int, scale: Sequence[int], n_bars: int, beats_per_bar: int) -> tuple[Note, ...]:
    grid = beats_per_bar * SIXTEENTHS_PER_BEAT
    motifs = [np.sort(rng.choice(grid, int(rng.integers(3, min(grid, 10))), replace=False)) for _ in range(3)]
    step, notes = int(rng.integers(7)), []
    for bar in range(n_bars):
        if rng.random() < 0.2:
            continue
        starts = motifs[int(rng.integers(3))]
        for start, stop in zip(starts, [*starts[1:], grid], strict=True):
            step = int(np.clip(step + rng.integers(-2, 3), -4, 11))
            pitch = 60 + key % 12 + scale[step % 7] + 12 * (step // 7)
            length = min((stop - start) / SIXTEENTHS_PER_BEAT, 2.5) * 0.9
            beat = bar * beats_per_bar + start / SIXTEENTHS_PER_BEAT
            notes.append(Note(float(beat), float(length), int(pitch), float(rng.uniform(0.5, 1.0))))
    return tuple(notes)


@lru_cache(maxsize=8)
def list_midi(archive: Path) -> tuple[str, ...]:
    """Names of the MIDI files in a zip, sorted.

    Raises
    ------
    OptionError
        If the archive is missing, is no zip, or holds no MIDI file.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = tuple(sorted(name for name in opened.namelist() if name.endswith(".mid")))
    except (OSError, zipfile.BadZipFile) as error:
        raise OptionError(f"{archive}: not a readable zip of MIDI files ({error})") from error
    if not names:
        raise OptionError(f"{archive}: holds no .mid file; name another archive in the recipe")
    return names


@lru_cache(maxsize=64)
def _read_tracks(archive: Path, name: str) -> dict[str, list[Note]]:
    """Notes per track name, in beats of the file's own grid."""
    import mido

    with zipfile.ZipFile(archive) as opened:
        midi = mido.MidiFile(file=io.BytesIO(opened.read(name)))
    tracks: dict[str, list[Note]] = {}
    for track in midi.tracks:
        tick, open_notes, notes = 0, {}, []
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                open_notes[message.note] = (tick, message.velocity)
            elif message.type in ("note_on", "note_off") and message.note in open_notes:
                start, velocity = open_notes.pop(message.note)
                length = max(tick - start, 1) / midi.ticks_per_beat
                notes.append(Note(start / midi.ticks_per_beat, length, message.note, velocity / 127))
        if notes:
            tracks[track.name.strip()] = sorted(notes)
    return tracks


def score_from_midi(archive: Path, name: str, rng: Rng, duration_s: float, source: str) -> Score:
    """A stretch of a piano arrangement (POP909's tracks: MELODY, BRIDGE, PIANO), at a tempo and in a key of our own.

    Chords are the best of six shapes for every two beats of the piano.
    """
    tracks = _read_tracks(archive, name)
    tempo_bpm = random_tempo(rng)
    n_beats = 4 * bars_for(duration_s, tempo_bpm, 4)
    longest = max(tracks.values(), key=len)
    last_beat = max(notes[-1].start_beat for notes in tracks.values())
    first = _beat_phase(longest) + 4 * int(rng.integers(0, max(1, int(last_beat - n_beats) // 4)))
    transpose = int(rng.integers(-5, 7))
    melody = _window(tracks.get("MELODY", []) + tracks.get("BRIDGE", []), first, n_beats, transpose)
    keys = _window(tracks.get("PIANO", longest), first, n_beats, transpose)
    chords = _find_chords(keys or melody, n_beats)
    return Score(tempo_bpm, 4, n_beats, chords, tuple(melody), tuple(keys), 0.5, source)


def _beat_phase(notes: Sequence[Note]) -> float:
    """Where in the file's beat the notes fall most, 0..1, to a sixteenth of a beat."""
    counts = np.bincount(np.rint(np.array([note.start_beat for note in notes]) % 1 * 16).astype(int) % 16, minlength=16)
    return float(np.argmax(counts)) / 16


def _window(notes: Sequence[Note], first: float, n_beats: int, transpose: int) -> list[Note]:
    """The notes of a stretch, moved to start at beat 0 and onto sixteenths when they are nearly there."""
    moved = []
    for note in notes:
        beat = note.start_beat - first
        nearest = round(beat * SIXTEENTHS_PER_BEAT) / SIXTEENTHS_PER_BEAT
        beat = nearest + 0.3 * (beat - nearest)
        if 0 <= beat < n_beats - 0.1:
            length = min(note.length_beats, n_beats - beat)
            moved.append(Note(beat, length, note.pitch + transpose, note.strength))
    return sorted(moved)


def _find_chords(notes: Sequence[Note], n_beats: int) -> tuple[Chord, ...]:
    chords: list[Chord] = []
    step = _BEATS_PER_CHORD
    for start in range(0, n_beats, step):
        weight = _pitch_weights(notes, start, start + step)
        if not weight.any() and chords:
            chords[-1] = replace(chords[-1], length_beats=chords[-1].length_beats + step)
            continue
        root, intervals = _best_shape(weight)
        last = chords[-1] if chords else None
        if last and (last.root, last.intervals) == (root, intervals) and last.length_beats < 4:
            chords[-1] = replace(last, length_beats=last.length_beats + step)
        else:
            chords.append(Chord(float(start), float(step), root, intervals))
    return tuple(chords)


def _pitch_weights(notes: Sequence[Note], start: float, stop: float) -> NDArray[np.float64]:
    """How long each pitch class sounds in a stretch; low notes count more."""
    weight = np.zeros(N_PITCH_CLASSES)
    for note in notes:
        overlap = min(stop, note.start_beat + note.length_beats) - max(start, note.start_beat)
        if overlap > 0:
            weight[note.pitch % N_PITCH_CLASSES] += overlap * (2.0 if note.pitch < 52 else 1.0)
    return weight


def _best_shape(weight: NDArray[np.float64]) -> tuple[int, tuple[int, ...]]:
    best, best_score = (0, CHORD_SHAPES["major"]), -np.inf
    for root in range(N_PITCH_CLASSES):
        for intervals in CHORD_SHAPES.values():
            inside = sum(weight[(root + step) % N_PITCH_CLASSES] for step in intervals)
            fit = inside + 0.5 * weight[root] - 0.3 * len(intervals) * weight.sum() / N_PITCH_CLASSES
            if fit > best_score:
                best, best_score = (root, intervals), fit
    return best
