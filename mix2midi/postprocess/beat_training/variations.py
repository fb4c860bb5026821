"""Grooves made of other grooves: what songs do and the data set does not.

Its grooves are mostly straight, in bars of four, and keep to one feel without a rest. Here a section of another groove
stands in the middle, drums fall silent for some bars, bars have three beats or six eighths, notes swing.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES
from mix2midi.postprocess.beat_roll import ROWS, row_of_note
from mix2midi.postprocess.beat_training.grooves import Groove
from mix2midi.postprocess.lines import Swing
from mix2midi.training.patterns import generate_pattern

_ROW = {name: row for row, name in enumerate(ROWS)}
_ROW_OF_PIECE = np.array([row_of_note(piece.note) for piece in PIECES], dtype=np.int64)
#: Bars of a generated pattern.
PATTERN_BARS = 16
#: Bars of another groove in the middle of one, and how much faster or slower it may have been.
SECTION_BARS, SECTION_SPEEDS = (2, 12), (0.75, 1.33)
#: Bars of a pause; in every second one a kind of drum goes on.
PAUSE_BARS, LONELY_DRUM_SHARE = (1, 2, 4, 8), 0.5
#: How much notes swing, in percent; how often those are sixteenths, as in hip-hop and half-time shuffles, and at which
#: tempos at most.
SWING_PERCENTS = (54.0, 70.0)
SIXTEENTHS_SHARE, SIXTEENTHS_FASTEST_BPM = 0.35, 120.0
#: A hit this much before a beat or a bar line, in beats, belongs to what begins there: players are early half the time.
EARLY = 0.1
#: Shares of grooves in four that become bars of three and of six eighths.
THREES_SHARE, SIXES_SHARE = 0.15, 0.10


def pattern_groove(rng: np.random.Generator) -> Groove:
    """One of the patterns that the transcriber learns from: metal, punk, four on the floor, toms, rolls."""
    pattern = generate_pattern(rng, PATTERN_BARS)
    return Groove(
        beat=pattern.onset_s * pattern.tempo_bpm / 60.0,
        row=_ROW_OF_PIECE[pattern.row],
        velocity=pattern.velocity,
        tempo_bpm=pattern.tempo_bpm,
        beats_per_bar=4,
        name=pattern.name,
    )


def with_section(groove: Groove, other: Groove, rng: np.random.Generator) -> Groove:
    """Some bars of another groove in the place of its own, if meter and tempo allow."""
    slowest, fastest = SECTION_SPEEDS
    if other.beats_per_bar != groove.beats_per_bar or not slowest < other.tempo_bpm / groove.tempo_bpm < fastest:
        return groove
    bars = int(rng.integers(*SECTION_BARS, endpoint=True))
    start = int(rng.integers(0, max(1, groove.bars - bars + 1))) * groove.beats_per_bar
    source = int(rng.integers(0, max(1, other.bars - bars))) * groove.beats_per_bar
    own = ~_is_in_bars(groove, start, bars)
    its = _is_in_bars(other, source, bars)
    beat = np.concatenate([groove.beat[own], other.beat[its] - source + start])
    row = np.concatenate([groove.row[own], other.row[its]])
    velocity = np.concatenate([groove.velocity[own], other.velocity[its]])
    order = np.argsort(beat, kind="stable")
    return replace(groove, beat=beat[order], row=row[order], velocity=velocity[order])


def with_pause(groove: Groove, rng: np.random.Generator) -> Groove:
    """Some bars in which the drums are silent, or all but one kind of them."""
    bars = int(rng.choice(PAUSE_BARS))
    start = int(rng.integers(0, max(1, groove.bars))) * groove.beats_per_bar
    keep = ~_is_in_bars(groove, start, bars)
    if rng.random() < LONELY_DRUM_SHARE:
        keep |= groove.row == rng.integers(len(ROWS))
    return _only(groove, keep)


def swung(groove: Groove, rng: np.random.Generator) -> Groove:
    """Eighths or sixteenths that swing; bars of six eighths stay as they are."""
    if groove.beats_per_bar == 6:
        return groove
    is_slow = groove.tempo_bpm < SIXTEENTHS_FASTEST_BPM
    step = Fraction(1, 4) if is_slow and rng.random() < SIXTEENTHS_SHARE else Fraction(1, 2)
    return replace(groove, beat=Swing(float(rng.uniform(*SWING_PERCENTS)), step).bend(groove.beat))


def in_other_meter(groove: Groove, rng: np.random.Generator) -> Groove:
    """Sometimes a bar of three or of six eighths made of one of four: the data set has hardly any."""
    draw = rng.random()
    if groove.beats_per_bar != 4 or draw > THREES_SHARE + SIXES_SHARE:
        return groove
    return _in_three(groove, rng) if draw < THREES_SHARE else _in_six(groove)


def _in_three(groove: Groove, rng: np.random.Generator) -> Groove:
    """Leave the same beat out of every bar, never the first."""
    dropped = rng.integers(1, 4)
    number = _number_of_beat(groove)
    bar, place = np.divmod(number, 4)
    beat = groove.beat - bar - (place > dropped)
    return _only(replace(groove, beat=beat, beats_per_bar=3), place != dropped)


def _in_six(groove: Groove) -> Groove:
    """Half a bar becomes a bar of 6/8: each beat of two eighths gets a third, which repeats the second.

    Kick on one and snare on two become kick on one and snare on four, the usual 6/8.
    """
    number = _number_of_beat(groove)
    phase = groove.beat - number
    eighth = number * 3 + phase * 2
    again = (phase >= 0.5 - EARLY) & (groove.row != _ROW["kick"]) & (groove.row != _ROW["snare"])
    position = np.concatenate([eighth, eighth[again] + 1.0])
    order = np.argsort(position, kind="stable")
    return replace(
        groove,
        beat=position[order],
        row=np.concatenate([groove.row, groove.row[again]])[order],
        velocity=np.concatenate([groove.velocity, groove.velocity[again]])[order],
        tempo_bpm=groove.tempo_bpm * 2.0,
        beats_per_bar=6,
    )


def _number_of_beat(groove: Groove) -> NDArray[np.int64]:
    """Which beat each hit belongs to, from 0; those just before the first beat are of the first."""
    return np.floor(groove.beat + EARLY).astype(np.int64)


def _is_in_bars(groove: Groove, start: int, bars: int) -> NDArray[np.bool_]:
    """Which hits are in so many bars from a beat on."""
    first = start - EARLY
    return (groove.beat >= first) & (groove.beat < first + bars * groove.beats_per_bar)


def _only(groove: Groove, keep: NDArray[np.bool_]) -> Groove:
    return replace(groove, beat=groove.beat[keep], row=groove.row[keep], velocity=groove.velocity[keep])
