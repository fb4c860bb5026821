"""A song of any length through a network that takes segments of one length, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def separate_in_segments(
    blocks: Iterator[Samples],
    separate_segment: Callable[[Samples], Samples],
    segment_length: int,
    stride_length: int,
    fill: float = 0.0,
) -> Iterator[Samples]:
    """Cut a stream into overlapping segments, separate each, and cross-fade the results.

    Where segments lie depends on their length and stride only, so the result is the same whatever the length of the
    blocks. Each segment counts most in its middle, where the network sees context on both sides: its weights are a
    triangle, and their sum is divided out. The last segment is shorter; it is given the music before it as context.
    This is the scheme of ``demucs.apply.apply_model``, and its result, as a stream.

    Parameters
    ----------
    blocks : iterator of ndarray [channels, samples]
        The mix, in blocks of any length.
    separate_segment : callable
        From a mix [channels, segment_length] to a stem of the same shape.
    segment_length, stride_length : int
        In samples; the stride is at most the length.
    fill : float
        Value of what lies before the start and after the end of the song.

    Yields
    ------
    ndarray of float32 [channels, samples]
        The stem, consecutive, as long as the mix in total.
    """
    mix = _Window(blocks)
    weights = triangle(segment_length)
    offset, carried, carried_weights = 0, None, np.zeros(0, np.float32)
    while mix.reaches_beyond(offset, segment_length):
        length = min(segment_length, mix.end - offset)
        context = (segment_length - length) // 2
        segment = mix.cut(offset - context, segment_length, fill)
        stem = separate_segment(segment)[:, context : context + length] * weights[:length]
        stem_weights = weights[:length].copy()
        if carried is not None:
            stem[:, : carried.shape[1]] += carried[:, :length]
            stem_weights[: len(carried_weights)] += carried_weights[:length]
        done = stride_length if mix.reaches_beyond(offset + stride_length, 1) else length
        yield stem[:, :done] / stem_weights[:done]
        carried, carried_weights = stem[:, done:], stem_weights[done:]
        offset += stride_length
        mix.forget_before(offset - segment_length)


def triangle(length: int) -> NDArray[np.float32]:
    """Weights that rise to 1 in the middle and never reach 0, so that a sum of them can be divided by."""
    rise = np.arange(1, length + 1, dtype=np.float32)
    weights = np.minimum(rise, rise[::-1])
    return np.asarray(weights / weights.max(), np.float32)


class _Window:
    """The latest part of a stream, read ahead on demand and addressed by its place in the song."""

    def __init__(self, blocks: Iterator[Samples]) -> None:
        self._blocks = blocks
        self._pending: list[Samples] = []
        self._start = 0
        self.end = 0

    def reaches_beyond(self, offset: int, length: int) -> bool:
        """Read up to `offset + length`, or to the end of the song; say whether there is anything from `offset` on."""
        while self.end < offset + length:
            block = next(self._blocks, None)
            if block is None:
                break
            self._pending.append(block)
            self.end += block.shape[1]
        return self.end > offset

    def cut(self, offset: int, length: int, fill: float) -> Samples:
        """[channels, length] from `offset` on, filled up where the song does not reach."""
        self._pending = [np.concatenate(self._pending, axis=1)]
        inside = self._pending[0][:, max(0, offset - self._start) : max(0, offset + length - self._start)]
        before = max(0, -offset)
        after = length - before - inside.shape[1]
        return np.pad(inside, ((0, 0), (before, after)), constant_values=fill)

    def forget_before(self, offset: int) -> None:
        """Drop what will not be asked for again."""
        surplus = offset - self._start
        if surplus > 0:
            self._pending = [np.concatenate(self._pending, axis=1)[:, surplus:]]
            self._start = offset
