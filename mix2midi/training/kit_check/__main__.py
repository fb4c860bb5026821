"""Make the features that come with the package: python -m mix2midi.training.kit_check LIBRARY."""

from __future__ import annotations

import sys
from pathlib import Path

from mix2midi.training.kit_check.labelled import SHIPPED_SOUNDS, save_sounds, sounds_of_library

if __name__ == "__main__":
    save_sounds(sounds_of_library(Path(sys.argv[1])), SHIPPED_SOUNDS)
