"""Folders of one-shots: their names, or else those of their folders, tell the drum."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from pathlib import Path

from mix2midi.audio import find_audio
from mix2midi.training.kit_import.names import note_of_names, split_words
from mix2midi.training.kit_import.source import (
    ONLY_VELOCITY,
    SourceKit,
    SourceSample,
    read_recording,
    velocity_of_range,
)

_STRENGTHS = {
    "ghost": 25,
    "softest": 20,
    "soft": 45,
    "quiet": 45,
    "light": 45,
    "medium": 80,
    "hard": 115,
    "loud": 115,
    "accent": 122,
    "hardest": 125,
}
_STRENGTH = re.compile(rf"(?<![a-z])({'|'.join(sorted(_STRENGTHS, key=len, reverse=True))})(?![a-z])", re.IGNORECASE)
_NUMBERED = re.compile(r"(?<![a-z])v(?:el(?:ocity)?)?[ _-]?(\d{1,3})(?!\d)", re.IGNORECASE)
#: Numbers up to this, or without a gap from 1 up, count the layers; others are velocities.
_MOST_LAYERS = 20


def read_one_shots(folder: Path) -> SourceKit:
    """Read a folder with its subfolders.

    ``soft``, ``medium``, ``hard`` and the like, or ``v1``, ``v2`` (or ``vel100``), make files the velocity layers of
    one drum; all other files are drums of their own.

    Raises
    ------
    AudioError
        The folder holds no audio.
    """
    groups: dict[tuple[str, int], list[tuple[Path, int | None, int | None]]] = defaultdict(list)
    unnamed = []
    for path in find_audio([folder]):
        inside = path.relative_to(folder)
        note = note_of_names([inside.stem, *reversed(inside.parts[:-1])])
        if note is None:
            unnamed.append(str(inside))
            continue
        drum, strength, number = _layer_of_name(str(inside.with_suffix("")))
        groups[drum, note].append((path, strength, number))
    samples = [
        SourceSample(drum, note, velocity, partial(read_recording, path, str(path)))
        for (drum, note), layers in groups.items()
        for path, velocity in _with_velocities(layers)
    ]
    return SourceKit(folder.resolve().name, folder.resolve().name, None, samples, unnamed)


def _layer_of_name(name: str) -> tuple[str, int | None, int | None]:
    """Name without what tells the layer, the strength that a word tells, and the number of the layer."""
    words = split_words(name)
    if numbered := _NUMBERED.search(words):
        return _NUMBERED.sub("", words).strip(" _-"), None, int(numbered[1])
    if strength := _STRENGTH.search(words):
        return _STRENGTH.sub("", words).strip(" _-"), _STRENGTHS[strength[1].lower()], None
    return name, None, None


def _with_velocities(layers: list[tuple[Path, int | None, int | None]]) -> list[tuple[Path, int]]:
    numbers = sorted({number for _, _, number in layers if number is not None})
    counts_layers = bool(numbers) and (numbers[-1] <= _MOST_LAYERS or numbers == list(range(1, len(numbers) + 1)))
    found = []
    for path, strength, number in layers:
        if number is not None and counts_layers and len(numbers) > 1:
            share = numbers.index(number) / len(numbers)
            strength = velocity_of_range(127 * share, 127 * (share + 1.0 / len(numbers)))
        elif number is not None and not counts_layers:
            strength = velocity_of_range(number, number)
        found.append((path, ONLY_VELOCITY if strength is None else strength))
    return found
