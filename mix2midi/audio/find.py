"""Which files of a folder are songs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mix2midi.errors import AudioError

#: Suffixes that are looked for in folders; a file that is named by itself may have any suffix.
# fmt: off
AUDIO_SUFFIXES = frozenset(
    [
        ".wav", ".wave", ".w64", ".rf64", ".bwf", ".flac", ".mp3", ".mp2", ".ogg", ".oga", ".opus",
        ".aiff", ".aif", ".aifc", ".caf", ".au", ".snd",
        ".m4a", ".m4b", ".aac", ".alac", ".wma", ".ac3", ".ape", ".wv", ".tta", ".mka", ".weba",
        ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi", ".wmv", ".mpg", ".mpeg", ".ts", ".3gp", ".flv",
    ]
)
# fmt: on


def find_audio(paths: Sequence[Path | str], on_closed_folder: Callable[[AudioError], None] | None = None) -> list[Path]:
    """List the songs among files and folders.

    Parameters
    ----------
    paths : sequence of path
        A file stands for itself, whatever its suffix and even if it is missing, so that the trouble is reported with
        that file. A folder is walked with its subfolders, linked ones as well, sorted by name, hidden files left out.
    on_closed_folder : callable, optional
        Told of a subfolder that cannot be looked into, which is then left out; by default it is an error.

    Returns
    -------
    list of Path
        In the order given, each file once.

    Raises
    ------
    AudioError
        If a folder holds no audio, or a path cannot be looked at.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        found.update(dict.fromkeys(_songs_in(path, on_closed_folder or _fail) if _is_folder(path) else [path]))
    return list(found)


def _fail(error: AudioError) -> None:
    raise error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # a folder above it is closed to this user, or the name is too long
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from error


def _songs_in(folder: Path, on_closed_folder: Callable[[AudioError], None]) -> list[Path]:
    songs = [file for file in walk_files(folder, on_closed_folder) if file.suffix.lower() in AUDIO_SUFFIXES]
    if not songs:
        raise AudioError(f"{folder}: no audio in this folder; name a folder with wav, flac, mp3 or similar files")
    return songs


def walk_files(folder: Path, on_closed_folder: Callable[[AudioError], None] = _fail) -> Iterator[Path]:
    """Files of a folder and its subfolders, see `find_audio`; raises `AudioError` where it cannot be looked into."""

    def tell(error: OSError) -> None:
        closed = AudioError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")
        if Path(error.filename) == folder:
            raise closed from error
        on_closed_folder(closed)

    top = Path(os.path.realpath(folder))
    entered = {top}
    for parent, subfolders, names in os.walk(folder, onerror=tell, followlinks=True):
        shown = sorted(name for name in subfolders if not name.startswith("."))
        subfolders[:] = [name for name in shown if _is_first_visit(Path(parent, name), top, entered)]
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _is_first_visit(folder: Path, top: Path, entered: set[Path]) -> bool:
    """Whether a folder is walked now, and is then among those entered.

    A link to what the walk reaches anyway is left alone, as songs would be found twice, and so is one to what holds
    the top of the walk, as that may be the whole disk.
    """
    target = Path(os.path.realpath(folder))
    leads_back = folder.is_symlink() and (target.is_relative_to(top) or top.is_relative_to(target))
    if target in entered or leads_back:
        return False
    entered.add(target)
    return True
