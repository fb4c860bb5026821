"""`mix2midi song.mp3`: the command that most come for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mix2midi.cli import options
from mix2midi.cli.group import complain
from mix2midi.cli.progress import Bars

if TYPE_CHECKING:
    from mix2midi.pipeline import Outcome, Picture

EXAMPLES = """\
Examples:
  mix2midi song.mp3                          song.mid beside it
  mix2midi --stem-only drums.wav             the input is drums alone already
  mix2midi album/ more/*.flac -o midi/       files and folders
  mix2midi song.mp3 --plot --plot-range 10-20
  mix2midi song.mp3 --quantize 1/16 --swing auto --strength 80
  mix2midi song.mp3 --tempo constant --bpm 120 --note-map superior-drummer-3 --tracks per-drum
  mix2midi song.wav --separator none --velocity match:groove.mid --csv --json
"""


def convert_command(
    songs: options.Songs,
    stem_only: options.StemOnly = False,
    output: options.Output = None,
    csv: options.Csv = False,
    json: options.Json = False,
    save_stem: options.SaveStem = False,
    activations: options.Activations = False,
    skip_existing: options.SkipExisting = False,
    overwrite: options.Overwrite = False,
    tempo: options.Tempo = "map",
    bpm: options.Bpm = None,
    time_signature: options.Signature = None,
    downbeat: options.Downbeat = None,
    quantize: options.Quantize = None,
    strength: options.Strength = None,
    swing: options.SwingPercent = None,
    keep_flams: options.KeepFlams = True,
    velocity: options.VelocityMode = "model",
    velocity_range: options.VelocityRange = None,
    velocity_curve: options.VelocityCurve = None,
    note_map: options.NoteMapName = None,
    tracks: options.Tracks = "one",
    midi_format: options.MidiFormat = 1,
    ppq: options.Ppq = 960,
    channel: options.Channel = 10,
    plot: options.Plot = False,
    plot_range: options.PlotRange = None,
    reference: options.ReferenceFile = None,
    separator: options.SeparatorName = "auto",
    model_dir: options.ModelDir = None,
    weights: options.WeightsFile = None,
    device: options.DeviceName = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Write the drum part of songs as MIDI."""
    from mix2midi.pipeline import Converter, MidiOptions, plan_jobs, run_jobs

    midi = MidiOptions(
        tempo=tempo,
        tempo_bpm=bpm,
        time_signature=time_signature,
        downbeat_s=downbeat,
        quantize=quantize,
        strength=strength,
        swing=parse_swing(swing),
        keep_flams=keep_flams,
        velocity=velocity,
        velocity_range=velocity_range,
        velocity_curve=velocity_curve,
        note_map=note_map,
        tracks=tracks,
        format=midi_format,
        ppq=ppq,
        channel=channel,
    )
    wants_plot = plot or plot_range is not None or reference is not None
    flags = {"csv": csv, "json": json, "plot": wants_plot, "activations": activations, "stem": save_stem}
    jobs, failures = plan_jobs(songs, output, [name for name, wanted in flags.items() if wanted])
    check_for_one_song(len(jobs), reference, downbeat)
    picture = read_picture(plot_range, reference)
    with Bars(not quiet) as bars:
        converter = Converter(
            separator=separator,
            stem_only=stem_only,
            device=device,
            weights=weights,
            model_dir=model_dir,
            on_download=bars.download,
        )
        run = partial(
            run_jobs, converter, jobs, skip_existing=skip_existing, overwrite=overwrite, midi=midi, picture=picture
        )
        outcomes = run(on_start=lambda job: bars.start(str(job.song)), on_progress=bars.stage)
        report([*failures], outcomes, len(jobs) + len(failures), bars, quiet=quiet)


def check_for_one_song(count: int, reference: Path | None, downbeat_s: float | None) -> None:
    """Refuse what can be true of one song only where several are given.

    Raises
    ------
    typer.BadParameter
        Several are.
    """
    if reference is not None and count > 1:
        raise typer.BadParameter(f"{reference}: --reference is for one song, and {count} are given")
    if downbeat_s is not None and count > 1:
        raise typer.BadParameter(f"--downbeat {downbeat_s:g} is for one song, and {count} are given")


def report(done: list[Outcome], outcomes: Iterator[Outcome], total: int, bars: Bars, *, quiet: bool) -> None:
    """Print each song as it is done and a summary in the end, then what failed, also when the run is broken off.

    Raises
    ------
    typer.Exit
        With code 1 if a song failed.
    """
    from mix2midi.pipeline import Failure
    from mix2midi.pipeline.report import batch_lines

    try:
        for outcome in outcomes:
            bars.clear()
            done.append(outcome)
            if not quiet:
                _print_song(outcome, is_only=total == 1)
        if total > 1 and not quiet:
            typer.echo("\n".join(["", *batch_lines(done)]))
    finally:
        bars.clear()
        failures = [outcome for outcome in done if isinstance(outcome, Failure)]
        for failure in failures:
            complain(failure.message)
    if failures:
        raise typer.Exit(1)


def _print_song(outcome: Outcome, *, is_only: bool) -> None:
    from mix2midi.pipeline import Conversion, Failure
    from mix2midi.pipeline.report import conversion_lines, song_line

    if isinstance(outcome, Conversion) and is_only:
        typer.echo("\n".join(conversion_lines(outcome)))
    elif not (isinstance(outcome, Failure) and is_only):
        typer.echo(song_line(outcome))
    if isinstance(outcome, Conversion):
        for remark in outcome.remarks:
            complain(f"{outcome.song}: {remark}")


def read_picture(plot_range: str | None, reference: Path | None) -> Picture:
    """What `--plot-range` and `--reference` ask for."""
    from mix2midi.pipeline import Picture
    from mix2midi.pipeline.references import read_reference

    range_s = None if plot_range is None else parse_range(plot_range)
    return Picture(range_s, None if reference is None else read_reference(reference))


def parse_swing(text: str | None) -> float | str | None:
    """A number where the text is one; what it means is judged by who uses it."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def parse_range(text: str) -> tuple[float, float]:
    """Start and end in seconds of ``"10-20"`` or ``"1:05-1:20"``; `typer.BadParameter` for what is neither."""
    try:
        start, end = (_parse_time(part) for part in text.split("-"))
    except ValueError as error:
        raise typer.BadParameter(f"--plot-range {text!r} is no range; write 10-20 or 1:05-1:20") from error
    return start, end


def _parse_time(text: str) -> float:
    minutes, _, seconds = text.rpartition(":")
    return 60.0 * int(minutes or 0) + float(seconds)
