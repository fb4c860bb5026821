"""From a song to its drum stem, which lies on disk: an hour of music needs no more memory than a minute."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mix2midi.audio import AudioArray, AudioFile, AudioSource, read_audio
from mix2midi.audio.blocks import mix_down
from mix2midi.audio.sndfile import name_for_soundfile
from mix2midi.drums import PIECES
from mix2midi.errors import OutputError
from mix2midi.files import PROGRAM, atomic_write
from mix2midi.notes import DrumNote
from mix2midi.separation import NoSeparator, Separator
from mix2midi.separation.own_sounds import LOW_RATE_HZ, change_low_end

_BYTES_PER_SAMPLE = 4
#: WAV counts its bytes with 32 bits; above, the same file is written as RF64. The margin is for its header.
_MAX_WAV_BYTES = 2**32 - 2**20
#: Drums that sound below `mix2midi.separation.own_sounds.CUTOFF_HZ`.
_LOW_NOTES = [piece.note for piece in PIECES if piece.family in ("kick", "snare", "toms")]


@contextmanager
def separated(
    source: AudioSource,
    separator: Separator,
    keep: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
    channels: int = 1,
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
    channels : int
        Of a stem that does not stay: 1, which is what the transcriber hears and half the room on the disk, or 2.

    Raises
    ------
    AudioError, DeviceError
        As `Separator.separate_stream`.
    OutputError
        If the disk is full or the stem cannot be written where it is to be kept.
    """
    if isinstance(separator, NoSeparator):
        yield source
        return
    of_stem = channels if keep is None else 2
    with _written(keep, partial(_write_stem, source, separator, of_stem, on_progress)) as stem:
        yield stem


@contextmanager
def with_own_sounds(
    stem: AudioSource, song: AudioSource, notes: Sequence[DrumNote], keep: Path | None = None
) -> Iterator[AudioSource]:
    """The stem, in mono, with the low end that its drums have throughout the song, for as long as the block runs.

    What is kept is not what is heard: channels get their low ends one by one, so that a song would be transcribed in
    another way where its stem is saved.

    Parameters
    ----------
    stem : AudioSource
        As `separated` gives it.
    song : AudioSource
        The mix that it was taken from.
    notes : sequence of DrumNote
        What was heard in the song, in order of onset.
    keep : Path, optional
        Where the result stays as well, with the channels of `stem`.

    Raises
    ------
    AudioError, OutputError
        As `separated`.
    """
    if keep is not None:
        with atomic_write(keep) as beside:
            _write_restored(stem, song, notes, stem.channels, beside, keep)
    with _written(None, partial(_write_restored, stem, song, notes, 1)) as restored:
        yield restored


@contextmanager
def _written(keep: Path | None, write: Callable[[Path, Path], None]) -> Iterator[AudioSource]:
    """What `write` puts into its first path, named as its second one: where it stays, or until the block ends."""
    if keep is not None:
        with atomic_write(keep) as beside:
            write(beside, keep)
        yield AudioFile(keep)
    else:
        with _temporary_folder() as folder:
            write(folder / "stem.wav", folder / "stem.wav")
            yield AudioFile(folder / "stem.wav")


def _write_restored(
    stem: AudioSource, song: AudioSource, notes: Sequence[DrumNote], channels: int, path: Path, named: Path
) -> None:
    change = _change_of_low_end(stem, song, notes, channels)
    blocks = _sums(*(part.blocks(stem.rate_hz, mono=channels == 1) for part in (stem, change)))
    _write_blocks(path, blocks, stem.rate_hz, channels, round(stem.duration_s * stem.rate_hz), named=named)


def _change_of_low_end(stem: AudioSource, song: AudioSource, notes: Sequence[DrumNote], channels: int) -> AudioArray:
    low_mix = read_audio(song, LOW_RATE_HZ, mono=channels == 1 or song.channels != channels)
    low_stem = read_audio(stem, LOW_RATE_HZ, mono=channels == 1)
    length = min(low_mix.shape[1], low_stem.shape[1])
    low_mix = np.broadcast_to(low_mix, (channels, low_mix.shape[1]))
    drums = [np.array([note.onset_s for note in notes if note.note == number]) for number in _LOW_NOTES]
    return AudioArray(change_low_end(low_mix[:, :length], low_stem[:, :length], drums), LOW_RATE_HZ)


def _sums(
    blocks: Iterator[NDArray[np.float32]], others: Iterator[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Blocks of two streams added; the second may be a little shorter or longer, having been at another rate."""
    for block in blocks:
        other = next(others, np.zeros((block.shape[0], 0), np.float32))[:, : block.shape[1]]
        summed = block.copy()
        summed[:, : other.shape[1]] += other
        yield summed


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
    source: AudioSource,
    separator: Separator,
    channels: int,
    on_progress: Callable[[float], None] | None,
    path: Path,
    named: Path,
) -> None:
    stereo = separator.separate_stream(source, on_progress)
    blocks = stereo if channels == 2 else mix_down(stereo, separator.rate_hz)
    n_samples = round(source.duration_s * separator.rate_hz)
    _write_blocks(path, blocks, separator.rate_hz, channels, n_samples, named=named)


def _write_blocks(
    path: Path, blocks: Iterable[NDArray[np.float32]], rate_hz: int, channels: int, n_samples: int, *, named: Path
) -> None:
    """Write a stem as 32-bit float WAV: separators exceed full scale at times, and that is not to be clipped."""
    container = "WAV" if n_samples * channels * _BYTES_PER_SAMPLE < _MAX_WAV_BYTES else "RF64"
    try:
        with soundfile.SoundFile(name_for_soundfile(path), "w", rate_hz, channels, "FLOAT", format=container) as file:
            file.comment = PROGRAM
            for block in blocks:
                _write_block(file, block, named)
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
