"""Which kind of source a path is."""

from __future__ import annotations

from pathlib import Path

from mix2midi.errors import OptionError
from mix2midi.training.kit_import.hydrogen import read_hydrogen_archive, read_hydrogen_folder
from mix2midi.training.kit_import.one_shots import read_one_shots
from mix2midi.training.kit_import.sfz import read_sfz
from mix2midi.training.kit_import.soundfont import read_soundfont
from mix2midi.training.kit_import.source import SourceKit


def read_source(path: Path) -> list[SourceKit]:
    """Read the kits of one source; samples are read later, when they are asked for.

    Parameters
    ----------
    path : Path
        A Hydrogen drumkit (its folder, or an .h2drumkit archive), a folder of such folders, an .sfz file or a folder
        with one, an .sf2 or .sf3 file, or a folder of one-shots.

    Raises
    ------
    OptionError
        It is none of these, or damaged.
    AudioError
        A folder without any audio.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise OptionError(f"{path}: no such file or folder")
    suffix = path.suffix.lower()
    if suffix == ".h2drumkit":
        return [read_hydrogen_archive(path)]
    if suffix == ".sfz":
        return [read_sfz(path)]
    if suffix in (".sf2", ".sf3"):
        return read_soundfont(path)
    raise OptionError(f"{path}: not a drum kit; give .h2drumkit, .sfz, .sf2, .sf3, or a folder of one-shots")


def _read_folder(folder: Path) -> list[SourceKit]:
    if (folder / "drumkit.xml").is_file():
        return [read_hydrogen_folder(folder)]
    packed = [entry for entry in sorted(folder.iterdir()) if (entry / "drumkit.xml").is_file()]
    if packed:
        return [read_hydrogen_folder(entry) for entry in packed]
    instruments = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() == ".sfz")
    if len(instruments) > 1:
        names = ", ".join(entry.name for entry in instruments)
        raise OptionError(f"{folder}: holds several instruments ({names}); name the one to import")
    return [read_sfz(instruments[0])] if instruments else [read_one_shots(folder)]
