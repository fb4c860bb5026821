"""The package as one imports it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mix2midi
from mix2midi.errors import Mix2MidiError
from mix2midi.notes import DrumNote, Transcription


def test_package_offers_its_names_lazily() -> None:
    assert mix2midi.DrumNote is DrumNote
    assert mix2midi.Transcription is Transcription
    assert mix2midi.errors.Mix2MidiError is Mix2MidiError
    assert set(mix2midi.__all__) <= set(dir(mix2midi))
    with pytest.raises(AttributeError, match="nosuch"):
        mix2midi.nosuch  # noqa: B018


#: What may be imported only from further down; what is in no stage is for all of them.
STAGES = ("separation", "transcription", "postprocess", "pipeline", "cli")


def imported_stages(module: Path) -> set[str]:
    """Stages that a module imports from, at its head or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {part for name in names for part in name.split(".")[1:2] if name.startswith("mix2midi.")}
    return found & set(STAGES)


@pytest.mark.parametrize("folder", [*STAGES, "training", "audio"])
def test_a_stage_imports_no_later_one(folder: str) -> None:
    later = STAGES[STAGES.index(folder) + 1 :] if folder in STAGES else STAGES
    modules = list((Path(mix2midi.__file__).parent / folder).rglob("*.py"))
    assert modules
    assert {str(module): stages for module in modules if (stages := imported_stages(module) & set(later))} == {}
