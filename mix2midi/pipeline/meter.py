"""Watching the level of a song while a stage reads it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioSource
from mix2midi.units import decibels_to_gain

#: A peak below the last bit of 16-bit audio is silence, whatever a network would make of it.
SILENCE_DB = -90.0


class MeteredSource:
    """A song that remembers how loud and how long it was when it was last read.

    It is an `AudioSource` itself, so that no stage has to read a song once more only to measure it.

    Attributes
    ----------
    peak : float
        Highest magnitude so far, full scale 1.0; 0.0 before the first reading.
    measured_s : float
        Length of the last reading in seconds, where `duration_s` may be an estimate.
    """

    def __init__(self, source: AudioSource) -> None:
        self._source = source
        self.name = source.name
        self.rate_hz = source.rate_hz
        self.channels = source.channels
        self.duration_s = source.duration_s
        self.peak = 0.0
        self.measured_s = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether nothing louder than `SILENCE_DB` was read."""
        return self.peak < float(decibels_to_gain(SILENCE_DB))

    def blocks(self, rate_hz: int, *, mono: bool, block_s: float = 30.0) -> Iterator[NDArray[np.float32]]:
        """See `AudioSource.blocks`."""
        n_samples = 0
        for block in self._source.blocks(rate_hz, mono=mono, block_s=block_s):
            self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
            n_samples += block.shape[1]
            yield block
        self.measured_s = n_samples / rate_hz
