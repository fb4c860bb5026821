"""Music without drums to train with: rendered, then heard by our own network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mix2midi.errors import OutputError

if TYPE_CHECKING:
    from mix2midi.training.company.pool import Entry


def make_company(
    recipe: Path,
    output: Path,
    *,
    seed: int = 0,
    minutes: float | None = None,
    workers: int = 1,
    sources: Sequence[Path] = (),
    sieve_share: float | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[Entry]:
    """Render a pool of music without drums, and drop recordings in which the shipped weights hear drums all the same.

    Parameters
    ----------
    recipe, output, seed, minutes, workers, sources
        See `mix2midi.training.company.pool.render_company`, where `sources` are its folders.
    sieve_share : float, optional
        Recordings with drums in more than this share of them, 0 to 1, are taken out of the pool; by default all stay.
    report : callable
        Gets a line on sources that are not on this machine, and one on clips that others had to stand in for.

    Returns
    -------
    list of Entry
        The clips of the pool.

    Raises
    ------
    OptionError, OutputError
        The recipe or its sources cannot be used, or the pool cannot be written.
    """
    from mix2midi.training.company.pool import read_index, render_company
    from mix2midi.training.company.recipe import read_recipe

    absent = read_recipe(recipe, list(sources)).absent
    if absent:
        report(f"without {', '.join(absent)}: none of their files is here; name their folder with --sources")
    entries = render_company(recipe, output, seed, minutes, workers, folders=sources)
    stood_in = sum(entry.kind == "recording" and not entry.sources for entry in entries)
    if stood_in:
        report(f"{stood_in} clips for recordings are synthesisers: no source has long passages without drums")
    if sieve_share is None:
        return entries
    from mix2midi.transcription import Transcriber
    from mix2midi.transcription.training.company_sieve import filter_pool

    filter_pool(output, Transcriber.load(), max_share=sieve_share)
    return read_index(output)


def write_credits(recipe: Path, output: Path, sources: Sequence[Path] = ()) -> None:
    """Write the table of a recipe's sources with their authors and licences, as Markdown; an older one is replaced.

    Raises
    ------
    OptionError, OutputError
        The recipe or its sources cannot be used, or the table cannot be written; another file has its name.
    """
    from mix2midi.files import atomic_write
    from mix2midi.training.company.credits import TITLE, credits_table
    from mix2midi.training.company.recipe import read_recipe

    table = credits_table(read_recipe(recipe, list(sources)))
    if output.is_file() and not output.read_bytes().startswith(TITLE.encode()):
        raise OutputError(f"{output}: is there and is no such table; write elsewhere")
    with atomic_write(output) as partial:
        partial.write_text(table, encoding="utf-8")
