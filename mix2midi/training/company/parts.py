"""What each player of a band makes of a score: lists of notes in beats.

Patterns are drawn once for a clip and varied by bar, as players do; all draw from the generator they are given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mix2midi.training.company.score import Chord, Note, Rng, Score

Part = list[Note]

LOWEST_BASS = 28
LOWEST_GUITAR = 36


@dataclass(frozen=True)
class Stroke:
    """One stroke on a guitar: several strings at once, muted by the palm or left to ring."""

    start_beat: float
    length_beats: float
    pitches: tuple[int, ...]
    strength: float
    is_muted: bool
    is_down: bool = True


def pitch_above(root: int, lowest: int) -> int:
    """The lowest pitch of class `root` that is not under `lowest`."""
    return lowest + (root - lowest) % 12


def _beats_of(score: Score, step: float) -> np.ndarray:
    return np.arange(0, score.n_beats - 1e-6, step)


def _bass_roots(score: Score, rng: Rng) -> Part:
    step = float(rng.choice([1.0, 2.0]))
    return [
        Note(beat, step * 0.9, pitch_above(score.chord_at(beat).root, LOWEST_BASS), 0.9)
        for beat in _beats_of(score, step)
    ]


def _bass_pumping(score: Score, rng: Rng) -> Part:
    step, gate = float(rng.choice([0.5, 0.5, 0.25])), rng.uniform(0.5, 1.0)
    return [
        Note(beat, step * gate, pitch_above(score.chord_at(beat).root, LOWEST_BASS), 1.0 if beat % 1 == 0 else 0.75)
        for beat in _beats_of(score, step)
    ]


def _bass_octaves(score: Score, rng: Rng) -> Part:
    notes = []
    for position, beat in enumerate(_beats_of(score, 0.5)):
        pitch = pitch_above(score.chord_at(beat).root, LOWEST_BASS) + 12 * (position % 2)
        notes.append(Note(beat, rng.uniform(0.2, 0.45), pitch, 0.9))
    return notes


def _bass_walking(score: Score, rng: Rng) -> Part:
    notes = []
    for beat in _beats_of(score, 1.0):
        chord = score.chord_at(beat)
        on_chord = beat == chord.start_beat
        step = 0 if on_chord else int(rng.choice([*chord.intervals, 2, 5, 9, 12]))
        notes.append(Note(beat, 0.95, pitch_above(chord.root, LOWEST_BASS) + step, rng.uniform(0.7, 1.0)))
    return notes


def _bass_syncopated(score: Score, rng: Rng) -> Part:
    """A sixteenth-note figure of two beats, repeated: where slapped and picked basses sit beside the kick."""
    hits = [0, *np.flatnonzero(rng.random(8) < 0.4)]
    jumps = rng.choice([0, 0, 0, 7, 10, 12], 8)
    notes = []
    for base in _beats_of(score, 2.0):
        for hit in sorted(set(hits)):
            beat = base + hit * 0.25
            pitch = pitch_above(score.chord_at(beat).root, LOWEST_BASS) + int(jumps[hit])
            notes.append(Note(beat, rng.uniform(0.1, 0.4), pitch, rng.uniform(0.7, 1.0)))
    return [note for note in notes if note.start_beat < score.n_beats]


BASS_STYLES: tuple[Callable[[Score, Rng], Part], ...] = (
    _bass_roots,
    _bass_pumping,
    _bass_octaves,
    _bass_walking,
    _bass_syncopated,
)


def bass_part(score: Score, rng: Rng) -> Part:
    """A bass line in one of five styles, with an octave's leeway upwards."""
    style = BASS_STYLES[rng.integers(len(BASS_STYLES))]
    lift = 12 * int(rng.random() < 0.25)
    return [note._replace(pitch=note.pitch + lift) for note in style(score, rng)]


def voicing(chord: Chord, lowest: int, rng: Rng, size: int = 3) -> tuple[int, ...]:
    """A chord's notes above `lowest`, in an inversion that is drawn."""
    classes = [(chord.root + step) % 12 for step in chord.intervals]
    turn = int(rng.integers(len(classes)))
    pitches: list[int] = []
    floor = lowest
    for place in range(size):
        pitch = pitch_above(classes[(turn + place) % len(classes)], floor)
        pitches.append(pitch)
        floor = pitch + 1
    return tuple(pitches)


def pad_part(score: Score, rng: Rng, lowest: int = 52) -> Part:
    """Chords held for as long as they last."""
    notes = []
    for chord in score.chords:
        for pitch in voicing(chord, lowest, rng, int(rng.integers(3, 5))):
            notes.append(Note(chord.start_beat, chord.length_beats * 0.98, pitch, rng.uniform(0.5, 0.8)))
    return notes


def stab_part(score: Score, rng: Rng) -> Part:
    """Short chords on a syncopated figure of one bar: brass, house pianos, funk."""
    bar = score.beats_per_bar
    hits = np.flatnonzero(rng.random(bar * 4) < rng.uniform(0.1, 0.3))
    length = rng.uniform(0.12, 0.5)
    notes = []
    for base in _beats_of(score, bar):
        if rng.random() < 0.15:
            continue
        for hit in hits:
            beat = base + hit * 0.25
            for pitch in voicing(score.chord_at(beat), 55, rng):
                notes.append(Note(beat, length, pitch, rng.uniform(0.7, 1.0)))
    return notes


