"""The recipe of a pool: which kinds of clips, from which sources, under which licences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mix2midi.errors import OptionError

#: As SPDX or as people spell them: with hyphens or blanks, in capitals or not.
FREE_LICENCES = ("CC0", "CC BY", "CC BY SA", "GPL", "LGPL", "MIT", "BSD", "PUBLIC DOMAIN")
#: Words of Creative Commons licences that are not free: non-commercial, no derivatives.
_RESTRICTIONS = {"NC", "ND", "NONCOMMERCIAL", "NODERIVATIVES", "NODERIVS"}
SOURCE_KINDS = ("midi", "soundfont", "voice", "speech", "talk", "recording", "stem")


@dataclass(frozen=True)
class Source:
    """Where sounds come from and what is owed for them.

    Attributes
    ----------
    name : str
        Short name used in the index.
    kind : str
        One of `SOURCE_KINDS`: "voice" syllables, "speech" a language of espeak-ng, "talk" whole utterances,
        "recording" music of which passages without drums are taken, "stem" tracks that hold no drums at all.
    files : tuple of Path
        Sorted; empty for "speech".
    author, title, licence : str
    option : str
        Language of espeak-ng, or empty.
    """

    name: str
    kind: str
    files: tuple[Path, ...]
    author: str
    title: str
    licence: str
    option: str = ""


@dataclass(frozen=True)
class Recipe:
    """Length of a clip in seconds, minutes in all, weights of the kinds of clips, sources, and names of absent ones."""

    clip_s: float
    minutes: float
    kinds: dict[str, float]
    sources: tuple[Source, ...]
    absent: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[Source, ...]:
        """The sources of one kind."""
        return tuple(source for source in self.sources if source.kind == kind)


def read_recipe(path: Path, folders: Sequence[Path] = ()) -> Recipe:
    """Read a recipe and find its files.

    Parameters
    ----------
    path : Path
        YAML as in `configs/company.yaml`.
    folders : sequence of Path
        Where relative file patterns are looked for, in this order; the recipe's own folder comes last.

    Raises
    ------
    OptionError
        For YAML that cannot be read, a key or kind that is not known, a licence that is not free, or a folder that is
        none. Sources without any file on this machine are left out, and named in `Recipe.absent`.
    """
    for folder in folders:
        if not folder.is_dir():
            raise OptionError(f"{folder}: no such folder to look for sources in; check the name")
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        places = [*folders, path.parent]
        sources = tuple(_read_source(entry, places, path) for entry in entries["sources"])
        kinds = {str(kind): float(weight) for kind, weight in entries["kinds"].items()}
        clip_s, minutes = float(entries["clip_s"]), float(entries["minutes"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise OptionError(f"{path}: not a recipe for company ({error!r}); compare configs/company.yaml") from error
    if clip_s < 5 or not any(weight > 0 for weight in kinds.values()):
        raise OptionError(f"{path}: clip_s must be at least 5 and one kind must weigh more than 0")
    present = tuple(source for source in sources if source.files or source.option)
    absent = tuple(source.name for source in sources if source not in present)
    return Recipe(clip_s, minutes, kinds, present, absent)


def _read_source(entry: dict[str, Any], places: Sequence[Path], recipe: Path) -> Source:
    kind, licence = str(entry["kind"]), str(entry["licence"])
    if kind not in SOURCE_KINDS:
        raise OptionError(f"{recipe}: source kind {kind!r} is not one of {', '.join(SOURCE_KINDS)}")
    spelt = licence.upper().replace("-", " ")
    if not spelt.startswith(FREE_LICENCES) or _RESTRICTIONS & set(re.findall("[A-Z]+", spelt)):
        raise OptionError(f"{recipe}: licence {licence!r} of {entry['name']} is not free; remove that source")
    if "/" in str(entry["name"]):  # the index writes NAME/FILE
        raise OptionError(f"{recipe}: the name of source {entry['name']} has a stroke; give it one without")
    return Source(
        name=str(entry["name"]),
        kind=kind,
        files=_find_files(entry.get("files", ()), places),
        author=str(entry["author"]),
        title=str(entry.get("title", "")),
        licence=licence,
        option=str(entry.get("option", "")),
    )


def _find_files(patterns: str | Sequence[str], places: Sequence[Path]) -> tuple[Path, ...]:
    """Files that match the patterns below the first place that has any; absolute names stand for themselves."""
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    found: list[Path] = []
    for pattern in patterns:
        if Path(pattern).is_absolute():
            found += [Path(pattern)] if Path(pattern).is_file() else []
            continue
        for place in places:
            matches = sorted(place.glob(pattern))
            if matches:
                found += matches
                break
    return tuple(found)
