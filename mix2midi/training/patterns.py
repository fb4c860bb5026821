"""Who plays what Groove MIDI lacks: metal, blast beats, four on the floor, tom grooves, long fills, crash-ridden parts.

Patterns are written on a grid of sixteenths and then played by a clumsy human: timing and velocity wander.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.drums import TOMS
from mix2midi.training.performances import ROW_OF_PIECE, Performance
from mix2midi.units import tempo_to_seconds_per_beat

_STEPS = 16  # sixteenths in a bar of 4/4
_Hit = tuple[float, str, float]  # step within the bar, piece, velocity


def generate_pattern(rng: Generator, bars: int = 8, style: int | None = None, hand: str | None = None) -> Performance:
    """A drum part of one random style.

    Parameters
    ----------
    rng : numpy Generator
        All chance comes from it.
    bars : int
        Length in bars of 4/4.
    style : int, optional
        Number of the style; where it is more than there are, they begin anew. By default a random one.
    hand : str, optional
        Piece that keeps the time, in styles that have one that does; by default a random one.
    """
    drawn = int(rng.integers(len(_STYLES)))
    begin, (slowest_bpm, fastest_bpm) = _STYLES[drawn if style is None else style % len(_STYLES)]
    tempo_bpm = float(rng.uniform(slowest_bpm, fastest_bpm))
    hits: list[tuple[float, str, float]] = []
    play_bar = begin(rng, hand)
    fill_every = int(rng.choice([2, 4, 8]))
    for bar in range(bars):
        bar_hits = play_bar(bar)
        if (bar + 1) % fill_every == 0 and rng.random() < 0.7:
            start = int(rng.choice([0, 4, 8, 12]))
            bar_hits = [hit for hit in bar_hits if hit[0] < start] + _fill(rng, start)
        hits += [(bar * _STEPS + step, piece, velocity) for step, piece, velocity in bar_hits]
    return _play(rng, hits, tempo_bpm, begin.__name__.lstrip("_"))


def _play(rng: Generator, hits: list[_Hit], tempo_bpm: float, name: str) -> Performance:
    """Give grid hits a human's time and force."""
    step_s = tempo_to_seconds_per_beat(tempo_bpm) / 4.0
    looseness_s = rng.uniform(0.0, 0.010)
    force = rng.uniform(0.75, 1.1)
    onset_s = np.array([step * step_s for step, _, _ in hits]) + rng.normal(0.0, looseness_s, len(hits))
    velocity = np.array([v for _, _, v in hits]) * force + rng.normal(0.0, 6.0, len(hits))
    rows = np.array([ROW_OF_PIECE[piece] for _, piece, _ in hits], dtype=np.int64)
    order = np.argsort(onset_s, kind="stable")
    return Performance(
        np.maximum(onset_s[order], 0.0), rows[order], np.clip(velocity[order], 5, 127), tempo_bpm, f"pattern:{name}"
    )


def _fill(rng: Generator, start: int) -> list[_Hit]:
    """A run over snare and toms, mostly downwards, on eighths, sixteenths, triplets or thirty-seconds."""
    step = float(rng.choice([0.5, 2 / 3, 1.0, 1.0, 1.0, 4 / 3, 2.0]))
    steps = np.arange(start, _STEPS, step)
    order = ["snare", *TOMS]
    kick_below = rng.random() < 0.4
    hits: list[_Hit] = []
    for count, at in enumerate(steps):
        drift = int(4 * count / max(len(steps), 1)) if rng.random() < 0.75 else int(rng.integers(4))
        hits.append((float(at), order[min(drift, 3)], float(rng.uniform(70, 120))))
        if kick_below and count % 2 == 0:
            hits.append((float(at), "kick", 100.0))
        if rng.random() < 0.08:  # a flam
            hits.append((float(at) - rng.uniform(0.12, 0.3), order[min(drift, 3)], float(rng.uniform(30, 70))))
    return hits


def _timekeeper(rng: Generator, wanted: str | None) -> Callable[[int], list[_Hit]]:
    """What the right hand does: one cymbal or tom, on quarters, eighths or sixteenths, with accents."""
    names = ["closed_hat", "closed_hat", "open_hat", "ride", "ride", "crash", "china", "bell", "low_tom"]
    drawn = str(rng.choice(names))
    piece = wanted or drawn
    spacing = int(rng.choice([1, 2, 2, 2, 4, 4]))
    accent = float(rng.uniform(0, 35))
    base = float(rng.uniform(60, 105))
    opens = rng.random() < 0.3

    def bar_of(bar: int) -> list[_Hit]:
        hits = [(float(s), piece, base + (accent if s % 4 == 0 else 0.0)) for s in range(0, _STEPS, spacing)]
        if opens and piece == "closed_hat":
            hits = [(s, "open_hat" if s % 16 == 14 else p, v) for s, p, v in hits]
        if bar % 4 == 0 and rng.random() < 0.7:
            hits = [h for h in hits if h[0] > 0] + [(0.0, str(rng.choice(["crash", "crash", "splash"])), 112.0)]
        return hits

    return bar_of


