"""From a song to its drum stem, which lies on disk: an hour of music needs no more memory than a minute."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mix2midi.audio import AudioFile, AudioSource
from mix2midi.audio.blocks import mix_down
from mix2midi.audio.sndfile import name_for_soundfile
from mix2midi.errors import OutputError
from mix2midi.files import PROGRAM, atomic_write
from mix2midi.separation import NoSeparator, Separator

_BYTES_PER_SAMPLE = 4
#: WAV counts its bytes with 32 bits; above, the same file is written as RF64. The margin is for its header.
_MAX_WAV_BYTES = 2**32 - 2**20


@contextmanager
def separated(
    source: AudioSource,
    separator: Separator,
    keep: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[AudioSource]:
    """Separate a song, and give its stem for as long as the block runs.

    Parameters
    ----------
    source : AudioSource
        The mix; given back as it is where the separator is none.
    separator : Separator
    keep : Path, optional
        Where the stem stays, in stereo. By default it goes when the block ends, however that ends.
    on_progress : callable, optional
        Called with the fraction done, 0 to 1.

    Raises
    ------
    AudioError, DeviceError
        As `Separator.separate_stream`.
    OutputError
        If the disk is full or the stem cannot be written where it is to be kept.
    """
    if isinstance(separator, NoSeparator):
        yield source
    elif keep is not None:
        with atomic_write(keep) as partial:
            _write_stem(partial, source, separator, 2, on_progress, named=keep)
        yield AudioFile(keep)
    else:
        with _temporary_folder() as folder:
            stem = folder / "stem.wav"
            # The transcriber hears one channel: half the room on the disk.
            _write_stem(stem, source, separator, 1, on_progress, named=stem)
            yield AudioFile(stem)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        # On Windows an open file cannot go: after an error the stem may still be read by what the error holds on to.
        folder = tempfile.TemporaryDirectory(prefix="mix2midi-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"no folder for temporary files ({error}); set TMPDIR to one that is writable") from error
    with folder as path:
        yield Path(path)


def _write_stem(
    path: Path,
    source: AudioSource,
    separator: Separator,
    channels: int,
    on_progress: Callable[[float], None] | None,
    *,
    named: Path,
) -> None:
    """Write a stem as 32-bit float WAV: separators exceed full scale at times, and that is not to be clipped."""
    n_bytes = source.duration_s * separator.rate_hz * channels * _BYTES_PER_SAMPLE
    container = "WAV" if n_bytes < _MAX_WAV_BYTES else "RF64"
    blocks = separator.separate_stream(source, on_progress)
    try:
        name = name_for_soundfile(path)
        with soundfile.SoundFile(name, "w", separator.rate_hz, channels, "FLOAT", format=container) as file:
            file.comment = PROGRAM
            for block in blocks:
                _write_block(file, block if channels == 2 else mix_down(block), named)
    except soundfile.LibsndfileError as error:
        raise _no_room(named) from error


def _write_block(file: soundfile.SoundFile, block: NDArray[np.float32], named: Path) -> None:
    before = file.tell()
    try:
        file.write(block.T)  # [channel, sample] -> [sample, channel]
    except AssertionError as error:  # soundfile's own check of how much was written
        raise _no_room(named) from error
    if file.tell() - before != block.shape[1]:
        raise _no_room(named)


def _no_room(path: Path) -> OutputError:
    return OutputError(
        f"{path}: the drum stem cannot be written there, is the disk full? Free some space in {path.parent} "
        "or set TMPDIR to a folder with more"
    )
