"""Songs as the refinement network sees them: instants of a heat map, and what was really hit there."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.files import atomic_write
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.refinement import read_instants

#: A hit belongs to the nearest instant if it is no further away than this, 40 ms.
_TOLERANCE_FRAMES = 14
_FAMILY_OF_PIECE = np.array([FAMILIES.index(p.family) if p.family in FAMILIES else len(FAMILIES) for p in PIECES])
#: Of each row, as in `refinement_network`; percussion comes last.
_FAMILY_OF_ROW = torch.from_numpy(np.concatenate([_FAMILY_OF_PIECE, np.arange(len(FAMILIES))]))
_LARGEST_LOGIT = 6.9


@dataclass(frozen=True)
class SongExample:
    """A song's instants, see `mix2midi.transcription.refinement.Instants`, and the truth.

    Attributes
    ----------
    times_s : Tensor [shape=(instants,)]
    logits : Tensor [shape=(instants, rows)]
    velocity, loudness : Tensor [shape=(instants, families)]
    truth : Tensor [shape=(instants, rows)]
        1 where a piece, or any piece of a family, was hit.
    """

    times_s: Tensor
    logits: Tensor
    velocity: Tensor
    loudness: Tensor
    truth: Tensor

    def part(self, first: int, stop: int) -> SongExample:
        """Instants `first` to `stop`."""
        return SongExample(*(getattr(self, item.name)[first:stop] for item in fields(self)))

    def save(self, path: Path) -> None:
        """Write it as arrays."""
        with atomic_write(path) as partial, partial.open("wb") as file:
            np.savez(file, **{item.name: getattr(self, item.name).numpy() for item in fields(self)})

    @classmethod
    def load(cls, path: Path) -> SongExample:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(*(torch.from_numpy(arrays[item.name]) for item in fields(cls)))


def make_example(heat_map: HeatMap, hits: NDArray[np.float32]) -> SongExample:
    """A song with its truth.

    Parameters
    ----------
    heat_map : HeatMap
    hits : ndarray [shape=(hits, 3)]
        Frame, row of the piece, velocity; those beyond the heat map do not count.
    """
    instants = read_instants(heat_map)
    truth = np.zeros(instants.logits.shape, dtype=np.float32)
    if len(instants.frames):
        inside = (hits[:, 0] >= 0) & (hits[:, 0] < heat_map.onset.shape[1])
        _mark(truth, instants.frames, hits[inside, 0], hits[inside, 1].astype(np.int64))
    times_s = (instants.frames / heat_map.fps).astype(np.float32)
    arrays = (times_s, instants.logits, instants.velocity, instants.loudness, truth)
    return SongExample(*(torch.from_numpy(values) for values in arrays))


def _mark(
    truth: NDArray[np.float32], frames: NDArray[np.int64], hit_frames: NDArray[np.float32], rows: NDArray[np.int64]
) -> None:
    nearest = np.abs(frames[None] - hit_frames[:, None]).argmin(axis=1)
    close = np.abs(frames[nearest] - hit_frames) <= _TOLERANCE_FRAMES
    for instant, row in zip(nearest[close], rows[close], strict=True):
        truth[instant, row] = 1.0
        family = _FAMILY_OF_PIECE[row]
        if family < len(FAMILIES):
            truth[instant, len(PIECES) + family] = 1.0


def damage(rng: Generator, song: SongExample) -> SongExample:
    """The same song at another tempo, with a heat map as that of a stranger recording may be.

    Families that are surer or less sure than they should be, hits that something covers, here and there or for a
    while, hits that are none. The truth stays: the rest of the song tells it.
    """
    times_s = song.times_s * rng.uniform(0.8, 1.25)
    logits = song.logits.clone()
    if rng.random() < 0.7:
        _tilt(rng, logits)
    for family in range(len(FAMILIES)):
        if rng.random() < 0.4:
            _cover(rng, logits, family)
        if rng.random() < 0.25:
            _invent(rng, logits, family)
    if rng.random() < 0.25:
        _lose(rng, logits, times_s)
    logits = logits + _normal(rng, logits.shape, rng.uniform(0.0, 0.5))
    velocity = song.velocity * rng.uniform(0.8, 1.2) + _normal(rng, song.velocity.shape, 0.05)
    loudness = song.loudness + _normal(rng, song.loudness.shape, 0.1)
    bounded = logits.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
    return replace(song, times_s=times_s.float(), logits=bounded, velocity=velocity, loudness=loudness)


def _tilt(rng: Generator, logits: Tensor) -> None:
    """Each family surer or less sure throughout; percussion keeps its place."""
    families = len(FAMILIES)
    scale = torch.from_numpy(rng.uniform(0.75, 1.15, families + 1).astype(np.float32))
    offset = torch.from_numpy(np.append(rng.normal(0.0, 0.8, families), 0.0).astype(np.float32))
    logits.mul_(scale[_FAMILY_OF_ROW]).add_(offset[_FAMILY_OF_ROW])


def _cover(rng: Generator, logits: Tensor, family: int) -> None:
    """Some instants at which the family is hard to hear."""
    covered = rng.random(len(logits)) < rng.uniform(0.05, 0.4)
    depth = torch.from_numpy((rng.exponential(2.0, len(logits)) * covered).astype(np.float32))
    logits.sub_(depth[:, None] * (family == _FAMILY_OF_ROW))


def _invent(rng: Generator, logits: Tensor, family: int) -> None:
    """Some instants at which something sounds like a piece of the family."""
    false = torch.from_numpy(rng.random(len(logits)) < rng.uniform(0.02, 0.15))
    height = torch.from_numpy(rng.uniform(-2.5, 1.5, len(logits)).astype(np.float32))
    rows = [row for row, other in enumerate(_FAMILY_OF_ROW.tolist()) if other == family]
    for row in (rows[int(rng.integers(len(rows) - 1))], rows[-1]):
        logits[:, row] = torch.where(false, torch.maximum(logits[:, row], height), logits[:, row])


def _lose(rng: Generator, logits: Tensor, times_s: Tensor) -> None:
    """A while in which one family is nearly gone."""
    start_s = rng.uniform(0.0, float(times_s[-1]))
    gone = (times_s > start_s) & (times_s < start_s + rng.uniform(2.0, 10.0))
    family = int(rng.integers(len(FAMILIES)))
    logits.sub_((rng.uniform(1.0, 5.0) * gone)[:, None] * (family == _FAMILY_OF_ROW))


def _normal(rng: Generator, shape: torch.Size, deviation: float) -> Tensor:
    return torch.from_numpy(rng.normal(0.0, deviation, tuple(shape)).astype(np.float32))
