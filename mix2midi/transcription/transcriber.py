"""Audio to heat map: the song is brought to its level and streamed through the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioArray, AudioSource
from mix2midi.device import memory_guard
from mix2midi.transcription.fusion import fuse_heat_maps
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.level import reference_gain, window_levels_db
from mix2midi.transcription.peaks import VIEWS, Picking
from mix2midi.transcription.refinement import refine_heat_map
from mix2midi.transcription.weights import Weights, load_weights

if TYPE_CHECKING:
    from mix2midi.transcription.network import NetworkConfig
    from mix2midi.transcription.painting import PaintedRows

#: Seconds of audio that pass at once through the stems of the network, and through its trunk, see `painting`.
CHUNK_S, WINDOW_S = 12.0, 36.0
_BLOCK_S = 10.0  # how often progress is told
_LEVEL_SHARE = 0.1  # part of the progress that the first pass, which measures the level, takes


class Transcriber:
    """Paints heat maps of drum tracks, of mixes, and of both together.

    Parameters
    ----------
    weights : Weights
        Networks and pickings, see `mix2midi.transcription.weights.load_weights`.
    device : str
        A device that torch knows: ``"cpu"``, ``"cuda"``, ``"mps"``.
    chunk_s, window_s : float
        Seconds of audio that pass through the network at once, see `mix2midi.transcription.painting.StreamPainter`.

    Attributes
    ----------
    pickings : dict of str to Picking
        How peaks of its heat maps become notes, for each of `mix2midi.transcription.peaks.VIEWS`.
    """

    def __init__(
        self, weights: Weights, device: str = "cpu", chunk_s: float = CHUNK_S, window_s: float = WINDOW_S
    ) -> None:
        from mix2midi.transcription.network import fuse_norms
        from mix2midi.transcription.painting import StreamPainter

        self.device = device
        self.config: NetworkConfig = weights.network.config
        self.pickings = {view: Picking.from_dict(weights.pickings.get(view, {})) for view in VIEWS}
        self._painter = StreamPainter(fuse_norms(weights.network).to(device), device, chunk_s, window_s)
        self._refinement = weights.vote

    @classmethod
    def load(cls, weights: Path | str | None = None, device: str = "cpu") -> Transcriber:
        """Load weights, the shipped ones by default. Raises `ModelError` where they cannot be used."""
        return cls(load_weights(None if weights is None else Path(weights)), device)

    @property
    def rate_hz(self) -> int:
        """Sample rate that the network was trained at."""
        return self.config.rate_hz

    @property
    def hop_length(self) -> int:
        """Samples between frames of the heat map."""
        return self.config.hop_length

    @property
    def fps(self) -> float:
        """Frames of the heat map per second."""
        return self.rate_hz / self.hop_length

    def heat_map(self, audio: NDArray[np.float32]) -> HeatMap:
        """Heat map of audio in memory.

        Parameters
        ----------
        audio : ndarray [shape=(samples,) or (channels, samples), float32]
            At `rate_hz`.

        Raises
        ------
        AudioError, DeviceError
            The array is empty or holds what is no sound; otherwise as `heat_map_of`.
        """
        return self.heat_map_of(AudioArray(audio, self.rate_hz))

    def heat_map_of(self, source: AudioSource, on_progress: Callable[[float], None] | None = None) -> HeatMap:
        """Heat map of any source, read twice in blocks: once for its level, once for the network.

        Raises
        ------
        AudioError
            The source turns out to be unreadable.
        DeviceError
            The device ran out of memory.
        """
        return self.refine(self.paint(source, on_progress))

    def heat_map_of_both(
        self,
        stem: AudioSource,
        mix: AudioSource,
        stem_share: float = 0.5,
        on_progress: Callable[[float], None] | None = None,
    ) -> HeatMap:
        """Heat map of a song whose drums a separator took out: what is heard in the stem and in the mix, as one.

        Parameters
        ----------
        stem, mix : AudioSource
            The same song at the same times.
        stem_share : float
            See `mix2midi.transcription.fusion.fuse_heat_maps`.
        on_progress : callable, optional
            Called with the fraction done, 0 to 1.

        Raises
        ------
        AudioError, DeviceError
            As `heat_map_of`.
        """
        report = on_progress or (lambda fraction: None)
        of_stem = self.paint(stem, lambda fraction: report(fraction / 2.0))
        of_mix = self.paint(mix, lambda fraction: report(0.5 + fraction / 2.0))
        return self.fuse(of_stem, of_mix, stem_share)

    def paint(self, source: AudioSource, on_progress: Callable[[float], None] | None = None) -> HeatMap:
        """The heat map before the song is heard as a whole, for `refine` and `fuse`; errors as `heat_map_of` has."""
        with memory_guard(self.device, f"{source.name}: transcribing drums"):
            return self._paint(source, on_progress or (lambda fraction: None))

    def fuse(self, of_stem: HeatMap, of_mix: HeatMap, stem_share: float) -> HeatMap:
        """What `heat_map_of_both` makes of the two heat maps that `paint` gives of a stem and its mix."""
        return self.refine(fuse_heat_maps(of_stem, of_mix, stem_share))

    def refine(self, heat_map: HeatMap) -> HeatMap:
        """What `heat_map_of` makes of the heat map that `paint` gives: each moment in the light of the whole song."""
        if self._refinement is None:
            return heat_map
        with memory_guard(self.device, "hearing the song as a whole"):
            return refine_heat_map(heat_map, self._refinement)

    def _paint(self, source: AudioSource, report: Callable[[float], None]) -> HeatMap:
        gain, samples = self._measure(source, report)
        frames = samples // self.hop_length + 1
        onset_rows, velocity_rows = len(self.config.pieces) + len(self.config.families), len(self.config.pieces)
        onset = np.zeros((onset_rows, frames), dtype=np.float16)
        velocity = np.zeros((velocity_rows, frames), dtype=np.float16)
        loudness_db = np.zeros((len(self.config.families), frames), dtype=np.float16)
        start = 0
        for rows in self._rows(source, gain, samples, report):
            inside = slice(start, start + rows.frames)
            onset[:, inside] = rows.onset[:, : frames - start]
            velocity[:, inside] = rows.velocity[:, : frames - start]
            loudness_db[:, inside] = rows.loudness_db[:, : frames - start]
            start += rows.frames
        pieces = len(self.config.pieces)
        return HeatMap(
            onset[:pieces],
            velocity,
            onset[pieces:],
            loudness_db,
            self.hop_length,
            self.rate_hz,
            self.config.pieces,
            self.config.families,
        )

    def _measure(self, source: AudioSource, report: Callable[[float], None]) -> tuple[float, int]:
        """Gain to the reference level, and the number of samples."""
        levels, samples = [], 0
        expected = max(1.0, source.duration_s * self.rate_hz)
        for block in source.blocks(self.rate_hz, mono=True):
            levels.append(window_levels_db(block[0], self.rate_hz))
            samples += block.shape[1]
            report(_LEVEL_SHARE * min(1.0, samples / expected))
        return reference_gain(levels), samples

    def _rows(
        self, source: AudioSource, gain: float, samples: int, report: Callable[[float], None]
    ) -> Iterator[PaintedRows]:
        """The heat map piece by piece."""

        def blocks() -> Iterator[NDArray[np.float32]]:
            done = 0
            for block in source.blocks(self.rate_hz, mono=True, block_s=_BLOCK_S):
                yield block[0] * np.float32(gain)
                done += block.shape[1]
                report(_LEVEL_SHARE + (1.0 - _LEVEL_SHARE) * done / samples)

        return self._painter.paint(blocks(), samples // self.hop_length + 1)
