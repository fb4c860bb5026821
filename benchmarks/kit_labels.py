"""How well sounds tell their drum: whole kits left out, and synthetic drums as the only teacher.

    python benchmarks/kit_labels.py LIBRARY

prints what the model card states. LIBRARY is a folder with manifest.csv, as `mix2midi kits import` makes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mix2midi.drums import FAMILIES
from mix2midi.training.kit_check.labelled import leave_kit_out, sounds_of_library, sounds_of_machines


def main() -> None:
    """Print accuracy over the five families, pooled over sounds, and for each family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="folder with manifest.csv")
    sounds = sounds_of_library(parser.parse_args().library)
    sounds = sounds.where(np.isin(sounds.families, FAMILIES))
    judged = {
        "other kits": leave_kit_out(sounds)[0],
        "drum machines": sounds_of_machines().families_of(sounds.features)[0],
    }
    for teacher, families in judged.items():
        right = families == sounds.families
        parts = [f"{family} {right[sounds.families == family].mean():.3f}" for family in FAMILIES]
        print(f"{teacher}: {right.mean():.3f} of {len(right)} sounds;", ", ".join(parts))


if __name__ == "__main__":
    main()
