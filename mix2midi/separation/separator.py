"""What a separator is, and the one that runs a network over a song of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioArray, AudioSource
from mix2midi.separation.segments import separate_in_segments

Samples = NDArray[np.float32]
Progress = Callable[[float], None]

#: Length of the blocks that are read from the song; no result depends on it.
_BLOCK_S = 10.0
#: Difference of two channels over their sum, in power, above which one of them is taken to be inverted: no mix is that
#: wide by intention, and the networks know drums in the middle.
_INVERTED = 10.0


class Separator(Protocol):
    """Takes the drums out of a mix.

    Attributes
    ----------
    name : str
        What it is chosen by.
    rate_hz : int
        Sampling rate that it works at, and that `separate_stream` gives.
    """

    name: str
    rate_hz: int

    def separate(self, audio: NDArray[np.floating], rate_hz: int) -> Samples:
        """Separate a song in memory.

        Parameters
        ----------
        audio : ndarray of float [channels, samples] or [samples]
            Full scale 1.0; it is not changed. One channel in, one out. Of more than two channels the mean is separated,
            and each channel of the result is the same.
        rate_hz : int
            Its sampling rate, any.

        Returns
        -------
        ndarray of float32
            The drums: same shape and rate, aligned to the sample.

        Raises
        ------
        AudioError
            If the array is empty or holds samples that are not finite.
        DeviceError
            If memory runs out.
        """
        ...

    def separate_stream(self, source: AudioSource, on_progress: Progress | None = None) -> Iterator[Samples]:
        """Separate a song in constant memory.

        Parameters
        ----------
        source : AudioSource
            The mix.
        on_progress : callable, optional
            Called with the fraction done, 0 to 1.

        Yields
        ------
        ndarray of float32 [2, samples]
            The drums at `rate_hz`, consecutive; in total as many samples as the source has at that rate.

        Raises
        ------
        AudioError, DeviceError
            As `separate`.
        """
        ...


class SegmentNetwork(Protocol):
    """A network that separates segments of one length.

    Attributes
    ----------
    rate_hz : int
    segment_length, stride_length : int
        In samples at `rate_hz`.
    deviation : float or None
        Standard deviation that it expects songs to have, with a mean of 0, measured over the whole song; None where it
        takes them as they are.
    """

    rate_hz: int
    segment_length: int
    stride_length: int
    deviation: float | None

    def __call__(self, mix: Samples) -> Samples:
        """From [2, segment_length] to the drums in it, of the same shape."""
        ...


class NetworkSeparator:
    """Runs a `SegmentNetwork` over songs; `network` is there for those who have segments already.

    Nothing in it is random, and the level that some networks need is measured over the whole song in a first reading:
    the same song gives the same stem however it is cut into blocks.
    """

    def __init__(self, name: str, network: SegmentNetwork) -> None:
        self.name = name
        self.rate_hz = network.rate_hz
        self.network = network

    def separate(self, audio: NDArray[np.floating], rate_hz: int) -> Samples:
        """See `Separator.separate`."""
        return _separate_array(self, audio, rate_hz)

    def separate_stream(self, source: AudioSource, on_progress: Progress | None = None) -> Iterator[Samples]:
        """See `Separator.separate_stream`."""
        network = self.network
        level = Level(0.0, 1.0) if network.deviation is None else measure_level(source, self.rate_hz)
        scale = np.float32(level.deviation / (network.deviation or 1.0))
        signs = np.array([[1.0], [level.sign_of_second]], np.float32)

        def separate_segment(mix: Samples) -> Samples:
            if not np.ptp(mix):  # silence: some networks hear something in it
                return np.zeros_like(mix)
            return network((mix - np.float32(level.mean)) / scale) * scale

        blocks = (block * signs for block in _stereo_blocks(source, self.rate_hz))
        stem = separate_in_segments(
            blocks, separate_segment, network.segment_length, network.stride_length, fill=level.mean
        )
        return _with_progress((block * signs for block in stem), round(source.duration_s * self.rate_hz), on_progress)


class NoSeparator:
    """Gives the song as it is: for stems that are drums already, and where no network is at hand."""

    name = "none"
    rate_hz = 44100

    def separate(self, audio: NDArray[np.floating], rate_hz: int) -> Samples:
        """See `Separator.separate`; a copy of the audio."""
        return _separate_array(self, audio, rate_hz)

    def separate_stream(self, source: AudioSource, on_progress: Progress | None = None) -> Iterator[Samples]:
        """See `Separator.separate_stream`."""
        blocks = _stereo_blocks(source, self.rate_hz)
        return _with_progress(blocks, round(source.duration_s * self.rate_hz), on_progress)


@dataclass(frozen=True, slots=True)
class Level:
    """Mean and standard deviation of a song's mono sum, the latter above 0.

    `sign_of_second` is -1 where the second channel is inverted: the sum is then taken with it turned back.
    """

    mean: float
    deviation: float
    sign_of_second: float = 1.0


def measure_level(source: AudioSource, rate_hz: int) -> Level:
    """Read a song once for its level, as ``demucs.api.Separator`` defines it, and for the sign of its channels."""
    n_samples, totals, products = 0, np.zeros(2), np.zeros((2, 2))
    for block in _stereo_blocks(source, rate_hz):
        channels = block.astype(np.float64)
        n_samples += channels.shape[1]
        totals += channels.sum(axis=1)
        products += channels @ channels.T
    covariance = (products - np.outer(totals, totals) / n_samples) / max(1, n_samples - 1)
    power = {sign: max(0.0, float(np.trace(covariance) + 2 * sign * covariance[0, 1]) / 4) for sign in (1.0, -1.0)}
    sign = -1.0 if power[-1.0] > _INVERTED * power[1.0] else 1.0
    mean = float(totals[0] + sign * totals[1]) / (2 * n_samples)
    return Level(mean, float(np.sqrt(power[sign])) + 1e-8, sign)


def _stereo_blocks(source: AudioSource, rate_hz: int) -> Iterator[Samples]:
    """Two channels, which is what the networks were trained on: of one or more than two, the mean is used twice."""
    for block in source.blocks(rate_hz, mono=source.channels != 2, block_s=_BLOCK_S):
        yield block if block.shape[0] == 2 else np.repeat(block, 2, axis=0)


def _with_progress(blocks: Iterator[Samples], expected_length: int, on_progress: Progress | None) -> Iterator[Samples]:
    n_samples = 0
    for block in blocks:
        yield block
        n_samples += block.shape[1]
        if on_progress is not None:
            on_progress(min(1.0, n_samples / max(1, expected_length)))
    if on_progress is not None and n_samples < expected_length:
        on_progress(1.0)


def _separate_array(separator: Separator, audio: NDArray[np.floating], rate_hz: int) -> Samples:
    source = AudioArray(audio, rate_hz)
    stem = AudioArray(np.concatenate(list(separator.separate_stream(source)), axis=1), separator.rate_hz)
    mono = source.channels != 2
    back = np.concatenate(list(stem.blocks(rate_hz, mono=mono)), axis=1)
    length = np.shape(audio)[-1]  # going to another rate and back can differ by a sample
    fitted = np.pad(back, ((0, 0), (0, max(0, length - back.shape[1]))))[:, :length]
    return np.repeat(fitted, source.channels, axis=0).reshape(np.shape(audio)) if mono else fitted
