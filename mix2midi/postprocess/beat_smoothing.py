"""From beats on a coarse raster to beats as a musician feels them: near the hits, and even."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from mix2midi.notes import DrumNote

#: Hits this close to a beat are played on it, if they are also closer than an eighth of a beat.
REACH_S = 0.06
#: Stiffness of the smoother: changes of tempo within fewer than about 16 beats are taken for a player's scatter, ...
STIFFNESS = 60.0
#: ... unless two beats that follow each other differ by more than this in length once they are smooth, as at a bridge
#: with a tempo of its own or in a ritardando: where they do, the smoother gives way.
BEND_S = 0.003
#: A beat without hits keeps a little of the decoder's opinion.
UNHEARD_WEIGHT = 0.05
#: Scatter beyond which a hit is not trusted to be on the beat.
SCATTER_S = 0.012
#: By how much the smoother is softer, and hits further away are trusted, in each round: what the first rounds smooth
#: away no later one finds again (graduated non-convexity: A. Blake and A. Zisserman, "Visual Reconstruction", 1987).
LOOSENESS = (*np.geomspace(8.0, 1.0, 6), *np.ones(6))
#: A song was played to a click if its beats scatter no more than this around an even line, as root mean square, and
#: if a line of a whole tempo is nowhere further than this from the line that fits best.
CLICK_SCATTER_S, CLICK_DRIFT_S = 0.008, 0.010


def smooth_beats(times_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> NDArray[np.float64]:
    """Move beats to the hits played on them, then even them out; those of a song played to a click become the click.

    The smoother is Whittaker's (P. H. C. Eilers, "A perfect smoother", 2003) with second differences, so that a steady
    tempo costs nothing. Hits that stay far from the result are trusted less, round by round, and so is the steady tempo
    where the result keeps bending: both by the weights of a Cauchy distribution.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Rising.
    notes : sequence of DrumNote
        In order of onset.

    Returns
    -------
    ndarray [shape=(beats,)]
        Rising; the input where there are fewer than three beats.
    """
    if len(times_s) < 3:
        return times_s
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    loudness = np.array([note.velocity for note in notes], dtype=np.float64) / 127.0
    played_s, heard = _hits_on_beats(times_s, onset_s, loudness)
    smooth, steady = times_s, np.ones(len(times_s) - 2)
    for looseness in LOOSENESS:
        trust = heard / (1.0 + ((played_s - smooth) / (looseness * SCATTER_S)) ** 2)
        weight = trust + UNHEARD_WEIGHT
        target_s = (trust * played_s + UNHEARD_WEIGHT * times_s) / weight
        candidate = _whittaker(target_s, weight, STIFFNESS / looseness * steady)
        if np.any(np.diff(candidate) <= 0):
            break
        smooth = candidate
        steady = 1.0 / (1.0 + (np.diff(smooth, 2) / BEND_S) ** 2)
    return on_whole_tempo(smooth)


def on_whole_tempo(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beats of a click at a whole number of beats per minute where they are hardly elsewhere, else as they are."""
    number = np.arange(len(times_s)) - (len(times_s) - 1) / 2
    fitted_s, middle_s = np.polyfit(number, times_s, 1)
    click_s = 60.0 / max(1, round(60.0 / fitted_s))
    line_s = middle_s + number * click_s
    drift_s = abs(fitted_s - click_s) * number[-1]
    scatter_s = float(np.sqrt(np.mean((times_s - line_s) ** 2)))
    return line_s if drift_s <= CLICK_DRIFT_S and scatter_s <= CLICK_SCATTER_S else times_s


def _hits_on_beats(
    times_s: NDArray[np.float64], onset_s: NDArray[np.float64], loudness: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean time of the hits on each beat, by loudness, and how much is known about it, 0 to 1."""
    reach_s = np.minimum(REACH_S, np.gradient(times_s) / 8)
    nearest = np.clip(np.searchsorted(times_s, onset_s), 1, len(times_s) - 1)
    nearest -= onset_s - times_s[nearest - 1] < times_s[nearest] - onset_s
    offset_s = onset_s - times_s[nearest]
    played = np.abs(offset_s) < reach_s[nearest]
    sums = np.bincount(nearest[played], loudness[played], len(times_s))
    moved = np.bincount(nearest[played], (loudness * offset_s)[played], len(times_s))
    return times_s + moved / np.maximum(sums, 1e-9), np.minimum(sums, 1.0)


def _whittaker(
    target: NDArray[np.float64], weight: NDArray[np.float64], stiffness: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise ``sum(weight * (x - target)**2) + sum(stiffness * diff(x, 2)**2)``."""
    count = len(target)
    second = np.array([1.0, -2.0, 1.0])
    bands = np.zeros((3, count))  # upper form of scipy: row 2 - k holds the k-th superdiagonal, shifted right by k
    for lag in range(3):
        for row in range(3 - lag):
            bands[2 - lag, row + lag : count - 2 + row + lag] += stiffness * second[row] * second[row + lag]
    bands[2] += weight
    solution: NDArray[np.float64] = solveh_banded(bands, weight * target)
    return solution
