"""`mix2midi evaluate`: how good the transcription of songs with known drum parts is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mix2midi import __version__
from mix2midi.cli import options
from mix2midi.cli.group import complain
from mix2midi.cli.progress import Bars, is_terminal
from mix2midi.errors import Mix2MidiError, OptionError

if TYPE_CHECKING:
    from mix2midi.notes import Transcription
    from mix2midi.pipeline import Converter
    from mix2midi.pipeline.converter import OnStage
    from mix2midi.pipeline.evaluate import Evaluation
    from mix2midi.pipeline.references import Song

#: Width of tables where the output is no terminal: enough for all columns.
_TABLE_WIDTH = 160
#: A line names as many files at most.
_SHOWN = 3

EXAMPLES = """\
Examples:
  mix2midi evaluate songs/                                NAME.wav with NAME.mid or NAME_reference.mid beside it
  mix2midi evaluate "MDB Drums/audio/drum_only" --stem-only
  mix2midi evaluate mdb/ --input drums.flac --stem-only   folders with class.txt or subclass.txt of MDB Drums
  mix2midi evaluate mdb/ --input mix.flac --separator htdemucs --json scores.json
  mix2midi evaluate songs/ --transcriptions theirs/       NAME.mid by any other program for each NAME.wav
"""


Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER", help="Folders of songs with references.", readable=False, rich_help_panel=options.INPUT
    ),
]
InputName = Annotated[
    str | None,
    typer.Option("--input", metavar="NAME", help="File name of each song's audio.", rich_help_panel=options.INPUT),
]
Transcriptions = Annotated[
    Path | None,
    typer.Option(
        "--transcriptions",
        metavar="FOLDER",
        help="Score the MIDI files there, made by any program, instead.",
        rich_help_panel=options.INPUT,
    ),
]
ScoresFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Also write all scores as JSON, after every song.",
        rich_help_panel=options.OUTPUT,
    ),
]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print the tables as Markdown.", rich_help_panel=options.OUTPUT)
]


def evaluate_command(
    folders: Folders,
    input_name: InputName = None,
    stem_only: options.StemOnly = False,
    transcriptions: Transcriptions = None,
    json: ScoresFile = None,
    overwrite: options.Overwrite = False,
    markdown: Markdown = False,
    separator: options.SeparatorName = "auto",
    model_dir: options.ModelDir = None,
    weights: options.WeightsFile = None,
    device: options.DeviceName = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Score the transcription of songs whose drum parts are known."""
    from mix2midi.pipeline import Converter
    from mix2midi.pipeline.evaluate import evaluate_songs, write_evaluation
    from mix2midi.pipeline.references import find_songs

    if transcriptions is not None and (stem_only or separator != "auto" or weights is not None):
        raise OptionError("--transcriptions: nothing is transcribed; leave out --stem-only, --separator and --weights")
    songs = find_songs(folders, input_name)
    if not quiet:
        if input_name is None:
            warn_of_left_out(folders)
        warn_of_own(songs)
        warn_of_strange_notes(songs)
    check_scores_file(json, songs, overwrite=overwrite)
    with Bars(not quiet) as bars:
        if transcriptions is not None:
            transcribe, maker = reader_of(transcriptions, songs), {"transcriptions": str(transcriptions)}
        else:
            converter = Converter(
                separator=separator,
                stem_only=stem_only,
                device=device,
                weights=weights,
                model_dir=model_dir,
                on_download=bars.download,
            )
            transcribe, maker = partial(transcribe_with, converter, bars.stage), describe(converter, weights)
        evaluation = evaluate_songs(
            songs,
            transcribe,
            settings={"version": __version__, "input": input_name or "audio with MIDI", **maker},
            on_start=lambda song: bars.start(song.name),
            on_scored=lambda so_far: write_evaluation(so_far, json) if json is not None else None,
        )
    if json is not None:
        write_evaluation(evaluation, json)
    if not quiet:
        print_tables(evaluation, markdown=markdown)
    for failure in evaluation.failures:
        complain(failure.message)
    if evaluation.failures:
        raise typer.Exit(1)


