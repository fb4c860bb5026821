"""Drum-less music for the drums to play in: reads a pool that `company` rendered ahead."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.training.company.pool import INDEX_NAME, read_index
from mix2midi.training.kits import RATE_HZ
from mix2midi.training.slices import from_16_bits


@dataclass(frozen=True)
class Clip:
    """One clip of the pool: mono 16-bit at 44.1 kHz; `tempo_bpm` is 0 where nobody knows it."""

    file: Path
    kind: str
    duration_s: float
    tempo_bpm: float


class CompanyPool:
    """Clips of a pool folder, drawn by its index.

    Raises
    ------
    OptionError
        The folder has no index, one of another kind, or one without clips.
    """

    def __init__(self, folder: Path) -> None:
        index = folder / INDEX_NAME
        if not index.is_file():
            raise OptionError(f"{index}: no such file; render company for the drums first")
        self.clips = [
            Clip(folder / entry.file, entry.kind, entry.duration_s, entry.tempo_bpm) for entry in read_index(folder)
        ]
        if not self.clips:
            raise OptionError(f"{index}: names no clip; render company for the drums first")

    def draw(self, rng: Generator, evenly: bool = False) -> Clip:
        """A random clip; `evenly`, each kind as often as the others, however many clips it has."""
        clips = self.clips
        if evenly:
            kind = str(rng.choice(sorted({clip.kind for clip in clips})))
            clips = [clip for clip in clips if clip.kind == kind]
        return clips[int(rng.integers(len(clips)))]

    def split(self, every: int) -> tuple[CompanyPool, CompanyPool]:
        """A pool without every so many-th clip, and one with only these. Raises `OptionError` for a single clip."""
        if len(self.clips) < 2:
            raise OptionError(f"{self.clips[0].file.parent}: one clip cannot be learnt from and judged by; render more")
        pools = copy(self), copy(self)
        pools[0].clips = [clip for number, clip in enumerate(self.clips) if number % every]
        pools[1].clips = self.clips[::every]
        return pools

    @staticmethod
    def read(clip: Clip, start_s: float, samples: int) -> NDArray[np.float32]:
        """A stretch of a clip; where it ends too soon it begins again.

        Returns
        -------
        ndarray [shape=(samples,), float32]

        Raises
        ------
        OptionError
            The clip is missing or damaged.
        """
        try:
            stored = np.load(clip.file, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            message = f"{clip.file}: cannot be read as a clip ({error}); take it out of the index"
            raise OptionError(message) from error
        start = int(start_s * RATE_HZ) % max(1, len(stored))
        stretch = np.asarray(stored[start : start + samples])
        if len(stretch) < samples:
            stretch = np.resize(np.concatenate([stretch, np.asarray(stored[:samples])]), samples)
        return from_16_bits(stretch)
