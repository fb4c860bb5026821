"""Score the transcriber on annotated songs, and print the accuracy table of the README.

    python benchmarks/accuracy.py ../shared/data/mdb-dev

The folder holds songs of MDB Drums, each in a subfolder with `drums.flac`, `mix.flac` and `class.txt` or
`subclass.txt`; README.md says which files of the data set these are. Rows are the three ways in which a song can come:
drums alone, a mix that is separated first, and a mix as it is.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from mix2midi.drums import FAMILIES
from mix2midi.pipeline import Converter
from mix2midi.pipeline.evaluate import Evaluation, evaluate_songs
from mix2midi.pipeline.references import find_songs
from mix2midi.scores import WINDOWS_S


@dataclass(frozen=True)
class Setting:
    """One row: which audio, and how its drums are found."""

    input_name: str
    separator: str = "none"
    stem_only: bool = False

    @property
    def command(self) -> str:
        """What is given to `mix2midi evaluate` for the same figures."""
        return f"--input {self.input_name} " + ("--stem-only" if self.stem_only else f"--separator {self.separator}")


def main() -> None:
    """Evaluate every setting and print one row each."""
    options = parse_options()
    settings = [
        Setting("drums.flac", stem_only=True),
        *(Setting("mix.flac", separator) for separator in options.separators),
    ]
    windows = [f"F {window_s * 1000:g} ms" for window_s in WINDOWS_S]
    print("| `mix2midi evaluate` | " + " | ".join([*windows, *FAMILIES]) + " |")
    print("| --- |" + " ---: |" * (len(windows) + len(FAMILIES)))
    for setting in settings:
        values = " | ".join(f"{value:.3f}" for value in f_measures(evaluate(setting, options)))
        print(f"| `{setting.command}` | {values} |", flush=True)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="songs with class.txt")
    parser.add_argument("--separators", nargs="*", default=["htdemucs", "none"], help="for mix.flac, one row each")
    parser.add_argument("--weights", type=Path, help="of the transcriber; the shipped ones by default")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def evaluate(setting: Setting, options: argparse.Namespace) -> Evaluation:
    """Score all songs of the folder."""
    converter = Converter(
        separator=setting.separator, stem_only=setting.stem_only, weights=options.weights, device=options.device
    )
    songs = find_songs([options.folder], setting.input_name)
    return evaluate_songs(songs, lambda path: converter.convert(path).transcription)


def f_measures(evaluation: Evaluation) -> list[float]:
    """Pooled F within every window, then that of every class within the widest."""
    pooled = evaluation.pooled
    classes = [part.counts[pooled.windows_s[0]].f_measure for part in pooled.families.values()]
    return [pooled.f_measure(window_s) for window_s in pooled.windows_s] + classes


if __name__ == "__main__":
    main()
