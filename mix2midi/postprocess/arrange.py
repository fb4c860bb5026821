"""All of musical time and dynamics in one call: from the hits of a song to what a DAW project wants of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_tracking import track_beats
from mix2midi.postprocess.beats import BeatOptions, Beats
from mix2midi.postprocess.grid import START_TOLERANCE_S, TEMPO_MODES, lay_grid
from mix2midi.postprocess.midi import read_midi_notes
from mix2midi.postprocess.quantize import Quantized, QuantizeOptions, quantize
from mix2midi.postprocess.tempo_map import TempoMap
from mix2midi.postprocess.velocity import bend_velocity, fix_velocity, match_velocity, scale_velocity

#: Beats around a given downbeat that tell whether it bends them.
_BEATS_AROUND = 4


@dataclass(frozen=True, slots=True)
class VelocityOptions:
    """What becomes of velocities, in this order; by default nothing.

    Attributes
    ----------
    match : Path, optional
        MIDI file whose distribution of velocities each drum takes over.
    curve : float, optional
        Exponent, see `mix2midi.postprocess.velocity.bend_velocity`.
    range : tuple of int, optional
        Velocity of the softest and of the loudest hit.
    fixed : int, optional
        Velocity of every hit, which leaves nothing to the others.

    Raises
    ------
    OptionError
        A value is out of range, or of no use beside another one.
    """

    match: Path | None = None
    curve: float | None = None
    range: tuple[int, int] | None = None
    fixed: int | None = None

    def __post_init__(self) -> None:
        self._shape([])
        if self.fixed is not None and (self.match, self.curve, self.range) != (None, None, None):
            raise OptionError(
                f"a fixed velocity of {self.fixed} leaves nothing to shape; leave out either it, or the range and curve"
            )

    def apply(self, notes: Sequence[DrumNote]) -> list[DrumNote]:
        """Notes with their velocities; raises `OptionError` where the file to match cannot be read or is empty."""
        changed = list(notes)
        if self.match is not None:
            model = [(note, velocity) for _, note, velocity in read_midi_notes(self.match)]
            if not model:
                raise OptionError(f"{self.match}: has no notes to match velocities with; name another performance")
            changed = match_velocity(changed, model)
        return self._shape(changed)

    def _shape(self, notes: list[DrumNote]) -> list[DrumNote]:
        if self.curve is not None:
            notes = bend_velocity(notes, self.curve)
        if self.range is not None:
            notes = scale_velocity(notes, *self.range)
        if self.fixed is not None:
            notes = fix_velocity(notes, self.fixed)
        return notes


@dataclass(frozen=True, slots=True)
class ArrangeOptions:
    """How hits are set in musical time.

    Attributes
    ----------
    tempo : str
        One of `mix2midi.postprocess.grid.TEMPO_MODES`.
    beats : BeatOptions
        What is known about tempo, time signature and bar lines.
    quantize : QuantizeOptions, optional
        By default hits stay where they were played.
    velocity : VelocityOptions

    Raises
    ------
    OptionError
        The tempo mode is not known.
    """

    tempo: str = "map"
    beats: BeatOptions = BeatOptions()
    quantize: QuantizeOptions | None = None
    velocity: VelocityOptions = VelocityOptions()

    def __post_init__(self) -> None:
        if self.tempo not in TEMPO_MODES:
            raise OptionError(f"tempo {self.tempo!r} is not known; choose one of {', '.join(TEMPO_MODES)}")


@dataclass(frozen=True)
class Arranged:
    """A drum part in musical time.

    Attributes
    ----------
    notes : list of DrumNote
        In order of onset.
    beats : Beats
        On the lines of the tempo map that follows the song, see `mix2midi.postprocess.grid.lay_grid`.
    tempo_map : TempoMap
        For `mix2midi.postprocess.midi.write_midi`.
    tempo_bpm : float
        Mean tempo of the song in quarter notes per minute; that of the file where it has one.
    quantized : Quantized, optional
        Grids and swing that were applied.
    bent_s : float
        How far the beats around a given downbeat lie, in the median, from those that are heard without it.
    """

    notes: list[DrumNote]
    beats: Beats
    tempo_map: TempoMap
    tempo_bpm: float
    quantized: Quantized | None = None
    bent_s: float = 0.0


def arrange(notes: Sequence[DrumNote], duration_s: float, options: ArrangeOptions | None = None) -> Arranged:
    """Find the song's time, quantise, and set velocities.

    Hits are quantised to the song's own beats, as a tempo map writes them down: with such a map they lie on its lines,
    and with a constant tempo where its lines follow the song.

    Parameters
    ----------
    notes : sequence of DrumNote
        In order of onset; not changed.
    duration_s : float
        Length of the song.
    options : ArrangeOptions, optional

    Returns
    -------
    Arranged

    Raises
    ------
    OptionError
        A downbeat after the song's end; a file to match velocities with that cannot be read.
    ModelError
        The shipped weights of the beat network are damaged.
    """
    options = options or ArrangeOptions()
    beats = _song_beats(notes, duration_s, options)
    grid = lay_grid(beats, first_onset_s=_first_known_s(notes, options.beats))
    # A constant tempo that the user gave is written to the letter.
    tempo_map = grid.tempo_map if options.tempo == "map" else grid.constant_map(options.beats.tempo_bpm)
    lines = grid.beats if options.tempo == "map" else _on_lines(grid.beats, tempo_map)
    quantized = quantize(notes, lines, options.quantize) if options.quantize is not None else None
    placed = quantized.notes if quantized is not None else list(notes)
    tempo_bpm = tempo_map.tempo_bpm if len(tempo_map.tempos) == 1 else grid.tempo_bpm
    bent_s = _bent_s(grid.beats, notes, duration_s, options)
    return Arranged(options.velocity.apply(placed), grid.beats, tempo_map, tempo_bpm, quantized, bent_s)


def _on_lines(beats: Beats, tempo_map: TempoMap) -> Beats:
    """The lines of a file with one tempo, where all beats are nearly there; else the beats."""
    beat_s = tempo_map.seconds(beats.signature.beat_quarters)
    lines_s = np.rint(beats.times_s / beat_s) * beat_s
    is_near = np.abs(lines_s - beats.times_s).max() <= START_TOLERANCE_S
    return replace(beats, times_s=lines_s) if is_near and np.all(np.diff(lines_s) > 0.0) else beats


def _first_known_s(notes: Sequence[DrumNote], options: BeatOptions) -> float | None:
    """Where the first beat may be known: at the first hit, or at a downbeat that was given before it."""
    known_s = [note.onset_s for note in notes[:1]]
    if options.downbeat_s is not None:
        known_s.append(options.downbeat_s)
    return min(known_s, default=None)


def _bent_s(beats: Beats, notes: Sequence[DrumNote], duration_s: float, options: ArrangeOptions) -> float:
    downbeat_s = options.beats.downbeat_s
    if downbeat_s is None or not notes:
        return 0.0
    heard = _song_beats(notes, duration_s, replace(options, beats=replace(options.beats, downbeat_s=None)))
    # The first hit may lie a hair after its beat.
    counted_s = beats.times_s[beats.times_s >= notes[0].onset_s - START_TOLERANCE_S]
    if heard.reason or not len(counted_s):  # a guess is nothing to lie beside
        return 0.0
    # Further off beats find back to what is heard, and say nothing.
    nearest = np.argsort(np.abs(counted_s - downbeat_s))[:_BEATS_AROUND]
    return float(np.median(np.abs(counted_s[nearest, None] - heard.times_s).min(axis=1)))


def _song_beats(notes: Sequence[DrumNote], duration_s: float, options: ArrangeOptions) -> Beats:
    """Beats of the song; a constant tempo is that of the user's project, and says nothing about the song."""
    if options.tempo != "constant" or options.beats.tempo_bpm is None:
        return track_beats(notes, duration_s, options.beats)
    heard = track_beats(notes, duration_s, replace(options.beats, tempo_bpm=None))
    return track_beats(notes, duration_s, options.beats) if heard.reason else heard
