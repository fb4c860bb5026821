"""Swing, read from a performance."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mix2midi.postprocess.lines import SCATTER_S, Swing

MIN_SWING, MAX_SWING = 50.0, 75.0
#: Resolution of the estimate in percent.
RESOLUTION = 0.5
#: Swung notes that are looked for: eighths and sixteenths.
STEPS = (Fraction(1, 2), Fraction(1, 4))
#: How often a hit is aimed at the first note of a pair, the second, and half-way to and after the second.
SHARES = (0.4, 0.35, 0.1, 0.1)
#: Share of hits that are aimed at none of them.
STRAY_SHARE = 0.01
#: How much better swing must explain the hits than straight playing, as a logarithm of the likelihood.
EVIDENCE = 4.0
#: Fewer hits on second notes than this are chance.
MIN_HITS = 6


def estimate_swing(
    quarters: NDArray[np.float64], quarter_s: NDArray[np.float64], step: Fraction | None = None
) -> Swing | None:
    """Most likely swing of hits.

    Parameters
    ----------
    quarters, quarter_s : ndarray [shape=(hits,)]
        Position of each hit in quarters from a bar line, and the length of a quarter note there in seconds.
    step : Fraction, optional
        Swung note in quarters; by default eighths or sixteenths, whichever explains the hits better.

    Returns
    -------
    Swing or None
        None where too few second notes are played to tell. Straight playing is a swing of 50.
    """
    percents = np.arange(MIN_SWING, MAX_SWING + RESOLUTION / 2, RESOLUTION)
    best, best_score = None, -np.inf
    for candidate in (step,) if step is not None else STEPS:
        scores = explain_by_swings(quarters, quarter_s, percents, candidate).sum(axis=1)
        winner = int(np.argmax(scores)) if scores.max(initial=-np.inf) > scores[0] + EVIDENCE else 0
        swing = Swing(float(percents[winner]), candidate)
        if scores[winner] > best_score and _count_second(quarters, quarter_s, swing) >= MIN_HITS:
            best, best_score = swing, float(scores[winner])
    return best


def explain_by_swings(
    quarters: NDArray[np.float64], quarter_s: NDArray[np.float64], percents: NDArray[np.float64], step: Fraction
) -> NDArray[np.float64]:
    """Logarithm of the likelihood of each hit for each swing, [percents, hits]; one below 50 has the short note first.

    It counts per quarter note, so that the two lengths of pairs compare.
    """
    return np.array([_explain(quarters, quarter_s, Swing(percent, step)) for percent in percents.tolist()])


def _phase(quarters: NDArray[np.float64], swing: Swing) -> NDArray[np.float64]:
    """Position in the pair of notes, 0 to 1."""
    return (quarters / (2.0 * float(swing.step))) % 1.0


def _explain(quarters: NDArray[np.float64], quarter_s: NDArray[np.float64], swing: Swing) -> NDArray[np.float64]:
    pair = 2.0 * float(swing.step)
    scatter = SCATTER_S / (quarter_s * pair)
    likelihood = np.full(len(quarters), STRAY_SHARE)
    for share, distance in zip(SHARES, _distances(quarters, swing), strict=True):
        likelihood += share * np.exp(-0.5 * (distance / scatter) ** 2) / (scatter * np.sqrt(2.0 * np.pi))
    return np.asarray(np.log(likelihood / pair), dtype=np.float64)


def _distances(quarters: NDArray[np.float64], swing: Swing) -> NDArray[np.float64]:
    """How far each hit is from what it may be aimed at, as a share of the pair: [shares, hits]."""
    middle = swing.percent / 100.0
    lines = np.array([0.0, middle, middle / 2, (1.0 + middle) / 2])
    distance = np.abs(_phase(quarters, swing) - lines[:, None])
    return np.asarray(np.minimum(distance, 1.0 - distance), dtype=np.float64)


def _count_second(quarters: NDArray[np.float64], quarter_s: NDArray[np.float64], swing: Swing) -> int:
    """Hits on the second note of a pair, and on no other line."""
    scatter = SCATTER_S / (quarter_s * 2.0 * float(swing.step))
    distance = _distances(quarters, swing)
    return int(np.count_nonzero((distance.argmin(axis=0) == 1) & (distance[1] < 2.5 * scatter)))
