"""Slices: short stretches of audio with the hits in them, rendered by seed, kept in a ring on disk.

Slice number n is the same wherever and whenever it is rendered, since all its chance comes from (seed, n). The ring
holds the most recent ones; workers replace the oldest while training reads, so that sounds stay new without the
network ever waiting for a renderer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.training.recipe import DrumSliceRecipe

#: Hits that one slice can hold; four seconds of anything playable have fewer.
MAX_HITS = 256
_NO_HIT = -1.0
_FULL_SCALE = 32767.0

#: Audio [samples] of 16 bits, and hits [hits, 3]: frame (fractional), row of the piece, velocity.
Slice = tuple[NDArray[np.int16], NDArray[np.float32]]
#: The same of many: audio [batch, samples] of full scale 1.0, and hits [batch, MAX_HITS, 3]; unused places hold -1.
Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


def to_16_bits(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples of full scale 1.0, clipped to it, as slices are stored."""
    return np.rint(np.clip(audio, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)


def from_16_bits(audio: NDArray[np.int16]) -> NDArray[np.float32]:
    """The reverse of `to_16_bits`."""
    return audio.astype(np.float32) / np.float32(_FULL_SCALE)


def batch_of(slices: Sequence[Slice]) -> Batch:
    """Slices of one length as a batch."""
    hits = np.full((len(slices), MAX_HITS, 3), _NO_HIT, dtype=np.float32)
    for number, (_, own) in enumerate(slices):
        hits[number, : len(own)] = own[:MAX_HITS]
    return from_16_bits(np.stack([audio for audio, _ in slices])), hits


def slices_of_step(recipe: DrumSliceRecipe, seed: int, batch_size: int, step: int) -> tuple[NDArray[np.int64], int]:
    """Which slices a step learns from, and the number below which all must have been rendered.

    They depend on the recipe and the step alone, so a run that was killed goes on as if it had not been.
    """
    ready = recipe.first + int(step * recipe.fresh_per_step)
    oldest = max(0, ready - recipe.window)
    rng = np.random.default_rng([seed, 2**31, step])
    return rng.integers(oldest, ready, batch_size), ready


class SliceRing:
    """The slices that lie ready, as memory-mapped files shared by workers and trainer.

    Parameters
    ----------
    folder : Path
        Made if need be. A ring of the same shape that is already there is used again.
    capacity, samples : int
        Slices it holds, and samples of each.
    """

    def __init__(self, folder: Path, capacity: int, samples: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.capacity = capacity
        self.audio = _open_array(folder / "audio.npy", (capacity, samples), np.dtype(np.int16), 0)
        self.hits = _open_array(folder / "hits.npy", (capacity, MAX_HITS, 3), np.dtype(np.float32), _NO_HIT)
        self.numbers = _open_array(folder / "numbers.npy", (capacity,), np.dtype(np.int64), -1)

    def holds(self, number: int) -> bool:
        """Whether a slice is there now."""
        return bool(self.numbers[number % self.capacity] == number)

    def put(self, number: int, audio: NDArray[np.int16], hits: NDArray[np.float32]) -> None:
        """Store a slice in the place of an older one."""
        place = number % self.capacity
        self.numbers[place] = -1
        self.audio[place] = audio
        self.hits[place] = _NO_HIT
        self.hits[place, : len(hits)] = hits[:MAX_HITS]
        self.numbers[place] = number

    def get(
        self, numbers: NDArray[np.int64], while_waiting: Callable[[], None] = lambda: None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A batch; waits for slices that are still being rendered.

        Parameters
        ----------
        numbers : ndarray [shape=(batch,), int64]
        while_waiting : callable
            Called again and again until they are there; raises where they will never be.

        Returns
        -------
        audio : ndarray [shape=(batch, samples), float32]
        hits : ndarray [shape=(batch, MAX_HITS, 3), float32]
            Unused places hold -1.
        """
        while not all(self.holds(int(number)) for number in numbers):
            while_waiting()
            time.sleep(0.05)
        places = numbers % self.capacity
        return from_16_bits(self.audio[places]), np.array(self.hits[places])


def _open_array(path: Path, shape: tuple[int, ...], dtype: np.dtype, fill: float) -> np.memmap:
    if path.is_file():
        stored = np.lib.format.open_memmap(path, mode="r+")
        if stored.shape == shape and stored.dtype == dtype:
            return stored
    made = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if fill:
        made[:] = fill
    return made
