"""Lossy codecs as users' files went through them: FFmpeg's encoders, which come with PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import soxr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import AudioStream


@dataclass(frozen=True)
class Codec:
    """An encoder, and the files that it is met in.

    Attributes
    ----------
    encoder : str
        FFmpeg's name.
    suffix : str
        Of its files.
    rate_hz : int
        Sampling rate that it takes.
    lowest_bps, highest_bps : int
        Bit rates of one channel from poor to good; stereo files have twice as much.
    """

    encoder: str
    suffix: str
    rate_hz: int
    lowest_bps: int
    highest_bps: int


CODECS = {
    "mp3": Codec("libmp3lame", ".mp3", 44100, 32_000, 96_000),
    "aac": Codec("aac", ".m4a", 44100, 32_000, 80_000),
    "opus": Codec("libopus", ".opus", 48000, 20_000, 64_000),
}


def encode(audio: NDArray[np.float32], rate_hz: int, path: Path, codec: Codec, bit_rate_bps: int) -> None:
    """Write mono audio as a file of a codec.

    Parameters
    ----------
    audio : ndarray [shape=(samples,), float32]
        Full scale 1.0; beyond it is clipped.
    rate_hz : int
        Of the audio.
    path : Path
        With the codec's suffix.
    codec : Codec
        One of `CODECS`.
    bit_rate_bps : int
    """
    import av

    samples = np.rint(soxr.resample(audio, rate_hz, codec.rate_hz) * 32767.0)
    pcm = np.clip(samples, -32768, 32767).astype(np.int16)[None]
    with av.open(str(path), "w") as container:
        stream = cast("AudioStream", container.add_stream(codec.encoder, rate=codec.rate_hz, layout="mono"))
        stream.bit_rate = bit_rate_bps
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        # With a clock, so that the file says how many samples the encoder put before the first.
        frame.sample_rate, frame.pts, frame.time_base = codec.rate_hz, 0, Fraction(1, codec.rate_hz)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
