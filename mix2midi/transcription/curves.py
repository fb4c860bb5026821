"""Curves of a heat map, and their peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES_BY_KEY
from mix2midi.transcription.heat_map import HeatMap

#: Families of which a drummer plays one piece at a time: what the network spreads over its pieces belongs together.
EXCLUSIVE_FAMILIES = ("hats", "cymbals")


def family_curve(heat_map: HeatMap, family: str) -> NDArray[np.float32]:
    """Activation of "any drum of this family".

    For hats and cymbals the chance that any of their pieces was hit, so that a crash which might as well be a ride is
    not lost between the two; for the others the mean of the family's own row and the best of its pieces. Either was
    the better choice, or no worse, on left-out kits and real songs.

    Returns
    -------
    ndarray [shape=(frames,), float32]
        0 to 1.
    """
    rows = [row for row, key in enumerate(heat_map.pieces) if PIECES_BY_KEY[key].family == family]
    if family in EXCLUSIVE_FAMILIES:
        missing = np.ones(heat_map.onset.shape[1], dtype=np.float32)
        for row in rows:  # one at a time: an hour has a million frames
            missing *= np.float32(1.0) - heat_map.onset[row].astype(np.float32)
        return np.float32(1.0) - missing
    best = heat_map.onset[rows].max(axis=0).astype(np.float32)
    return np.float32(0.5) * (best + heat_map.family_onset[heat_map.families.index(family)].astype(np.float32))


def find_peaks(curve: NDArray[np.float32], height: float, distance: int) -> NDArray[np.int64]:
    """Frames of the peaks of a curve, the middle one of a flat top; outside the curve there is silence.

    The same as SciPy's function of this name, whose import alone takes a second or more, longer than a minute of music.

    Parameters
    ----------
    curve : ndarray [shape=(frames,)]
    height : float
        Lower peaks do not count.
    distance : int
        Of two peaks fewer frames apart than this the higher one stays.
    """
    padded = np.pad(curve, 1)
    first = np.flatnonzero(np.diff(padded, prepend=-1.0))  # first frame of each stretch of equal values
    last = np.append(first[1:], len(padded)) - 1
    value = padded[first]
    inner = value[1:-1]
    tops = np.flatnonzero((inner > value[:-2]) & (inner > value[2:]) & (inner >= height)) + 1
    frames = (first[tops] + last[tops]) // 2 - 1
    kept = np.ones(len(frames), dtype=bool)
    for index in np.argsort(value[tops], kind="stable")[::-1]:
        if kept[index]:
            start, stop = np.searchsorted(frames, [frames[index] - distance + 1, frames[index] + distance])
            kept[start:stop] = False
            kept[index] = True
    return frames[kept]
