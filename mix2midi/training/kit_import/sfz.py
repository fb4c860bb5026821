"""SFZ: a text that maps keys and velocities to samples, https://sfzformat.com.

Understood is what decides which sample is which drum at which velocity: the headers and their inheritance, `sample`,
`key`, `lokey`, `hikey`, `lovel`, `hivel`, `offset`, `end`, `volume`, `trigger`, `default_path`, `note_offset`,
`octave_offset`, `#define` and `#include`. What a player would do to the sound besides is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from mix2midi.errors import OptionError
from mix2midi.training.kit_import.names import is_no_single_hit, note_of_name, settle_notes
from mix2midi.training.kit_import.source import (
    Recording,
    SourceKit,
    SourceSample,
    find_sample,
    read_recording,
    velocity_of_range,
)
from mix2midi.units import decibels_to_gain

#: Headers from the outermost to the innermost; each inherits from those before it.
_LEVELS = ("control", "global", "master", "group", "region")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
#: A header, a directive, or an opcode whose value ends where the next of these begins: sample names hold spaces.
_TOKEN = re.compile(r"<(\w+)>|([\w$]+)=(.*?)(?=\s+[\w$]+=|\s*<\w+>|\s*$)", re.MULTILINE)
_DEFINE = re.compile(r"^\s*#define\s+(\$\w+)\s+(\S+)\s*$")
_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"')
_MAX_DEPTH = 16
_NOTE_NAME = re.compile(r"([a-g])([#b]?)(-?\d+)", re.IGNORECASE)
_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}

_Opcodes = Mapping[str, str]


def read_sfz(path: Path) -> SourceKit:
    """Read an SFZ file.

    Raises
    ------
    OptionError
        It cannot be read, includes itself, or has no region with a sample.
    """
    text = "\n".join(_lines(path, path.parent, {}, 0))
    regions = [region for region in _regions(text) if _is_hit(region)]
    if not regions:
        raise OptionError(f"{path}: no region with a sample; it is no SFZ instrument of samples")
    stated = [(_label(region), _key(region)) for region in regions]
    samples, unnamed = [], []
    for region, (label, key), note in zip(regions, stated, settle_notes(stated), strict=True):
        if note is None:
            unnamed.append(label)
            continue
        velocity = velocity_of_range(_number(region, "lovel", 0), _number(region, "hivel", 127))
        instrument = " ".join(filter(None, [region.get("group_label"), f"key {key}"]))  # a group may hold all toms
        samples.append(SourceSample(instrument, note, velocity, partial(_read_region, path.parent, dict(region))))
    return SourceKit(path.stem, path.stem, None, samples, list(dict.fromkeys(unnamed)))


def _lines(path: Path, root: Path, defines: dict[str, str], depth: int) -> Iterator[str]:
    """Lines with what is included in place, and variables replaced by their values so far."""
    if depth > _MAX_DEPTH:
        raise OptionError(f"{path}: is included within itself; remove the #include")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    for line in _COMMENT.sub("", text).splitlines():
        if define := _DEFINE.match(line):
            defines[define[1]] = define[2]
        elif include := _INCLUDE.match(line):
            yield from _lines(find_sample(root, _replaced(include[1], defines)), root, defines, depth + 1)
        else:
            yield _replaced(line, defines)


def _replaced(line: str, defines: Mapping[str, str]) -> str:
    for name in sorted(defines, key=len, reverse=True):  # $AB before $A
        line = line.replace(name, defines[name])
    return line


def _regions(text: str) -> Iterator[_Opcodes]:
    """All opcodes that hold for each region."""
    held: dict[str, dict[str, str]] = {}
    level = ""
    for token in _TOKEN.finditer(text):
        header, opcode, value = token.groups()
        if header is None:
            held.setdefault(level, {})[opcode] = value.strip()
            continue
        if level == "region":
            yield _inherited(held)
        level = header
        for inner in _ended_by(level):
            held.pop(inner, None)
    if level == "region":
        yield _inherited(held)


def _ended_by(header: str) -> tuple[str, ...]:
    """A header ends those within it; `control` is not around the others."""
    if header not in _LEVELS:
        return ()
    return ("control",) if header == "control" else _LEVELS[_LEVELS.index(header) :]


def _inherited(held: Mapping[str, _Opcodes]) -> _Opcodes:
    region: dict[str, str] = {}
    for level in _LEVELS:
        own = held.get(level, {})
        if "lokey" in own or "hikey" in own:
            region.pop("key", None)  # which stands for both
        region |= own
    return region


def _is_hit(region: _Opcodes) -> bool:
    sample = region.get("sample", "")
    return bool(sample) and not sample.startswith("*") and region.get("trigger", "attack") in ("attack", "first")


def _label(region: _Opcodes) -> str:
    """What tells the drum: its own label, or else the sample's name, its group's label and its folder's name."""
    file = Path(region["sample"].replace("\\", "/"))
    if (own := region.get("region_label")) and note_of_name(own) is not None:
        return own
    outer = filter(None, [region.get("group_label"), *file.parts[-2:-1]])
    tried = [file.stem, *(f"{name} {file.stem}" for name in outer)]
    return next((name for name in tried if note_of_name(name) is not None or is_no_single_hit(name)), tried[-1])


def _key(region: _Opcodes) -> int | None:
    text = region.get("key") or region.get("lokey") or region.get("pitch_keycenter") or ""
    key = _note_number(text)
    if key is None:
        return None
    return key + int(_number(region, "note_offset", 0) + 12 * _number(region, "octave_offset", 0))


def _note_number(text: str) -> int | None:
    """A key as a number or as a name; c4 is 60."""
    if text.isdecimal():
        return int(text)
    match = _NOTE_NAME.fullmatch(text)
    if match is None:
        return None
    sharp = {"#": 1, "b": -1, "": 0}[match[2].lower()]
    return 12 * (int(match[3]) + 1) + _SEMITONES[match[1].lower()] + sharp


def _number(region: _Opcodes, opcode: str, missing: float) -> float:
    try:
        return float(region.get(opcode, missing))
    except ValueError:
        return missing


def _read_region(folder: Path, region: _Opcodes) -> Recording:
    path = find_sample(folder, region.get("default_path", "") + region["sample"])
    audio, rate_hz = read_recording(path, str(path))
    end = int(_number(region, "end", 0))  # the last sample that is played
    part = audio[int(_number(region, "offset", 0)) : end + 1 if end > 0 else None]
    return part * decibels_to_gain(_number(region, "volume", 0.0)).astype("float32"), rate_hz
