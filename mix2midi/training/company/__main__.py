"""`python -m mix2midi.training.company RECIPE OUT_DIR --minutes 60 --sources FOLDER`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mix2midi.errors import Mix2MidiError
from mix2midi.files import atomic_write
from mix2midi.training.company.credits import credits_table
from mix2midi.training.company.pool import Entry, read_index, render_company
from mix2midi.training.company.recipe import read_recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, render, report; 1 with a line on stderr where that fails."""
    options = _parser().parse_args(arguments)
    try:
        if options.credits is not None:
            table = credits_table(read_recipe(options.recipe, options.sources))
            with atomic_write(options.credits) as partial:
                partial.write_text(table, encoding="utf-8")
            return 0
        entries = render_company(
            options.recipe, options.out_dir, options.seed, options.minutes, options.workers, folders=options.sources
        )
        if options.sieve is not None:
            entries = _sieved(options.out_dir, options.sieve)
    except Mix2MidiError as error:
        print(error, file=sys.stderr)
        return 1
    minutes = sum(entry.duration_s for entry in entries) / 60
    print(f"{len(entries)} clips, {minutes:.1f} minutes in {options.out_dir}")
    return 0


def _sieved(pool_dir: Path, max_share: float) -> list[Entry]:
    """The clips of a pool that are left when our own network has heard its recordings."""
    from mix2midi.training.company.sieve import filter_pool
    from mix2midi.transcription import Transcriber

    filter_pool(pool_dir, Transcriber.load(), max_share=max_share)
    return read_index(pool_dir)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="company", description="Render music without drums for training.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=None, help="length of the pool in all")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sources", type=Path, action="append", default=[], help="folder to look for sources in")
    parser.add_argument(
        "--sieve", type=float, metavar="SHARE", help="then drop recordings with drums in more than this share of them"
    )
    parser.add_argument("--credits", type=Path, default=None, help="write the table of sources there, render nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
