"""`mix2midi train` and what belongs to it: songs to be judged by, thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mix2midi.cli import options

TRAIN_EXAMPLES = """\
Examples:
  mix2midi train mix2midi/configs/transcriber.yaml --data data/ --run runs/first
  mix2midi train recipe.yaml --data data/ --run runs/first --steps 500     try a recipe
  torchrun --nproc-per-node 4 -m -- mix2midi train recipe.yaml --run runs/x     on four GPUs together
  mix2midi train --kit my-samples/ -o mine.safetensors                     the shipped weights, tuned to your drums
The same command again takes up a run that was stopped. `mix2midi song.mp3 --weights mine.safetensors` uses the result.
"""
TUNE_EXAMPLES = """\
Examples:
  mix2midi tune runs/first/weights.safetensors songs/ more-songs/ -o mine.safetensors
  mix2midi tune w.safetensors mdb/ --input mix.flac --view mix -o mine.safetensors   for mixes that nothing separates
  mix2midi tune w.safetensors mdb/ --input mix.flac --separator htdemucs --view separated -o mine.safetensors
"""
VALIDATION_EXAMPLES = """\
Examples:
  mix2midi validation-songs mix2midi/configs/transcriber.yaml --data data/ -o songs/ --songs 16 --view mix
"""

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="Training recipe (YAML).")]
DataFolder = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder that the recipe's paths start in.")]


def train_command(
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE", help="Training recipe (YAML).")] = None,
    data: DataFolder = Path("data"),
    run: Annotated[
        Path, typer.Option("--run", metavar="DIR", help="Folder of the run: checkpoint, log, weights.")
    ] = Path("runs/transcriber"),
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Number of steps, instead of the recipe's.")
    ] = None,
    initial_weights: Annotated[
        Path | None, typer.Option("--from", metavar="WEIGHTS", help="Start from these weights, not from chance.")
    ] = None,
    kit: Annotated[
        Path | None,
        typer.Option("--kit", metavar="SOURCE", help="Your own drums: one-shots, a kit, or tracks with their MIDI."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Weights tuned to the drums of --kit.")
    ] = None,
    device: options.DeviceName = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Train a network of mix2midi from a recipe, or tune the transcriber to your own drums with --kit."""
    from mix2midi.device import resolve_device

    def report(line: dict[str, object]) -> None:
        if not quiet:
            typer.echo("  ".join(f"{name} {value}" for name, value in line.items() if value != ""), err=True)

    where = resolve_device(device)
    if kit is not None:
        from mix2midi.pipeline.own_drums import learn_own_drums

        if output is None or recipe is not None:
            raise typer.BadParameter("--kit goes with -o FILE and without a recipe")
        tuned = learn_own_drums(kit, output, data, weights=initial_weights, steps=steps, device=where, report=report)
        typer.echo("\n".join([*tuned.lines(), str(output)]))
        return
    from mix2midi.pipeline.training import train_from_recipe

    if recipe is None or output is not None:
        raise typer.BadParameter("give a recipe and --run, or your own drums with --kit and -o")
    trained = train_from_recipe(
        recipe, data, run, device=where, steps=steps, initial_weights=initial_weights, report=report
    )
    typer.echo(trained)


def tune_command(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Weights that `mix2midi train` wrote.")],
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Sets of songs with references.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Weights with the new thresholds.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="NAME", help="File name of the audio where a song is a folder; each name makes a set."
        ),
    ] = None,
    families: Annotated[
        list[str] | None,
        typer.Option("--family", metavar="NAME", help="kick, snare, toms, hats or cymbals; all by default."),
    ] = None,
    views: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="NAME", help="What the audio is: clean, separated or mix; all by default."),
    ] = None,
    separator: Annotated[
        str, typer.Option("--separator", metavar="NAME", help="The songs are mixes; hear them through this separator.")
    ] = "none",
    device: options.DeviceName = "auto",
) -> None:
    """Choose the thresholds of trained weights on whole songs, and calibrate their confidence and velocities."""
    from mix2midi.cli.evaluate import warn_of_own, warn_of_strange_notes
    from mix2midi.device import resolve_device
    from mix2midi.drums import FAMILIES
    from mix2midi.pipeline.tune import songs_to_tune_on, tune
    from mix2midi.transcription.peaks import VIEWS

    where = resolve_device(device)
    songs = songs_to_tune_on(folders, inputs or [])
    warn_of_own(songs)
    warn_of_strange_notes(songs)
    pickings = tune(
        weights,
        folders,
        output,
        inputs or [],
        families=families or FAMILIES,
        views=views or VIEWS,
        device=where,
        separator=separator,
    )
    for view, picking in pickings.items():
        typer.echo(view)
        for curve, threshold in picking.thresholds.items():
            typer.echo(f"  {curve:12s}{threshold:.2f}")
        typer.echo(f"  velocities times {picking.velocity_scale:.2f}")


def validation_songs_command(
    recipe: RecipeFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the songs go.")],
    data: DataFolder = Path("data"),
    songs: Annotated[int, typer.Option("--songs", min=1, help="Number of songs.")] = 16,
    view: Annotated[str, typer.Option("--view", help="clean, mix or separated.")] = "clean",
    seconds: Annotated[float, typer.Option("--seconds", min=5.0, help="Length of each song.")] = 30.0,
    first: Annotated[
        int, typer.Option("--first", min=0, help="Number of the first song; others have other parts.")
    ] = 0,
) -> None:
    """Render songs with known drum parts on the kits that a recipe leaves out of training."""
    from mix2midi.pipeline.validation_songs import render_validation_songs

    for path in render_validation_songs(recipe, data, output, songs, view, seconds, first):
        typer.echo(path)