def reader_of(folder: Path, songs: Sequence[Song]) -> Callable[[Path], Transcription]:
    """What gives for each song the transcription of another program."""
    from mix2midi.pipeline.others import find_transcriptions, read_transcription

    theirs = find_transcriptions(folder, songs)
    return lambda path: read_transcription(theirs[path], path)


def transcribe_with(converter: Converter, on_progress: OnStage, path: Path) -> Transcription:
    """Our own transcription of a song."""
    return converter.convert(path, on_progress=on_progress).transcription


def describe(converter: Converter, weights: Path | None) -> dict[str, str]:
    """What is needed to transcribe in the same way again, in words."""
    return {
        "separator": converter.choice.reason,
        "device": converter.device,
        "weights": "shipped" if weights is None else weights.name,
    }


def check_scores_file(path: Path | None, songs: Sequence[Song], *, overwrite: bool) -> None:
    """Find out before the work that the scores can be written, and replace nothing of the user's.

    Raises
    ------
    OutputError
        They cannot be written there, or would replace a song, a reference or what mix2midi did not make.
    """
    from mix2midi.errors import OutputError
    from mix2midi.pipeline import Outputs

    if path is None:
        return
    used = {file.resolve() for song in songs for file in (song.audio, song.reference)}
    if path.resolve() in used:
        raise OutputError(f"{path}: is a song or reference to score and would be replaced; write elsewhere")
    outputs = Outputs(json=path)
    outputs.check()
    if not overwrite:
        outputs.check_own()


def warn_of_left_out(folders: Sequence[Path]) -> None:
    """Scores of some songs are easily taken for those of all, where a reference has a name that is not looked for."""
    from mix2midi.pipeline.references import audio_without_reference

    left_out = audio_without_reference(folders)
    if left_out:
        others = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        names = ", ".join(map(str, left_out[:_SHOWN])) + others
        complain(f"{names}: left out, without a reference; it is to be called NAME_reference.mid or .txt")


def warn_of_own(songs: Sequence[Song]) -> None:
    """A transcription that lies beside its song is easily taken for the truth, and then scores are perfect."""
    from mix2midi.pipeline.outputs import is_own

    own = [song.reference for song in songs if song.reference.stem == song.audio.stem and is_own(song.reference)]
    if own:
        others = f" and {len(own) - 1} more" if len(own) > 1 else ""
        complain(
            f"{own[0]}{others}: made by mix2midi itself; if nobody corrected it, scores say nothing "
            f"(what is true may be called {own[0].stem}_reference.mid)"
        )


def warn_of_strange_notes(songs: Sequence[Song]) -> None:
    """What a reference says in notes of another map counts as nothing."""
    from mix2midi.pipeline.references import read_reference, strange_notes

    for path in dict.fromkeys(song.reference for song in songs):
        with contextlib.suppress(Mix2MidiError):  # an unreadable one is refused before the work begins
            if strange := strange_notes(read_reference(path)):
                complain(f"{path}: {strange}")


def print_tables(evaluation: Evaluation, *, markdown: bool) -> None:
    """Print the scores, and under which settings they were made."""
    from rich.console import Console

    from mix2midi.pipeline.score_tables import score_tables
    from mix2midi.units import clock

    console = Console(width=None if is_terminal(sys.stdout) else _TABLE_WIDTH)
    for table in score_tables(evaluation):
        if markdown:
            typer.echo(f"{table.title}\n\n{table.to_markdown()}")
        else:
            console.print(table.to_rich())
    for name in ("transcriptions", "separator", "device"):
        if name in evaluation.settings:
            typer.echo(f"{name:10s} {evaluation.settings[name]}")
    typer.echo(f"time       {evaluation.elapsed_s:.1f} s for {clock(evaluation.audio_s)} of audio")