def _rock(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    play_hand = _timekeeper(rng, hand)
    kicks: NDArray[np.bool_] = rng.random(_STEPS) < np.where(np.arange(_STEPS) % 4 == 0, 0.5, 0.15)
    kicks[0] = True
    ghosts = rng.random(_STEPS) < rng.choice([0.0, 0.0, 0.15, 0.3])
    backbeat = (8,) if rng.random() < 0.25 else (4, 12)
    snare = str(rng.choice(["snare", "snare", "snare", "snare", "side_stick"]))

    def bar_of(bar: int) -> list[_Hit]:
        hits = play_hand(bar) + [(float(s), "kick", 105.0) for s in np.flatnonzero(kicks)]
        hits += [(float(s), snare, 108.0) for s in backbeat]
        return hits + [(float(s), "snare", 32.0) for s in np.flatnonzero(ghosts) if s not in backbeat]

    return bar_of


def _double_bass(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    play_hand = _timekeeper(rng, hand)
    gallop = rng.random() < 0.4
    backbeat = (8,) if rng.random() < 0.5 else (4, 12)

    def bar_of(bar: int) -> list[_Hit]:
        steps = [s for s in range(_STEPS) if not gallop or s % 4 != 1]
        snares = [(float(s), "snare", 112.0) for s in backbeat]
        return play_hand(bar) + [(float(s), "kick", 98.0) for s in steps] + snares

    return bar_of


def _blast(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    drawn = str(rng.choice(["closed_hat", "ride", "crash", "china", "open_hat"]))
    piece = hand or drawn
    together = rng.random() < 0.4

    def bar_of(bar: int) -> list[_Hit]:
        even, odd = range(0, _STEPS, 2), range(1, _STEPS, 2)
        snares = even if together else odd
        hits = [(float(s), "kick", 96.0) for s in even] + [(float(s), "snare", 92.0) for s in snares]
        return hits + [(float(s), piece, 88.0) for s in even]

    return bar_of


def _punk(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    play_hand = _timekeeper(rng, hand)

    def bar_of(bar: int) -> list[_Hit]:
        kicks = [0, 3, 6, 8, 11, 14] if bar % 2 else [0, 4, 6, 8, 12]
        snares = [(float(s), "snare", 110.0) for s in (2, 6, 10, 14)]
        return play_hand(bar) + [(float(s), "kick", 102.0) for s in kicks] + snares

    return bar_of


def _four_on_the_floor(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    back = str(rng.choice(["clap", "snare", "clap", "side_stick"]))
    sixteenths = rng.random() < 0.5
    extra = str(rng.choice(["tambourine", "cowbell", "none", "none"]))

    def bar_of(bar: int) -> list[_Hit]:
        hits = [(float(s), "kick", 115.0) for s in (0, 4, 8, 12)] + [(float(s), back, 105.0) for s in (4, 12)]
        hits += [(float(s), "open_hat", 95.0) for s in (2, 6, 10, 14)]
        if sixteenths:
            hits += [(float(s), "closed_hat", 70.0) for s in range(_STEPS) if s % 4 != 2]
        if extra != "none":
            hits += [(float(s), extra, 80.0) for s in range(0, _STEPS, 2)]
        return hits

    return bar_of


def _tom_groove(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    pieces = rng.choice(["low_tom", "low_tom", "mid_tom", "high_tom", "snare"], _STEPS)
    plays = rng.random(_STEPS) < rng.uniform(0.4, 0.9)
    pedal = rng.random() < 0.5

    def bar_of(bar: int) -> list[_Hit]:
        accents = np.where(np.arange(_STEPS) % 4 == 0, 110.0, 80.0)
        hits = [(float(s), str(pieces[s]), float(accents[s])) for s in np.flatnonzero(plays)]
        hits += [(float(s), "kick", 100.0) for s in (0, 8)]
        return hits + ([(float(s), "pedal_hat", 75.0) for s in (4, 12)] if pedal else [])

    return bar_of


def _sparse(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    """Single hits with air around them, any piece: what rare drums sound like on their own."""
    names = list(ROW_OF_PIECE)

    def bar_of(bar: int) -> list[_Hit]:
        return [(float(rng.integers(_STEPS)), str(rng.choice(names)), float(rng.uniform(20, 125))) for _ in range(5)]

    return bar_of


def _rolls(rng: Generator, hand: str | None) -> Callable[[int], list[_Hit]]:
    """Snare rolls and cymbal swells between plain beats."""
    piece = str(rng.choice(["snare", "snare", "low_tom", "ride", "closed_hat"]))

    def bar_of(bar: int) -> list[_Hit]:
        steps = np.arange(0, _STEPS, 0.5 if bar % 2 else 1.0)
        return [(float(s), piece, float(30 + 80 * s / _STEPS)) for s in steps] + [(0.0, "kick", 105.0)]

    return bar_of


_STYLES: list[tuple[Callable[[Generator, str | None], Callable[[int], list[_Hit]]], tuple[float, float]]] = [
    (_rock, (70, 190)),
    (_rock, (70, 190)),
    (_rock, (70, 190)),
    (_double_bass, (120, 210)),
    (_blast, (140, 230)),
    (_punk, (150, 215)),
    (_four_on_the_floor, (95, 145)),
    (_tom_groove, (80, 170)),
    (_sparse, (80, 140)),
    (_rolls, (80, 150)),
]
