"""From chunks as a decoder gives them to checked, resampled blocks of equal length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

from mix2midi.errors import AudioError
from mix2midi.units import seconds_to_samples

Samples = NDArray[np.float32]

#: Samples above this, 120 dB over full scale, are no sound: a file of another kind, or not finite.
LOUDEST = 1e6
#: Channels whose mean has less than this part of their power, 40 dB below, are one sound and its inverse.
_CANCELLED = 1e-4
_MIX_DOWN_WINDOW_S, _MIX_DOWN_FADE_S = 1.0, 0.02


def stream_blocks(
    chunks: Iterator[Samples], name: str, from_rate_hz: int, rate_hz: int, *, mono: bool, block_s: float
) -> Iterator[Samples]:
    """Blocks of `block_s` seconds at `rate_hz`; the last one is shorter.

    Parameters
    ----------
    chunks : iterator of ndarray [channels, samples]
        Consecutive, of any length, at `from_rate_hz`.
    name : str
        What an error names.
    from_rate_hz, rate_hz : int
        Of the chunks, and of the blocks.
    mono : bool
        One channel, see `mix_down`.
    block_s : float

    Raises
    ------
    AudioError
        While it is read: a sample is not finite or absurdly large, or there is none.
    """
    checked = _check_samples(chunks, name, from_rate_hz)
    if mono:
        checked = mix_down(checked, from_rate_hz)
    resampled = checked if from_rate_hz == rate_hz else _resample(checked, from_rate_hz, rate_hz)
    return _rechunk(resampled, max(1, seconds_to_samples(block_s, rate_hz)))


def mix_down(chunks: Iterator[Samples], rate_hz: int) -> Iterator[Samples]:
    """The mean of all channels, [1, samples]; the first one where they cancel each other, as of a balanced line.

    The mean rather than a sum, so that no number of channels can clip. Where they cancel is decided for each second, so
    that it does not depend on a decoder's chunks, and faded, so that no step sounds like a hit.
    """
    before = None
    for window in _rechunk(chunks, max(1, seconds_to_samples(_MIX_DOWN_WINDOW_S, rate_hz))):
        mean = window.mean(axis=0, keepdims=True)
        power = np.square(window).sum() / len(window)
        share_of_first = float(np.square(mean).sum() < _CANCELLED * power)
        if before is None:
            before = share_of_first
        if share_of_first or before:
            fade = np.linspace(before, share_of_first, max(1, seconds_to_samples(_MIX_DOWN_FADE_S, rate_hz)))
            share = np.pad(fade, (0, window.shape[1]), constant_values=share_of_first)[: window.shape[1]]
            mean += share.astype(np.float32) * (window[:1] - mean)
        yield mean
        before = share_of_first


def _check_samples(chunks: Iterator[Samples], name: str, rate_hz: int) -> Iterator[Samples]:
    n_samples = 0
    for chunk in chunks:
        bad = ~(np.abs(chunk) < LOUDEST)  # also true of NaN
        if bad.any():
            at_s = (n_samples + int(np.argmax(bad.any(axis=0)))) / rate_hz
            raise AudioError(
                f"{name}: holds samples that are no sound at {at_s:.2f} s (not a number, infinite or absurdly large); "
                "export the song again"
            )
        n_samples += chunk.shape[1]
        yield chunk
    if n_samples == 0:
        raise AudioError(f"{name}: holds no samples; export the song again")


def resampled_length(n_samples: int, from_rate_hz: int, rate_hz: int) -> int:
    """Number of samples after resampling: the nearest, but at least one of a song that is not empty."""
    return max(1, round(n_samples * rate_hz / from_rate_hz))


def _resample(chunks: Iterator[Samples], from_rate_hz: int, rate_hz: int) -> Iterator[Samples]:
    """Resample as one stream, so that there are no seams; the total length is exact to the sample."""
    n_in = n_out = 0
    stream = None
    for chunk in chunks:
        if stream is None:
            stream = soxr.ResampleStream(from_rate_hz, rate_hz, chunk.shape[0], dtype="float32")
        n_in += chunk.shape[1]
        ready = stream.resample_chunk(np.ascontiguousarray(chunk.T)).T
        n_out += ready.shape[1]
        yield ready
    if stream is not None:
        tail = stream.resample_chunk(np.zeros((0, chunk.shape[0]), np.float32), last=True).T
        missing = resampled_length(n_in, from_rate_hz, rate_hz) - n_out
        yield np.pad(tail, ((0, 0), (0, max(0, missing - tail.shape[1]))))[:, :missing]


def _rechunk(chunks: Iterator[Samples], length: int) -> Iterator[Samples]:
    """Cut a stream into pieces of `length` samples that share no memory with what came in."""
    pending: list[Samples] = []
    n_pending = 0
    for chunk in chunks:
        pending.append(chunk)
        n_pending += chunk.shape[1]
        while n_pending >= length:
            joined = np.concatenate(pending, axis=1)
            yield np.array(joined[:, :length], dtype=np.float32, order="C")
            pending = [joined[:, length:]]
            n_pending -= length
    if n_pending:
        yield np.array(np.concatenate(pending, axis=1), dtype=np.float32, order="C")
