"""Train the beat network: ``python -m mix2midi.postprocess.beat_training mix2midi/configs/beats.yaml --data DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from mix2midi.errors import Mix2MidiError
from mix2midi.postprocess.beat_training.loop import BeatRecipe, train
from mix2midi.postprocess.beat_weights import SHIPPED_WEIGHTS, save_beat_weights


def main(
    recipe_path: Annotated[Path, typer.Argument(help="YAML with the fields of BeatRecipe")],
    data: Annotated[Path, typer.Option(help="folder with groove.zip")],
    output: Annotated[Path, typer.Option(help="weights to write")] = SHIPPED_WEIGHTS,
) -> None:
    """Train the beat network and write its weights."""
    try:
        recipe = BeatRecipe.from_dict(yaml.safe_load(recipe_path.read_text(encoding="utf-8")) or {})
        network = train(recipe, data / "groove.zip", on_progress=lambda line: typer.echo(line, err=True))
        notes = {"recipe": recipe.to_dict(), "data": "Groove MIDI Dataset 1.0.0 (CC BY 4.0), training split"}
        save_beat_weights(network, output, notes)
    except (Mix2MidiError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
