"""Many songs with one set of models: where each result goes, and what went wrong with which."""

from __future__ import annotations

import logging
import os
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path
from typing import NamedTuple

from mix2midi.audio import find_audio
from mix2midi.errors import AudioError, Mix2MidiError, ModelError, NoteMapError, OptionError, OutputError
from mix2midi.files import sameness
from mix2midi.pipeline.converter import Conversion, Converter, OnStage
from mix2midi.pipeline.midi_options import MidiOptions
from mix2midi.pipeline.outputs import EXTRA_SUFFIXES, Outputs, Picture, is_own_stem

log = logging.getLogger(__name__)

MIDI_SUFFIXES = (".mid", ".midi")


@dataclass(frozen=True, slots=True)
class Job:
    """A song and what is to be written of it.

    Attributes
    ----------
    song : Path
    outputs : Outputs
    subfolder : Path or None
        Folder inside the output folder that is made for it, as the song lay in one.
    """

    song: Path
    outputs: Outputs
    subfolder: Path | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A song, or a folder of songs, that could not be converted."""

    song: Path
    error: Exception

    def __post_init__(self) -> None:
        """Empty the stacks of the error: they would keep the audio of every song that failed until the run ends."""
        cause: BaseException | None = self.error
        while cause is not None:
            traceback.clear_frames(cause.__traceback__)
            cause = cause.__cause__ or cause.__context__

    @property
    def message(self) -> str:
        """One line that names the file."""
        text = str(self.error)
        if not isinstance(self.error, Mix2MidiError):
            text = f"unexpected {type(self.error).__name__} ({text}); please report it with this file"
        return text if str(self.song) in text else f"{self.song}: {text}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A song whose results were there already."""

    song: Path
    files: tuple[Path, ...]


Outcome = Conversion | Failure | Skipped


def plan_jobs(
    inputs: Sequence[Path | str], output: Path | str | None = None, extras: Collection[str] = ()
) -> tuple[list[Job], list[Failure]]:
    """Decide which files are converted and where the results go.

    Parameters
    ----------
    inputs : sequence of Path or str
        Files and folders. A file that is named twice is converted once.
    output : Path or str, optional
        A folder that exists, or for a single song a file that ends in ``.mid``. By default each result lies beside its
        song. Songs from folders keep their subfolders.
    extras : collection of str
        What is written besides MIDI: keys of `mix2midi.pipeline.outputs.EXTRA_SUFFIXES`.

    Returns
    -------
    jobs : list of Job
        No two of them write the same file: of ``a.wav`` and ``a.mp3`` come ``a.wav.mid`` and ``a.mp3.mid``, and of
        ``a/song.wav`` and ``b/song.wav`` in one output folder ``a/song.mid`` and ``b/song.mid``.
    failures : list of Failure
        Folders without songs; songs that would become the same file as one before them.

    Raises
    ------
    OutputError
        The output folder does not exist.
    OptionError
        One output file is named for several songs; a result would replace one of the songs.
    """
    found, failures = _find_songs([Path(path) for path in inputs])
    output = None if output is None else Path(output)
    songs = [entry.song for entry in found]
    keeps_folders = output is not None and output.is_dir()
    if output is None:
        targets = [song.with_suffix(".mid") for song in songs]
    elif keeps_folders:
        targets = [output / inner.with_suffix(".mid") for inner in _inner_paths(found)]
    else:
        targets = [_single_target(output, len(found) + len(failures))] * len(found)
    targets = _distinct(songs, targets)
    clashes = _clashes(songs, targets)
    jobs = [
        Job(song, Outputs.beside(midi, extras), midi.parent if keeps_folders else None)
        for song, midi in zip(songs, targets, strict=True)
        if song not in clashes
    ]
    _check_songs_stay(jobs)
    return jobs, failures + [Failure(song, error) for song, error in clashes.items()]


def run_jobs(
    converter: Converter,
    jobs: Sequence[Job],
    *,
    skip_existing: bool = False,
    overwrite: bool = False,
    midi: MidiOptions | None = None,
    picture: Picture | None = None,
    on_start: Callable[[Job], None] | None = None,
    on_progress: OnStage | None = None,
) -> Iterator[Outcome]:
    """Convert songs one after the other; one that fails does not stop the others.

    Parameters
    ----------
    converter : Converter
    jobs : sequence of Job
        See `plan_jobs`.
    skip_existing : bool
        Leave out songs of which everything that would be written is there, and not empty.
    overwrite : bool
        Replace files that are there even if this program did not write them. By default such a song fails.
    midi, picture, on_progress
        See `Converter.convert`.
    on_start : callable, optional
        Called before each song.

    Yields
    ------
    Conversion, Failure or Skipped
        One for each job, in order.

    Raises
    ------
    ModelError, OptionError
        What is wrong with models and options is wrong for every song.
    """
    for job in jobs:
        if skip_existing and _is_done(job, converter):
            yield Skipped(job.song, tuple(filter(os.path.exists, job.outputs.paths())))
            continue
        if on_start is not None:
            on_start(job)
        try:
            if job.subfolder is not None:
                _make_folder(job.subfolder)
            outputs = job.outputs if converter.saves_stems else job.outputs.without_stem()
            outputs.check()
            if not overwrite:
                outputs.check_own()
            yield converter.convert(job.song, job.outputs, midi=midi, picture=picture, on_progress=on_progress)
        except NoteMapError as error:  # another song may not have that drum
            yield Failure(job.song, error)
        except (ModelError, OptionError):
            raise
        except Exception as error:  # a night's work is not to end at one odd file
            log.debug("%s", job.song, exc_info=True)
            yield Failure(job.song, error)


