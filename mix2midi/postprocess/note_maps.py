"""Which note a drum library plays for which drum."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from mix2midi.drums import PIECES_BY_KEY, name_of_note, piece_of_note
from mix2midi.errors import NoteMapError, OptionError

MAX_NOTE = 127
MAP_DIR = Path(__file__).parents[1] / "configs" / "note_maps"

#: What stands in best for a drum that a library lacks, the nearest first.
NEAREST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kick": ("low_tom",),
        "snare": ("side_stick", "clap"),
        "side_stick": ("snare",),
        "clap": ("snare", "side_stick"),
        "closed_hat": ("pedal_hat", "open_hat", "ride"),
        "pedal_hat": ("closed_hat", "open_hat"),
        "open_hat": ("closed_hat", "pedal_hat", "crash"),
        "high_tom": ("mid_tom", "low_tom", "snare"),
        "mid_tom": ("low_tom", "high_tom", "snare"),
        "low_tom": ("mid_tom", "high_tom", "kick"),
        "crash": ("china", "splash", "ride"),
        "ride": ("bell", "closed_hat", "crash"),
        "bell": ("ride", "cowbell"),
        "china": ("crash", "splash"),
        "splash": ("crash", "china"),
        "tambourine": ("closed_hat", "pedal_hat"),
        "cowbell": ("bell", "ride", "side_stick"),
    }
)


@dataclass(frozen=True)
class NoteMap:
    """Notes of a drum library.

    Attributes
    ----------
    name : str
        Name for people.
    notes : mapping of str to int
        MIDI note by key of `mix2midi.drums.PIECES`.
    verified : bool
        False where the figures come from users and were not checked against the maker's own.
    """

    name: str
    notes: Mapping[str, int] = field(default_factory=dict)
    verified: bool = True

    def note(self, general_midi_note: int) -> int:
        """Note of the library for a note of General MIDI.

        Raises
        ------
        NoteMapError
            The library lacks the drum; the message names the nearest that it has.
        """
        self.check([general_midi_note])
        return self.notes[_key_of(general_midi_note)]

    def check(self, general_midi_notes: Iterable[int]) -> None:
        """Make sure that the library has these drums.

        Raises
        ------
        NoteMapError
            It lacks some; the message names them all, and the nearest that it has.
        """
        missing = [note for note in dict.fromkeys(general_midi_notes) if _key_of(note) not in self.notes]
        if missing:
            lacks = ", ".join(self._lack(note) for note in sorted(missing))
            raise NoteMapError(
                f"{self.name} has no {lacks}: use a map of your own with {'it' if len(missing) == 1 else 'them'}"
            )

    def _lack(self, general_midi_note: int) -> str:
        name = name_of_note(general_midi_note)
        for other in NEAREST.get(_key_of(general_midi_note), ()):
            if other in self.notes:
                return f"{name} (the nearest it has is {PIECES_BY_KEY[other].label}, {self.notes[other]})"
        return f"{name} (and nothing like it)"


def _key_of(general_midi_note: int) -> str:
    """Of `mix2midi.drums.PIECES`; empty for what is none of them."""
    piece = piece_of_note(general_midi_note)
    return "" if piece is None else piece.key


def note_map_names() -> list[str]:
    """Names of the maps that come with the package."""
    return sorted(path.stem for path in MAP_DIR.glob("*.yaml"))


def load_note_map(name: str) -> NoteMap:
    """Read a map.

    Parameters
    ----------
    name : str
        One of `note_map_names`, or a YAML file with ``name``, ``notes`` (MIDI note by drum) and, if it likes,
        ``verified`` and ``source``.

    Raises
    ------
    OptionError
        There is no such map, or its file is not one.
    """
    path = MAP_DIR / f"{name}.yaml" if name in note_map_names() else Path(name)
    if not os.path.isfile(path):  # which, unlike Path's, bears names that are too long
        known = ", ".join(note_map_names())
        raise OptionError(f"note map {name!r} is not known; choose one of {known}, or name a YAML file")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_MapLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise OptionError(f"{path}: cannot be read as a note map: {reason}") from error
    return _note_map_of(content, path)


class _MapLoader(yaml.BaseLoader):
    """Reads texts alone: YAML's own numbers read 036 as 30, and its dates are no notes. A name may come once.

    References to other places are refused: a few lines of them, each to the line before, are gigabytes in a message.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(problem="references are not for note maps", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(problem=f"{twice[0]} is there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _note_map_of(content: Any, path: Path) -> NoteMap:
    if not isinstance(content, dict) or not isinstance(content.get("notes"), dict) or not content["notes"]:
        raise OptionError(f"{path}: not a note map; it needs `notes:` with lines like `kick: 36`")
    unknown = sorted(str(key) for key in content["notes"] if key not in PIECES_BY_KEY)
    if unknown:
        raise OptionError(f"{path}: {', '.join(unknown)} is no drum; drums are {', '.join(PIECES_BY_KEY)}")
    notes = {key: _note_number(key, note, path) for key, note in content["notes"].items()}
    return NoteMap(str(content.get("name") or path.stem), notes, _is_verified(content.get("verified", "true"), path))


def _is_verified(text: Any, path: Path) -> bool:
    if str(text).lower() not in ("true", "false"):
        raise OptionError(f"{path}: verified: {text!r} is neither true nor false")
    return str(text).lower() == "true"


def _note_number(key: str, note: Any, path: Path) -> int:
    if not isinstance(note, str) or not note.isdecimal() or len(note) > 3 or int(note) > MAX_NOTE:
        raise OptionError(f"{path}: {key}: {note!r} is no MIDI note; give 0 to {MAX_NOTE}")
    return int(note)
