"""`python -m mix2midi.transcription.training.company RECIPE OUT_DIR --minutes 60 --sources FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mix2midi.errors import Mix2MidiError
from mix2midi.transcription.training.company.pool import render_company


def main() -> int:
    """Parse, render, report; 1 with a line on stderr where that fails."""
    parser = argparse.ArgumentParser(prog="company", description="Render music without drums for training.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sources", type=Path, action="append", default=[], help="folder to look for sources in")
    arguments = parser.parse_args()
    try:
        entries = render_company(
            arguments.recipe, arguments.out_dir, arguments.seed, arguments.minutes, arguments.workers,
            folders=arguments.sources,
        )
    except Mix2MidiError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(entries)} clips, {sum(entry.duration_s for entry in entries) / 60:.1f} minutes in {arguments.out_dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