def arpeggio_part(score: Score, rng: Rng, lowest: int = 55) -> Part:
    """Chord tones one after the other, in eighths, triplets or sixteenths."""
    step = float(rng.choice([0.5, 0.25, 0.25, 1 / 3]))
    order = rng.permutation(8)
    gate = rng.uniform(0.3, 1.2)
    notes = []
    for position, beat in enumerate(_beats_of(score, step)):
        chord = score.chord_at(beat)
        place = int(order[position % 8])
        pitch = pitch_above(chord.root, lowest) + chord.intervals[place % len(chord.intervals)]
        pitch += 12 * (place // len(chord.intervals))
        notes.append(Note(beat, step * gate, pitch, 0.6 + 0.3 * (position % 4 == 0)))
    return notes


def comp_part(score: Score, rng: Rng) -> Part:
    """Keys: as the pianist of the source played, or chords in a figure of quarters and eighths."""
    if score.keys and rng.random() < 0.7:
        return list(score.keys)
    step = float(rng.choice([0.5, 1.0, 2.0]))
    notes = []
    for beat in _beats_of(score, step):
        for pitch in voicing(score.chord_at(beat), 52, rng):
            notes.append(Note(beat, step * 0.9, pitch, rng.uniform(0.5, 0.9)))
    return notes


def lead_part(score: Score, rng: Rng) -> Part:
    """The tune, at an octave that is drawn."""
    shift = int(rng.choice([-12, 0, 0, 12]))
    return [note._replace(pitch=int(np.clip(note.pitch + shift, 40, 96))) for note in score.melody]


def riff_strokes(score: Score, rng: Rng) -> list[Stroke]:
    """Power chords: chugging sixteenths, gallops, eighths or held, with accents left open between palm mutes."""
    style = str(rng.choice(["eighths", "chug", "gallop", "held", "accents"]))
    low = LOWEST_GUITAR + int(rng.integers(0, 6))
    figure = _riff_figure(style, rng)
    strokes = []
    for base in _beats_of(score, 4.0):
        for start, length, is_muted in figure:
            beat = base + start
            if beat >= score.n_beats:
                break
            root = pitch_above(score.chord_at(beat).root, low)
            pitches = (root,) if is_muted and rng.random() < 0.3 else (root, root + 7, root + 12)
            strength = rng.uniform(0.75, 1.0) * (0.8 if is_muted else 1.0)
            strokes.append(Stroke(beat, length, pitches, strength, is_muted, is_down=True))
    return strokes


def _riff_figure(style: str, rng: Rng) -> list[tuple[float, float, bool]]:
    """Start, length and palm mute of each stroke in four beats."""
    if style == "held":
        return [(0.0, 2.0, False), (2.0, 2.0, False)] if rng.random() < 0.5 else [(0.0, 4.0, False)]
    if style == "accents":
        hits = [0, *sorted(set(rng.choice(np.arange(1, 16), 4)))]
        return [(hit / 4, (after - hit) / 4, False) for hit, after in zip(hits, [*hits[1:], 16], strict=True)]
    starts = {
        "eighths": np.arange(0, 4, 0.5),
        "chug": np.arange(0, 4, 0.25),
        "gallop": np.array([beat + part for beat in range(4) for part in (0, 0.5, 0.75)]),
    }[style]
    is_open = rng.random(len(starts)) < rng.choice([0.0, 0.15, 0.3])
    return [
        (float(start), float(after - start), not opened)
        for start, after, opened in zip(starts, [*starts[1:], 4.0], is_open, strict=True)
    ]


def strum_strokes(score: Score, rng: Rng) -> list[Stroke]:
    """Open chords of five or six strings, down on the beat and up between, some strokes left out."""
    keep = np.array([1.0, 0.4, 0.8, 0.7, 0.3, 0.7, 0.8, 0.6])[: 2 * min(score.beats_per_bar, 4)]
    played = rng.random(len(keep)) < keep
    played[0] = True
    strokes = []
    for position, beat in enumerate(_beats_of(score, 0.5)):
        if not played[position % len(played)]:
            continue
        is_down = position % 2 == 0
        pitches = voicing(score.chord_at(beat), 40 + int(rng.integers(0, 5)), rng, 5)
        is_muted = rng.random() < 0.12
        strokes.append(Stroke(beat, 0.6, pitches, rng.uniform(0.6, 1.0), is_muted, is_down))
    return strokes


def picked_strokes(score: Score, rng: Rng) -> list[Stroke]:
    """One string at a time: arpeggios and tunes on the guitar."""
    notes = arpeggio_part(score, rng, 45) if rng.random() < 0.5 else lead_part(score, rng)
    return [Stroke(note.start_beat, note.length_beats, (note.pitch,), note.strength, False) for note in notes]
