"""Which commands there are, and what every run of the program has in common."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mix2midi import __version__
from mix2midi.cli import company, convert, evaluate, train
from mix2midi.cli.company import company_command
from mix2midi.cli.convert import convert_command
from mix2midi.cli.evaluate import evaluate_command
from mix2midi.cli.group import CommandGroup, PanelCommand
from mix2midi.cli.kits import kits_app
from mix2midi.cli.models import models_app
from mix2midi.cli.train import train_command, tune_command, validation_songs_command

#: Every command: its name, its function, and examples for its help page. To add one: a module in this folder and a
#: line here. The module imports at its head only what is quick to import, and the rest inside the function.
COMMANDS: tuple[tuple[str, Callable[..., None], str | None], ...] = (
    ("convert", convert_command, convert.EXAMPLES),
    ("evaluate", evaluate_command, evaluate.EXAMPLES),
    ("train", train_command, train.TRAIN_EXAMPLES),
    ("tune", tune_command, train.TUNE_EXAMPLES),
    ("validation-songs", validation_songs_command, train.VALIDATION_EXAMPLES),
    ("company", company_command, company.EXAMPLES),
)

app = typer.Typer(cls=CommandGroup, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for _name, _function, _examples in COMMANDS:
    app.command(_name, cls=PanelCommand, epilog=_examples)(_function)
app.add_typer(models_app, name="models")
app.add_typer(kits_app, name="kits")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mix2midi {__version__}")
        raise typer.Exit


@app.callback()
def mix2midi(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Write the drum part of a song as MIDI."""


def main() -> None:
    """Run the program."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # those of libraries speak to programmers; `python -W default` shows them
    # Asked to stop by the system, leave in an orderly way: temporary files are removed as after Ctrl-C.
    signal.signal(signal.SIGTERM, _stop)
    hang_up = getattr(signal, "SIGHUP", None)  # of a terminal that is closed; Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:  # as under nohup
        signal.signal(hang_up, _stop)
    app()


def _stop(signal_number: int, frame: Any) -> None:
    sys.exit(128 + signal_number)
