"""`mix2midi models`: which separators there are, and fetching them ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mix2midi.cli import options
from mix2midi.cli.group import PanelCommand
from mix2midi.cli.progress import Bars

if TYPE_CHECKING:
    from mix2midi.separation import ModelStatus

models_app = typer.Typer(rich_markup_mode=None, help="List the separators and fetch them ahead.")


@models_app.callback(invoke_without_command=True)
def list_command(ctx: typer.Context, model_dir: options.ModelDir = None) -> None:
    """List the separators and fetch them ahead: `mix2midi models fetch htdemucs`."""
    ctx.obj = model_dir
    if ctx.invoked_subcommand is None:
        from mix2midi.separation import list_models

        for line in model_table(list_models(model_dir)):
            typer.echo(line)


@models_app.command("fetch", cls=PanelCommand)
def fetch_command(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="As `mix2midi models` lists them.", rich_help_panel=options.MODELS),
    ],
    model_dir: options.ModelDir = None,
    quiet: options.Quiet = False,
) -> None:
    """Fetch the weights of separators, for work without network."""
    from mix2midi.separation import fetch_model

    model_dir = model_dir or ctx.obj  # it may stand before `fetch` as well
    for name in names:
        with Bars(not quiet) as bars:
            path = fetch_model(name, model_dir, bars.download)
        if not quiet:
            typer.echo(f"{name}: {path}")


def model_table(models: list[ModelStatus]) -> list[str]:
    """Rows of text: name, state, size, quality, place, licence."""
    header = ("name", "state", "size", "drums SDR", "licence of the weights")
    rows = [header, *map(_row, models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]
    places = [f"{status.model.name}: {status.path}" for status in models if status.path is not None]
    return [*lines, *(["", *places] if places else [])]


def _row(status: ModelStatus) -> tuple[str, ...]:
    model = status.model
    quality = "–" if model.drums_sdr_db is None else f"{model.drums_sdr_db:.1f} dB"
    return (model.name, status.state, f"{model.size_mb} MB", quality, model.licence)
