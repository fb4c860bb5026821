"""Clicks at known times, encoded in any format, and where they are found again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mix2midi.audio import read_audio

RATE_HZ = 44100
CLICKS_S = np.array([0.1, 0.35, 0.9, 1.2, 1.75, 2.4])


def click_track(duration_s: float = 3.0, rate_hz: int = RATE_HZ, channels: int = 2) -> np.ndarray:
    """[channels, samples], with a decaying click at each of `CLICKS_S`."""
    samples = np.zeros(round(duration_s * rate_hz), np.float32)
    time_s = np.arange(round(0.02 * rate_hz)) / rate_hz
    click = (0.7 * np.exp(-time_s / 0.003) * np.cos(2 * np.pi * 2000 * time_s)).astype(np.float32)
    for onset_s in CLICKS_S:
        start = round(onset_s * rate_hz)
        samples[start : start + len(click)] += click
    return np.tile(samples, (channels, 1))


def encode(
    path: Path,
    samples: np.ndarray,
    codec: str,
    *,
    rate_hz: int = RATE_HZ,
    with_video: bool = False,
    late_s: float = 0.0,
    **options: str,
) -> Path:
    """Encode [2, samples] with FFmpeg; keyword options go to the container."""
    with av.open(str(path), "w", options=options) as container:
        video = add_video(container) if with_video else None
        stream: Any = container.add_stream(codec, rate=rate_hz, layout="stereo")
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), round(late_s * rate_hz)
        stream.open()
        if video is not None:
            encode_pictures(container, video)
        to_codec = av.AudioResampler(stream.format, "stereo", rate_hz, frame_size=stream.frame_size or None)
        for piece in [*to_codec.resample(frame), *to_codec.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def add_video(container: av.container.OutputContainer) -> Any:
    video: Any = container.add_stream("mpeg4", rate=25)
    video.width = video.height = 16
    return video


def encode_pictures(container: av.container.OutputContainer, video: Any) -> None:
    for _ in range(75):
        container.mux(video.encode(av.VideoFrame(16, 16, "yuv420p")))
    container.mux(video.encode(None))


def click_onsets_s(path: Path) -> np.ndarray:
    """Where the signal first passes half of its peak, at least 0.1 s apart."""
    envelope = np.abs(read_audio(path, RATE_HZ, mono=True)[0])
    loud = np.flatnonzero(envelope > 0.5 * envelope.max())
    return loud[np.diff(loud, prepend=-RATE_HZ) > 0.1 * RATE_HZ] / RATE_HZ
