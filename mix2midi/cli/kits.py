"""`mix2midi kits`: the library of drum sounds that the transcriber is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mix2midi.cli.group import HelpfulGroup, PanelCommand

if TYPE_CHECKING:
    from mix2midi.training.kit_import.library import ImportedKit

IMPORT_EXAMPLES = """\
Examples:
  mix2midi kits import GMRockKit.h2drumkit -o data/kits
  mix2midi kits import big-drums.sfz font.sf2 -o data/kits --licence CC0-1.0
  mix2midi kits import one-shots/ -o data/kits --licence "CC BY 4.0, A. Drummer" --kit garage
  mix2midi kits import font.sf2 -o data/kits --licence GPL-2 --whole      each preset a kit by itself
"""
CLUSTER_EXAMPLES = """\
Examples:
  mix2midi kits cluster samples/ -o sorted/ --library data/kits
  mix2midi kits import sorted/ -o data/kits --licence CC0-1.0     what was sorted, once it has been listened to
"""

kits_app = typer.Typer(cls=HelpfulGroup, rich_markup_mode=None, help="Import, sort and check drum sounds.")


@kits_app.callback()
def kits() -> None:
    """Import, sort and check drum sounds: `mix2midi kits import one-shots/ -o data/kits`."""


@kits_app.command("import", cls=PanelCommand, epilog=IMPORT_EXAMPLES)
def import_command(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE", help="Hydrogen drumkits, SFZ, SoundFonts, and folders of one-shots."),
    ],
    library: Annotated[
        Path, typer.Option("-o", "--output", metavar="LIBRARY", help="Folder with manifest.csv; made or extended.")
    ],
    licence: Annotated[
        str | None,
        typer.Option("--licence", metavar="TEXT", help="Licence of the sounds, where the source states none."),
    ] = None,
    kit: Annotated[
        str | None, typer.Option("--kit", metavar="NAME", help="Name in the library, for a source of one kit.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Keep in each preset of a SoundFont what others have too.")
    ] = False,
) -> None:
    """Read kits of other programs into a library: mono FLAC with the onset at sample 0, and a manifest."""
    from dataclasses import replace

    from mix2midi.training.kit_import.formats import read_source
    from mix2midi.training.kit_import.library import extend_library

    found = [entry for source in sources for entry in read_source(source)]
    if kit is not None:
        if len(found) > 1:
            raise typer.BadParameter(f"--kit names one kit, and {len(found)} are given")
        found = [replace(found[0], name=kit)]
    extend_library(library, found, licence, on_kit=_print_imported, whole=whole)


def _print_imported(kit: ImportedKit) -> None:
    from mix2midi.drums import name_of_note

    drums = ", ".join(f"{name_of_note(note)} {count}" for note, count in kit.notes.items())
    typer.echo(f"{kit.name}: {sum(kit.notes.values())} samples" + (f" ({drums})" if drums else ""))
    if kit.repeated:
        typer.echo(f"  {kit.repeated} samples repeat others of the source and are left out")
    for reason, samples in kit.remarks().items():
        typer.echo(f"  {reason} {samples}")


@kits_app.command("cluster", cls=PanelCommand, epilog=CLUSTER_EXAMPLES)
def cluster_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One-shots whose names tell nothing.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="New folder: samples by drum, table, picture.")
    ],
    library: Annotated[
        Path | None,
        typer.Option("--library", metavar="LIBRARY", help="Learn from this library, not from what is shipped."),
    ] = None,
) -> None:
    """Sort unlabelled one-shots by their sound, and list those to listen to."""
    from collections import Counter

    from mix2midi.training.kit_check.clusters import sort_one_shots
    from mix2midi.training.kit_check.labelled import shipped_sounds, sounds_of_library
    from mix2midi.training.kit_check.sorted_folder import write_sorting

    sorting = sort_one_shots(folder, shipped_sounds() if library is None else sounds_of_library(library))
    write_sorting(sorting, output)
    for (family, cluster, piece), count in sorted(
        Counter((s.family, s.cluster, s.piece) for s in sorting.samples).items()
    ):
        typer.echo(f"{family} {cluster}: {count} samples, most like {piece.replace('_', ' ')}")
    for sample in sorting.samples:
        if sample.is_outlier:
            typer.echo(f"listen to {sample.path}: {sample.family} at {sample.probability:.0%}, unlike the rest")
    for path in sorting.unusable:
        typer.echo(f"{path}: cannot be read as a sound, or holds none")


@kits_app.command("check", cls=PanelCommand)
def check_command(
    library: Annotated[Path, typer.Argument(metavar="LIBRARY", help="Folder with manifest.csv.")],
) -> None:
    """List damaged samples, late onsets, missing licences and probable wrong labels; 1 if any but labels is wrong."""
    from mix2midi.training.kit_check.check import check_library

    findings = check_library(library)
    for finding in findings:
        typer.echo(f"{finding.file}: {finding.problem}{'' if finding.is_certain else ' (listen to it)'}")
    certain = sum(finding.is_certain for finding in findings)
    typer.echo(f"{library}: {certain} faults, {len(findings) - certain} doubtful labels")
    if certain:
        raise typer.Exit(1)
