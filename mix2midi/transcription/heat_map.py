"""The heat map: drum by time, how likely an onset is there and how hard it was hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.units import frames_to_seconds


@dataclass(frozen=True)
class HeatMap:
    """What the network paints for one song.

    The transcriber fills it in half precision: a step near 1 is 0.0005, and an hour of music has 50 million values.

    Attributes
    ----------
    onset : ndarray [shape=(pieces, frames)]
        Onset activation of each piece, 0 to 1.
    velocity : ndarray [shape=(pieces, frames)]
        Strength of a hit if there is one at that frame, 0 to 1 (velocity / 127).
    family_onset : ndarray [shape=(families, frames)]
        Onset activation of "any drum of this family", 0 to 1, rows as in `mix2midi.drums.FAMILIES`.
    loudness_db : ndarray [shape=(families, frames)]
        Level of the audio where drums of each family have most of their sound, see `velocity.family_loudness_db`.
    hop_length : int
        Samples between frames.
    rate_hz : int
        Sample rate that `hop_length` refers to.
    pieces : tuple of str
        Key of each row, see `mix2midi.drums.PIECES`.
    families : tuple of str
        Key of each row of `family_onset` and `loudness_db`.
    """

    onset: NDArray[np.floating]
    velocity: NDArray[np.floating]
    family_onset: NDArray[np.floating]
    loudness_db: NDArray[np.floating]
    hop_length: int
    rate_hz: int
    pieces: tuple[str, ...] = tuple(piece.key for piece in PIECES)
    families: tuple[str, ...] = FAMILIES

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.rate_hz / self.hop_length

    @property
    def duration_s(self) -> float:
        """Length that the frames cover, in seconds."""
        return self.onset.shape[1] * self.hop_length / self.rate_hz

    def frame_times_s(self) -> NDArray[np.float64]:
        """Centre of every frame, in seconds."""
        return frames_to_seconds(np.arange(self.onset.shape[1]), self.hop_length, self.rate_hz)