def _is_done(job: Job, converter: Converter) -> bool:
    """Whether all is there; the separator is only looked for, or fetched, where nothing but the stem is missing."""
    if not all(map(_holds_something, job.outputs.without_stem().paths())):
        return False
    stem = job.outputs.stem
    return stem is None or _holds_something(stem) or not converter.saves_stems


def _holds_something(path: Path) -> bool:
    """False also for an empty file, as a crash or a copy onto a full disk leaves it: no result is empty."""
    # Unlike Path's, this `exists` bears names that are too long.
    return os.path.exists(path) and os.path.getsize(path) > 0


class _Found(NamedTuple):
    """A song, the folder that was named or that it lies in, and its path inside that folder."""

    song: Path
    folder: Path
    inner: Path


def _find_songs(inputs: Sequence[Path]) -> tuple[list[_Found], list[Failure]]:
    """Songs, each once; and folders without songs, or closed."""
    found: dict[str, _Found] = {}
    failures: list[Failure] = []
    for path in inputs:

        def note(error: AudioError, path: Path = path) -> None:
            failures.append(Failure(path, error))

        try:
            songs = find_audio([path], note)
        except Mix2MidiError as error:
            failures.append(Failure(path, error))
            continue
        is_folder = path.is_dir()
        if is_folder and all(map(is_own_stem, songs)):
            files = path / f"*{EXTRA_SUFFIXES['stem']}"
            note(AudioError(f"{path}: holds nothing but stems that mix2midi saved; name the files, as in {files}"))
            continue
        # A link in a folder is the song only where the file that it leads to is not there as well.
        for song in sorted(filterfalse(is_own_stem, songs), key=Path.is_symlink) if is_folder else songs:
            folder = path if is_folder else path.parent
            found.setdefault(os.path.realpath(song), _Found(song, folder.resolve(), song.relative_to(folder)))
    return list(found.values()), failures


def _inner_paths(found: Sequence[_Found]) -> list[Path]:
    """Where songs go inside an output folder; where folders hold the same name, into subfolders named like them."""
    folders: dict[str, set[Path]] = defaultdict(set)
    for entry in found:
        folders[_name_of(entry)].add(entry.folder)
    ends = {name: _distinct_ends(group) for name, group in folders.items()}
    return [ends[_name_of(entry)][entry.folder] / entry.inner for entry in found]


def _distinct_ends(folders: set[Path]) -> dict[Path, Path]:
    """So much of the end of each folder's path that no other of them ends alike; nothing where it is alone."""
    ends: dict[Path, Path] = {}
    left = dict.fromkeys(folders, Path())
    for length in range(max(len(folder.parts) for folder in folders)):
        left = {folder: _end(folder, length) for folder in left if folder not in ends}
        counts = Counter(map(sameness, left.values()))
        ends |= {folder: end for folder, end in left.items() if counts[sameness(end)] == 1}
    return left | ends


def _end(folder: Path, length: int) -> Path:
    """The last parts of a path, without its root."""
    return Path(*folder.parts[max(1, len(folder.parts) - length) :])


def _name_of(entry: _Found) -> str:
    return sameness(entry.inner.with_suffix(""))


def _single_target(output: Path, count: int) -> Path:
    """The file that `output` names, which is no folder."""
    if output.suffix.lower() not in MIDI_SUFFIXES:
        if output.exists():
            raise OptionError(f"{output}: is no folder; give a folder, or a file that ends in .mid")
        raise OutputError(f"{output}: there is no such folder; make it first, or name another with -o")
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}; make it first, or write elsewhere")
    if count > 1:
        raise OptionError(f"{output}: one file cannot hold {count} songs; give a folder with -o")
    return output


def _distinct(songs: Sequence[Path], targets: Sequence[Path]) -> list[Path]:
    """Where two songs would write the same file, their suffixes tell them apart."""
    by_target: dict[str, list[int]] = defaultdict(list)
    for index, target in enumerate(targets):
        by_target[sameness(target)].append(index)
    distinct = list(targets)
    for indexes in by_target.values():
        if len(indexes) > 1:
            for index in indexes:
                distinct[index] = targets[index].with_name(songs[index].name + ".mid")
    return distinct


def _clashes(songs: Sequence[Path], targets: Sequence[Path]) -> dict[Path, OptionError]:
    """Songs that would become the same file as one before them, and why."""
    seen: dict[str, Path] = {}
    clashes: dict[Path, OptionError] = {}
    for song, target in zip(songs, targets, strict=True):
        other = seen.setdefault(sameness(target), song)
        if other is not song:
            hint = "convert them into different folders"
            if other.parent == song.parent and sameness(other.name) == sameness(song.name):
                hint = "their names differ by case, or by how accents are stored, alone: rename one"
            clashes[song] = OptionError(f"{song}: would become {target} as {other} does; {hint}")
    return clashes


def _check_songs_stay(jobs: Sequence[Job]) -> None:
    songs = {os.path.realpath(job.song) for job in jobs}
    for job in jobs:
        replaced = next((path for path in job.outputs.paths() if os.path.realpath(path) in songs), None)
        if replaced is not None:
            raise OptionError(f"{replaced}: is a song to convert and would be replaced; write elsewhere with -o")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}); write elsewhere with -o") from error
