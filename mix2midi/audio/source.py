"""Songs as streams of blocks: from a file, or from an array in memory."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mix2midi.audio.blocks import stream_blocks
from mix2midi.audio.decoding import CHUNK_LENGTH, AudioFormat
from mix2midi.audio.ffmpeg import decode_ffmpeg, probe_ffmpeg
from mix2midi.audio.ogg import is_cut_off_ogg
from mix2midi.audio.sndfile import decode_sndfile, probe_sndfile
from mix2midi.errors import AudioError

#: Slower than any sound is sampled: a damaged header, of which resampling would make hours of nothing.
MIN_RATE_HZ = 1000
#: More channels than this are taken for samples: the array was handed over the wrong way round.
MAX_CHANNELS = 64


class AudioSource(Protocol):
    """A song that can be read from its start any number of times, in constant memory.

    Attributes
    ----------
    name : str
        What error messages call it: a path, or a name for an array.
    rate_hz : int
        Its own sampling rate.
    channels : int
        Its own number of channels.
    duration_s : float
        Its length; an estimate for the few formats that state none (raw AAC, mp3 without a header).
    """

    name: str
    rate_hz: int
    channels: int
    duration_s: float

    def blocks(self, rate_hz: int, *, mono: bool, block_s: float = 30.0) -> Iterator[NDArray[np.float32]]:
        """Read from the start, resampled as one stream with soxr.

        Parameters
        ----------
        rate_hz : int
            Sampling rate of the blocks.
        mono : bool
            Average all channels to one; otherwise all channels are kept.
        block_s : float
            Length of each block in seconds; the last is shorter.

        Yields
        ------
        ndarray of float32 [channels, samples]
            Consecutive, in total ``round(n * rate_hz / self.rate_hz)`` samples, at least one.

        Raises
        ------
        AudioError
            If the file turns out damaged, cut off or empty, or holds samples that are not finite.
        """
        ...


class AudioFile:
    """An audio file, or the first audio track of a video file.

    Parameters
    ----------
    path : path
        Any format of libsndfile or FFmpeg: wav, aiff, flac, ogg, opus, mp3, m4a, aac, wma, mp4, mkv and more, of any
        sampling rate, number of channels and sample width.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, no audio, without an audio track, or visibly cut off.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.name = str(path)
        _check_readable(self.path)
        sndfile_format = probe_sndfile(self.path)
        self._decode = decode_ffmpeg if sndfile_format is None else decode_sndfile
        audio_format = sndfile_format or probe_ffmpeg(self.path)
        self.rate_hz = audio_format.rate_hz
        if self.rate_hz < MIN_RATE_HZ:
            raise AudioError(f"{path}: states a sampling rate of {self.rate_hz} Hz; export the song again")
        self.channels = audio_format.channels
        self.duration_s = self._duration_s(audio_format)

    @property
    def seems_cut_off(self) -> bool:
        """Whether it ends as a broken download does, in a format that does not state its length: Ogg."""
        return is_cut_off_ogg(self.path)

    def blocks(self, rate_hz: int, *, mono: bool, block_s: float = 30.0) -> Iterator[NDArray[np.float32]]:
        """See `AudioSource.blocks`."""
        chunks = self._decode(self.path)
        return stream_blocks(chunks, self.name, self.rate_hz, rate_hz, mono=mono, block_s=block_s)

    def _duration_s(self, audio_format: AudioFormat) -> float:
        if audio_format.duration_s is not None:
            return audio_format.duration_s
        n_samples: int = sum(chunk.shape[1] for chunk in self._decode(self.path))  # stated nowhere: count
        return n_samples / self.rate_hz


class AudioArray:
    """A song in memory.

    Parameters
    ----------
    samples : array of float [channels, samples] or [samples]
        Full scale 1.0. It is neither changed nor copied as a whole.
    rate_hz : int
        Sampling rate, `MIN_RATE_HZ` or more.
    name : str
        What error messages call it.

    Raises
    ------
    AudioError
        If the array is empty, not of floating point, or of another shape.
    """

    def __init__(self, samples: ArrayLike, rate_hz: int, name: str = "array") -> None:
        try:
            self._samples = np.atleast_2d(np.asarray(samples))
        # Lists of unequal length; tensors that want a gradient, are on a GPU, or of a type that NumPy lacks.
        except (ValueError, TypeError, RuntimeError) as error:
            raise AudioError(f"{name}: is no array ({error}); hand over an array [channels, samples]") from error
        self.name = name
        self.rate_hz = rate_hz
        _check_array(self._samples, rate_hz, name)
        self.channels = self._samples.shape[0]
        self.duration_s = self._samples.shape[1] / rate_hz

    def blocks(self, rate_hz: int, *, mono: bool, block_s: float = 30.0) -> Iterator[NDArray[np.float32]]:
        """See `AudioSource.blocks`."""
        return stream_blocks(self._chunks(), self.name, self.rate_hz, rate_hz, mono=mono, block_s=block_s)

    def _chunks(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, self._samples.shape[1], CHUNK_LENGTH):
            with np.errstate(over="ignore"):  # what float32 cannot hold is refused later, with the source's name
                yield self._samples[:, start : start + CHUNK_LENGTH].astype(np.float32)


def read_audio(source: AudioSource | Path | str, rate_hz: int = 44100, mono: bool = False) -> NDArray[np.float32]:
    """Read a whole song into memory.

    Parameters
    ----------
    source : AudioSource or path
        What to read.
    rate_hz : int
        Sampling rate of the result.
    mono : bool
        Average all channels to one.

    Returns
    -------
    ndarray of float32 [channels, samples]
        Time zero is the first sample that a DAW plays.

    Raises
    ------
    AudioError
        As `AudioFile` and `AudioSource.blocks`.
    """
    opened = AudioFile(source) if isinstance(source, str | Path) else source
    return np.concatenate(list(opened.blocks(rate_hz, mono=mono)), axis=1)


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioError(f"{path}: is a folder; name a file in it")
        if not path.exists():
            raise AudioError(f"{path}: does not exist; check the name")
        if not path.is_file():
            raise AudioError(f"{path}: is not a regular file; copy the song to a file first")
        with path.open("rb") as file:
            if not file.read(1):
                raise AudioError(f"{path}: is empty; copy, download or export it again")
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise AudioError(f"{path}: cannot be read ({reason}); check its permissions") from error


def _check_array(samples: NDArray[np.generic], rate_hz: int, name: str) -> None:
    if samples.ndim != 2 or samples.shape[0] > MAX_CHANNELS:
        raise AudioError(f"{name}: has shape {samples.shape}; hand over an array [channels, samples]")
    if samples.size == 0:
        raise AudioError(f"{name}: holds no samples; hand over at least one")
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(f"{name}: is of type {samples.dtype}; hand over floating point with full scale at 1.0")
    if not isinstance(rate_hz, numbers.Real) or not MIN_RATE_HZ <= rate_hz < math.inf:
        raise AudioError(f"{name}: has a sampling rate of {rate_hz!r} Hz; it must be a number from {MIN_RATE_HZ} on")
