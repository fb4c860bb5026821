"""The target heat map that a list of hits stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES

if TYPE_CHECKING:
    from torch import Tensor

_REACH_FRAMES = 5
_FAMILY_OF_ROW = np.array([FAMILIES.index(p.family) if p.family in FAMILIES else -1 for p in PIECES])


def paint_targets(hits: NDArray[np.float32], frames: int, width_frames: float) -> tuple[Tensor, Tensor, Tensor]:
    """Soft bumps where the hits are.

    Parameters
    ----------
    hits : ndarray [shape=(batch, hits, 3), float32]
        Frame, row of the piece, velocity 1 to 127; places with row -1 are empty.
    frames : int
        Length of the heat map.
    width_frames : float
        Standard deviation of a bump.

    Returns
    -------
    onset : Tensor [shape=(batch, pieces + families, frames)]
        0 to 1; the highest of the bumps that overlap.
    velocity : Tensor [shape=(batch, pieces, frames)]
        Velocity / 127 of the nearest hit.
    weight : Tensor [shape=(batch, pieces, frames)]
        How much the velocity of each frame counts: the bump itself.
    """
    import torch

    pieces = len(PIECES)
    onset = np.zeros((hits.shape[0], pieces + len(FAMILIES), frames + 2 * _REACH_FRAMES), dtype=np.float32)
    velocity = np.zeros((hits.shape[0], pieces, frames + 2 * _REACH_FRAMES), dtype=np.float32)
    around = np.arange(-_REACH_FRAMES + 1, _REACH_FRAMES)
    for item, place in zip(*np.nonzero(hits[:, :, 1] >= 0), strict=True):
        frame, row, strength = hits[item, place, 0], int(hits[item, place, 1]), hits[item, place, 2] / 127.0
        columns = round(float(frame)) + around
        columns = columns[(columns >= -_REACH_FRAMES) & (columns < frames + _REACH_FRAMES)]
        bump = np.exp(-0.5 * ((columns - frame) / width_frames) ** 2).astype(np.float32)
        columns = columns + _REACH_FRAMES
        nearer = bump > onset[item, row, columns]
        velocity[item, row, columns[nearer]] = strength
        onset[item, row, columns] = np.maximum(onset[item, row, columns], bump)
        family = _FAMILY_OF_ROW[row]
        if family >= 0:
            onset[item, pieces + family, columns] = np.maximum(onset[item, pieces + family, columns], bump)
    inside = slice(_REACH_FRAMES, _REACH_FRAMES + frames)
    onset_inside = np.ascontiguousarray(onset[:, :, inside])
    return (
        torch.from_numpy(onset_inside),
        torch.from_numpy(np.ascontiguousarray(velocity[:, :, inside])),
        torch.from_numpy(np.ascontiguousarray(onset_inside[:, :pieces])),
    )
