"""Hydrogen's drumkits: a folder, or a tar archive with the suffix .h2drumkit, with a drumkit.xml in it."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from mix2midi.errors import AudioError, OptionError
from mix2midi.training.kit_import.names import settle_notes
from mix2midi.training.kit_import.source import (
    ONLY_VELOCITY,
    Recording,
    SourceKit,
    SourceSample,
    find_sample,
    read_recording,
    velocity_of_range,
)

_Reader = Callable[[str], Recording]
#: Of a file in an archive; several minutes of sound. A small archive can promise terabytes.
_MAX_MEMBER_BYTES = 1 << 28
_NO_LICENCE = ("", "undefined license", "unknown")


def read_hydrogen_folder(folder: Path) -> SourceKit:
    """Read an unpacked drumkit.

    Raises
    ------
    OptionError
        Its drumkit.xml is damaged.
    """

    def read(name: str) -> Recording:
        path = find_sample(folder, name)
        return read_recording(path, str(path))

    path = folder / "drumkit.xml"
    return _read_kit(path.read_bytes(), str(path), folder.name, read)


def read_hydrogen_archive(path: Path) -> SourceKit:
    """Read a packed drumkit; nothing is unpacked to disk.

    Raises
    ------
    OptionError
        It is no tar archive, or has no drumkit.xml that can be read.
    """
    try:
        with tarfile.open(path) as archive:
            names = [member.name for member in archive if member.isfile()]
            described = next((name for name in names if name.rpartition("/")[2] == "drumkit.xml"), None)
            if described is None:
                raise OptionError(f"{path}: no drumkit.xml in this archive; it is no Hydrogen drumkit")
            text = _read_member(archive, described)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise OptionError(f"{path}: not a Hydrogen drumkit ({error})") from error
    folder = described.rpartition("/")[0]
    return _read_kit(text, f"{path}: {described}", path.stem, partial(_read_from_archive, path, folder))


def _read_from_archive(path: Path, folder: str, name: str) -> Recording:
    member = f"{folder}/{name}" if folder else name
    try:
        with tarfile.open(path) as archive:
            return read_recording(_read_member(archive, member), f"{path}: {member}")
    except KeyError as error:
        raise AudioError(f"{path}: no {member} in the archive") from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise AudioError(f"{path}: cannot be read ({error})") from error


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    if archive.getmember(name).size > _MAX_MEMBER_BYTES:
        raise tarfile.TarError(f"{name} is larger than {_MAX_MEMBER_BYTES >> 20} MB")
    return file.read()


def _read_kit(text: bytes, where: str, fallback_name: str, read: _Reader) -> SourceKit:
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter two: an encoding that is not known
        raise OptionError(f"{where}: damaged ({error}); unpack or fetch the kit again") from error
    title = _text(root, "name") or fallback_name
    # Instruments without samples are empty places of the editor.
    instruments = [(i, layers) for i in root.findall(".//{*}instrument") if (layers := _layers(i))]
    stated = [(_text(i, "name"), _number(i, "midiOutNote")) for i, _ in instruments]
    samples, unnamed = [], []
    for (instrument, layers), (name, _), note in zip(instruments, stated, settle_notes(stated), strict=True):
        if note is None:
            unnamed.append(name or layers[0][0])
            continue
        number = _text(instrument, "id")
        samples += [SourceSample(f"{name} #{number}", note, velocity, partial(read, file)) for file, velocity in layers]
    licence = _text(root, "license")
    return SourceKit(
        fallback_name, title, None if licence.lower() in _NO_LICENCE else " ".join(licence.split()), samples, unnamed
    )


def _layers(instrument: ElementTree.Element) -> list[tuple[str, int]]:
    """File and velocity of each layer; of several microphones the first that has any."""
    parts = [*instrument.findall("{*}instrumentComponent"), instrument]
    found = next(filter(None, map(_layers_of_part, parts)), [])
    single = _text(instrument, "filename")  # as Hydrogen wrote it before it had layers
    return found or ([(single, ONLY_VELOCITY)] if single else [])


def _layers_of_part(part: ElementTree.Element) -> list[tuple[str, int]]:
    return [
        (file, velocity_of_range(127 * _fraction(layer, "min", 0.0), 127 * _fraction(layer, "max", 1.0)))
        for layer in part.findall("{*}layer")
        if (file := _text(layer, "filename"))
    ]


def _text(element: ElementTree.Element, tag: str) -> str:
    return (element.findtext("{*}" + tag) or "").strip()


def _number(element: ElementTree.Element, tag: str) -> int | None:
    text = _text(element, tag)
    return int(text) if text.isdecimal() else None


def _fraction(element: ElementTree.Element, tag: str, missing: float) -> float:
    try:
        return float(_text(element, tag).replace(",", "."))  # some versions wrote the system's decimal sign
    except ValueError:
        return missing
