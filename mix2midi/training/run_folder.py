"""The folder of a training run, which belongs to one recipe and its data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mix2midi.errors import OptionError
from mix2midi.files import atomic_write
from mix2midi.training.recipe import RunRecipe

#: What may change while a run goes on: it decides neither what is rendered nor what has been learnt.
_FREE = ("optimiser", "workers", "validate_every", "checkpoint_every", "count", "validation_count")


def claim_run_folder(
    folder: Path, recipe: RunRecipe, weights: Path | None = None, *, data: Mapping[str, Path] | None = None
) -> None:
    """Make the folder of a run, or make sure that it is of the same recipe and data: what lies there is used again.

    Parameters
    ----------
    folder : Path
    recipe : RunRecipe
        Its optimiser, its workers and how often it validates may differ from those that the run began with.
    weights : Path, optional
        File, or folder of open-unmix, that the run starts from: what lies there depends on it as well.
    data : mapping of str to Path, optional
        Files that say what there is to learn from, by the names that the recipe has for them.

    Raises
    ------
    OptionError
        The folder holds a run of another recipe, of other weights, or of other data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings, digests = folder / "recipe.json", folder / "data.json"
    # Where nothing was made, perhaps because something was wrong with recipe or data, neither binds anybody.
    is_new = not any(file.is_file() for file in folder.rglob("*") if file not in (settings, digests))
    mine = _fixed(recipe.to_dict())
    if weights is not None:
        mine["--from"] = _digest(weights)
    if differing := _differs_or_is_kept(settings, mine, is_new):
        raise OptionError(f"{folder}: holds a run with another {differing}; name another folder or remove this one")
    found = {name: _digest(path) for name, path in (data or {}).items()}
    if differing := _differs_or_is_kept(digests, found, is_new):
        raise OptionError(
            f"{folder}: holds a run that began with another {differing}; put that back, name another folder, or "
            f"remove {digests.name} there to go on with both"
        )


def _differs_or_is_kept(path: Path, mine: dict[str, Any], is_new: bool) -> str:
    """Name of what differs from a file of the run; a run that is new, or older than such files, gets the file."""
    if is_new or not path.is_file():
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(mine, indent=1), encoding="utf-8")
        return ""
    try:
        return _first_difference(json.loads(path.read_text(encoding="utf-8")), mine)
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: cannot be read ({error}); remove the run's folder to start anew") from error


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
