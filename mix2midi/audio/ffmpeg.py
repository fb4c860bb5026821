"""mp3, m4a, aac, wma, video and everything else through FFmpeg's libraries (PyAV), in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio.decoding import MAX_MISSING_S, AudioFormat, not_audio_error, truncated_error
from mix2midi.errors import AudioError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

#: Containers with one clock for sound and picture, in which a track may start late.
_TIMED_CONTAINERS = ("mov", "matroska")

#: A late start below this is bookkeeping of encoders; above it is the clock of a broadcast that the file was cut from.
_MIN_LEAD_S, _MAX_LEAD_S = 0.01, 60.0

#: Files without a container: FFmpeg guesses their length from the first bit rate, up to a factor of two wrong.
_BARE_FORMATS = ("aac", "mp3", "flac")

#: What FFmpeg takes texts, noise and pictures for; the readers of single pictures end in "_pipe".
_STILL_FORMATS = ("tty", "rawvideo", "image2")

_CHANGED = "changes its sampling rate or channels on the way; convert it to wav first"

#: Damaged mp3 frames that are passed over, as players do: junk between frames is common in old files.
_MAX_BAD_PACKETS = 50


def probe_ffmpeg(path: Path) -> AudioFormat:
    """Format of the first audio track.

    The first frame is decoded for it, since headers of AAC often state half the rate or one channel too few.

    Raises
    ------
    AudioError
        If the file is no audio or video, has no audio track, or its first frame cannot be decoded.
    """
    with _open(path) as container:
        stream = container.streams.audio[0]
        frame = next(_frames(container, stream, path), None)
        if frame is None:
            raise not_audio_error(path)
        duration_s = _stated_duration_s(container, stream)
        if duration_s is None and container.format.name in _BARE_FORMATS:
            duration_s = _sum_of_packets_s(container, stream)
        # Of Ogg files it knows the last stream's length, and there may be several, one after the other.
        elif duration_s is None and container.duration is not None and container.format.name != "ogg":
            duration_s = container.duration / 1e6  # FFmpeg's estimate, in microseconds
        return AudioFormat(frame.sample_rate, frame.layout.nb_channels, duration_s)


def decode_ffmpeg(path: Path) -> Iterator[NDArray[np.float32]]:
    """Samples [channels, samples] of the first audio track, full scale 1.0, frame by frame.

    Raises
    ------
    AudioError
        If the file is damaged, cut off, or changes its rate or channels on the way.
    """
    from av import AudioResampler

    with _open(path) as container:
        stream = container.streams.audio[0]
        to_float = AudioResampler(format="fltp")
        n_samples, rate_hz, first_s = 0, 0, 0.0
        for frame in _frames(container, stream, path):
            if not rate_hz:
                rate_hz, first_s = frame.sample_rate, frame.time or 0.0
                yield _leading_silence(container, frame)
            lost = _lost_samples(container, frame, first_s, n_samples)
            if lost:
                yield np.zeros((frame.layout.nb_channels, lost), np.float32)
            n_samples += lost + frame.samples
            try:
                for converted in to_float.resample(frame):
                    yield converted.to_ndarray().astype(np.float32, copy=False)
            except ValueError as error:
                raise AudioError(f"{path}: {_CHANGED}") from error
        stated_s = _stated_duration_s(container, stream)
        # Matroska counts the encoder's delay, which at low rates is long.
        if stated_s is not None and rate_hz and stated_s - n_samples / rate_hz > max(MAX_MISSING_S, 2048 / rate_hz):
            raise truncated_error(path)


def _lost_samples(container: InputContainer, frame: AudioFrame, first_s: float, n_samples: int) -> int:
    """What damaged packets before a frame of an mp3 held, so that what follows stays in its place."""
    if container.format.name != "mp3" or frame.time is None:
        return 0
    lost = round((frame.time - first_s) * frame.sample_rate) - n_samples
    return lost if lost > frame.samples // 2 else 0


def _no_audio_error(format_name: str, path: Path) -> AudioError:
    if format_name in _STILL_FORMATS or format_name.endswith("_pipe"):
        return not_audio_error(path)
    return AudioError(f"{path}: has no audio stream; name a file with sound")


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
    import av

    # With "file:" a name such as "a:b.mp3" is not taken for a protocol; with the white list a playlist in disguise
    # cannot make FFmpeg open network addresses.
    try:
        options = {"protocol_whitelist": "file"}
        container = av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except (av.FFmpegError, UnicodeError) as error:
        raise not_audio_error(path) from error
    with container:
        if not container.streams.audio:
            raise _no_audio_error(container.format.name, path)
        decoder = container.streams.audio[0].codec_context
        if decoder is None:  # PyAV's types do not say so: FFmpeg knows no decoder for it
            raise not_audio_error(path)
        # One thread, so that an error comes with the packet that caused it.
        decoder.thread_type = "NONE"
        yield container


def _frames(container: InputContainer, stream: AudioStream, path: Path) -> Iterator[AudioFrame]:
    import av

    n_bad, n_good = 0, 0
    tolerated = _MAX_BAD_PACKETS if container.format.name == "mp3" else 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                n_bad += 1
                if n_bad > tolerated:
                    raise
                continue
            n_good += len(frames)
            yield from frames
    except av.PatchWelcomeError as error:
        raise AudioError(f"{path}: {_CHANGED}") from error
    except av.FFmpegError as error:
        raise (truncated_error(path) if n_good else not_audio_error(path)) from error
    if n_bad and not n_good:
        raise not_audio_error(path)


def _stated_duration_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Length that the file promises; None where FFmpeg's figure is an estimate from the bit rate."""
    name = container.format.name
    has_lame_tag = name == "mp3" and bool(stream.start_time)  # the start is then the encoder's delay
    if ("mov" in name or has_lame_tag) and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if "matroska" in name and len(container.streams) == 1 and container.duration:
        return container.duration / 1e6  # microseconds
    return None


def _sum_of_packets_s(container: InputContainer, stream: AudioStream) -> float:
    """Length of what has not been read yet: the file is read to its end, but not decoded."""
    ticks = sum(packet.duration or 0 for packet in container.demux(stream))
    return float(ticks * (stream.time_base or 0))


def _leading_silence(container: InputContainer, first: AudioFrame) -> NDArray[np.float32]:
    """Silence [channels, samples] before a track that starts later than its container; usually of length 0."""
    start_s = first.time or 0.0
    is_timed = any(name in container.format.name for name in _TIMED_CONTAINERS)
    lead_s = start_s if is_timed and _MIN_LEAD_S < start_s < _MAX_LEAD_S else 0.0
    return np.zeros((first.layout.nb_channels, round(lead_s * first.sample_rate)), np.float32)
