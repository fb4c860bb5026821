"""The folder of a training run, which belongs to one recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mix2midi.errors import OptionError
from mix2midi.files import atomic_write
from mix2midi.training.recipe import RunRecipe

#: What may change while a run goes on: it decides neither what is rendered nor what has been learnt.
_FREE = ("optimiser", "workers", "validate_every", "checkpoint_every", "count", "validation_count")


def claim_run_folder(folder: Path, recipe: RunRecipe, weights: Path | None = None) -> None:
    """Make the folder of a run, or make sure that it is of the same recipe: what lies rendered there is used again.

    Parameters
    ----------
    folder : Path
    recipe : RunRecipe
        Its optimiser, its workers and how often it validates may differ from those that the run began with.
    weights : Path, optional
        File, or folder of open-unmix, that the run starts from: what lies there depends on it as well.

    Raises
    ------
    OptionError
        The folder holds a run of another recipe, or of other weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mine = _fixed(recipe.to_dict())
    if weights is not None:
        mine["--from"] = _digest(weights)
    path = folder / "recipe.json"
    if not path.is_file():
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(mine, indent=1), encoding="utf-8")
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: cannot be read ({error}); remove the run's folder to start anew") from error
    differing = _first_difference(stored, mine)
    if differing and not any(file.is_file() for file in folder.rglob("*") if file != path):
        path.unlink()  # nothing was made by that recipe, perhaps because something was wrong with it
        claim_run_folder(folder, recipe, weights)
    elif differing:
        raise OptionError(f"{folder}: holds a run with another {differing}; name another folder or remove this one")


def _digest(weights: Path) -> str:
    """Of a file, or of the files in a folder; what is missing is named where it is read."""
    digest = hashlib.sha256()
    for file in sorted(weights.iterdir()) if weights.is_dir() else [weights]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _fixed(settings: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it, without what may change."""
    kept = {
        name: _fixed(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in _FREE
    }
    plain: dict[str, Any] = json.loads(json.dumps(kept))
    return plain


def _first_difference(stored: Any, mine: Any) -> str:
    """Name of the first setting that differs, from the outermost table in; empty where none does."""
    if not (isinstance(stored, dict) and isinstance(mine, dict)):
        return ""
    for name in sorted({*stored, *mine}):
        if stored.get(name) != mine.get(name):
            inner = _first_difference(stored.get(name), mine.get(name))
            return f"{name}: {inner}" if inner else name
    return ""
