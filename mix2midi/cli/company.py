"""`mix2midi company`: music without drums, which networks are trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\
Examples:
  mix2midi company mix2midi/configs/company.yaml -o data/company --minutes 420 --sources sounds/ --sieve 0.25
  mix2midi company mix2midi/configs/company.yaml --credits company-sources.md --sources sounds/
The same command again takes up a pool that was stopped, or makes it longer.
"""


def company_command(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="What is rendered, and from which sources (YAML).")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Pool of clips; made or extended.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one makes other clips.")] = 0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="Length of the pool in all, instead of the recipe's.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that render.")] = 1,
    sources: Annotated[
        list[Path] | None, typer.Option("--sources", metavar="DIR", help="Folder to look for sources in.")
    ] = None,
    sieve: Annotated[
        float | None,
        typer.Option(
            "--sieve",
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="Then drop recordings in more than this share of which the shipped weights hear drums.",
        ),
    ] = None,
    credits: Annotated[
        Path | None, typer.Option("--credits", metavar="FILE", help="Write the table of sources, render nothing.")
    ] = None,
) -> None:
    """Render music without drums for training, from freely licensed MIDI, soundfonts and recordings."""
    from mix2midi.pipeline.company import make_company, write_credits
    from mix2midi.units import SECONDS_PER_MINUTE

    if credits is not None and output is None:
        write_credits(recipe, credits, sources or [])
        typer.echo(credits)
        return
    if output is None or credits is not None:
        raise typer.BadParameter("give a pool to fill with -o DIR, or a table to write with --credits FILE")
    entries = make_company(
        recipe,
        output,
        seed=seed,
        minutes=minutes,
        workers=workers,
        sources=sources or [],
        sieve_share=sieve,
        report=lambda line: typer.echo(line, err=True),
    )
    length = sum(entry.duration_s for entry in entries) / SECONDS_PER_MINUTE
    typer.echo(f"{output}: {len(entries)} clips, {length:.1f} minutes")
