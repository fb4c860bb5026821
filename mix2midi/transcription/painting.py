"""The heat map of a stream of audio, in two passes over each piece of it.

What a frame holds by itself is a matter of milliseconds; its surroundings, seconds of them, matter to the trunk of the
network alone. So stems are computed once for every frame, in chunks that stay in the processor's cache, and the trunk
goes over minutes of their output at once: only there seconds on either side are seen twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mix2midi.transcription.network import DrumNetwork
from mix2midi.transcription.velocity import family_loudness_db


@dataclass(frozen=True)
class PaintedRows:
    """Consecutive frames of a heat map, see `heat_map.HeatMap`.

    Attributes
    ----------
    onset : ndarray [shape=(pieces + families, frames)]
    velocity : ndarray [shape=(pieces, frames)]
    loudness_db : ndarray [shape=(families, frames)]
    """

    onset: NDArray[np.float32]
    velocity: NDArray[np.float32]
    loudness_db: NDArray[np.float32]

    @property
    def frames(self) -> int:
        """How many."""
        return self.onset.shape[1]


@dataclass(frozen=True)
class _Stems:
    """What consecutive frames hold by themselves, each [1, channels, frames]; `trunk` at the slow rate."""

    trunk: Tensor
    fast: Tensor
    loudness_db: Tensor
    stride: int

    @property
    def frames(self) -> int:
        return self.fast.shape[2]

    def then(self, later: _Stems) -> _Stems:
        trunk = torch.cat([self.trunk, later.trunk], dim=2)
        fast = torch.cat([self.fast, later.fast], dim=2)
        return _Stems(trunk, fast, torch.cat([self.loudness_db, later.loudness_db], dim=2), self.stride)

    def part(self, start: int, stop: int | None = None) -> _Stems:
        """Frames `start` to `stop`, both multiples of the stride."""
        slow = slice(start // self.stride, None if stop is None else stop // self.stride)
        fast = slice(start, stop)
        return _Stems(self.trunk[..., slow], self.fast[..., fast], self.loudness_db[..., fast], self.stride)


class StreamPainter:
    """Paints songs of any length in constant memory.

    Parameters
    ----------
    network : DrumNetwork
    device : str
        A device that torch knows, on which the network lies.
    chunk_s, window_s : float
        Seconds of audio that pass at once through the stems, and through the trunk. Notes do not depend on them, memory
        and speed do.
    """

    def __init__(self, network: DrumNetwork, device: str, chunk_s: float, window_s: float) -> None:
        config = network.config
        self.network, self.config, self.device = network, config, device
        self.chunk_frames, self.window_frames = (
            max(1, round(length_s * config.rate_hz / config.slow_hop_length)) * config.slow_stride
            for length_s in (chunk_s, window_s)
        )

    def paint(self, blocks: Iterator[NDArray[np.float32]], frames: int) -> Iterator[PaintedRows]:
        """Rows of frames 0 to `frames` of mono audio, in order; silence surrounds the song.

        Parameters
        ----------
        blocks : iterator of ndarray [shape=(samples,)]
            Consecutive, from the song's first sample on, at `config.rate_hz`.
        frames : int
        """
        margin = self.config.trunk_margin_frames
        held: _Stems | None = None
        for chunk in self._chunks(blocks, frames + 2 * margin):
            stems = self._stems(chunk)
            held = stems if held is None else held.then(stems)
            while held.frames >= self.window_frames + 2 * margin:
                yield self._read(held.part(0, self.window_frames + 2 * margin))
                held = held.part(self.window_frames)
        if held is not None and held.frames > 2 * margin:
            yield self._read(held)

    def _chunks(self, blocks: Iterator[NDArray[np.float32]], frames: int) -> Iterator[NDArray[np.float32]]:
        """Samples of consecutive chunks of frames, each with what its stems see on either side.

        They begin with the trunk's margin before the song; the last frames make up a full stride.
        """
        hop, stride = self.config.hop_length, self.config.slow_stride
        edge = self.config.stem_margin_frames * hop + self.config.context_samples
        held = np.zeros(edge + self.config.trunk_margin_frames * hop, dtype=np.float32)
        remaining = -(-frames // stride) * stride
        while remaining:
            wanted_frames = min(self.chunk_frames, remaining)
            wanted = wanted_frames * hop + 2 * edge
            while len(held) < wanted:
                block = next(blocks, None)
                held = np.pad(held, (0, wanted - len(held))) if block is None else np.concatenate([held, block])
            yield held[:wanted]
            held = held[wanted_frames * hop :]
            remaining -= wanted_frames

    @torch.inference_mode()
    def _stems(self, chunk: NDArray[np.float32]) -> _Stems:
        margin = self.config.stem_margin_frames
        fast_bands, slow_bands = self.network.features(torch.from_numpy(chunk).to(self.device)[None])
        trunk, fast = self.network.stems(fast_bands, slow_bands)
        loudness_db = family_loudness_db(self.config, fast_bands)
        whole = _Stems(trunk, fast, loudness_db, self.config.slow_stride)
        return whole.part(margin, whole.frames - margin)

    @torch.inference_mode()
    def _read(self, stems: _Stems) -> PaintedRows:
        """Rows of all frames but the trunk's margins."""
        margin = self.config.trunk_margin_frames
        logits, velocity = self.network.read(stems.trunk, stems.fast)
        rows = (torch.sigmoid(logits), velocity, stems.loudness_db)
        return PaintedRows(*(row[0, :, margin : stems.frames - margin].cpu().numpy() for row in rows))
