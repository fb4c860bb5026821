"""Instants of a song at which something may have been hit, and how to move a heat map there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mix2midi.transcription.curves import find_peaks

#: What lies nearer than this (23 ms) is one instant: hits that are played together are rarely further apart.
SAME_INSTANT_FRAMES = 8
_FADE_FRAMES = 8


def find_instants(curves: list[NDArray[np.float32]], lowest: float) -> NDArray[np.int64]:
    """Frames of the peaks of any curve, those of one stroke together.

    Parameters
    ----------
    curves : list of ndarray [shape=(frames,)]
        Activations, 0 to 1.
    lowest : float
        Lower peaks do not count.

    Returns
    -------
    ndarray [shape=(instants,), int64]
        Rising, more than `SAME_INSTANT_FRAMES` apart.
    """
    peaks = np.unique(np.concatenate([find_peaks(curve, lowest, SAME_INSTANT_FRAMES) for curve in curves]))
    found: list[int] = []
    for frame in peaks:
        if not found or frame - found[-1] > SAME_INSTANT_FRAMES:
            found.append(int(frame))
    return np.array(found, dtype=np.int64)


def shift_curve(curve: NDArray[np.floating], frames: NDArray[np.int64], shifts: NDArray[np.float64]) -> None:
    """Move a curve around each frame by its shift of the logit, in place; halfway to the next the shifts blend."""
    gaps = np.diff(frames)
    near = np.minimum(SAME_INSTANT_FRAMES, gaps // 4)
    before, after = np.append(SAME_INSTANT_FRAMES, near), np.append(near, SAME_INSTANT_FRAMES)
    far = np.append(gaps, np.iinfo(np.int64).max) > 2 * (SAME_INSTANT_FRAMES + _FADE_FRAMES)
    knots = [(frames - before, shifts), (frames + after, shifts)]
    nothing = np.zeros(len(frames))
    knots.append(((frames + after + _FADE_FRAMES)[far], nothing[far]))
    far_before = np.append(True, far[:-1])
    knots.append(((frames - before - _FADE_FRAMES)[far_before], nothing[far_before]))
    at, value = (np.concatenate(parts) for parts in zip(*knots, strict=True))
    order = np.argsort(at, kind="stable")
    shift = np.interp(np.arange(len(curve)), at[order], value[order], left=0.0, right=0.0)
    moved = np.flatnonzero(shift)
    curve[moved] = 1.0 / (1.0 + np.exp(-(logit(curve[moved], 1e-6) + shift[moved])))


def logit(activation: NDArray[np.floating], clip: float) -> NDArray[np.float64]:
    """Log odds of activations, none nearer to 0 or 1 than `clip`."""
    bounded = np.clip(activation.astype(np.float64), clip, 1.0 - clip)
    return np.asarray(np.log(bounded / (1.0 - bounded)))
