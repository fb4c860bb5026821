"""Makes the golden file of the built-in separator's second step: what drums' own sounds change in 3 s of stem.

Run ``python tests/golden/make_own_sounds.py``; what differs must be meant, and measured on songs
(``python benchmarks/separation.py``), before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.separation.own_sounds import LOW_RATE_HZ, change_low_end

FILE = Path(__file__).parent / "own_sounds.npz"
ONSETS_S = np.arange(0.1, 2.8, 0.3)


def change() -> NDArray[np.float32]:
    """What is added to a stem that has lost a third of its kicks and kept a third of the bass, [1, samples]."""
    time_s = np.arange(3 * LOW_RATE_HZ) / LOW_RATE_HZ
    drums = np.zeros(len(time_s))
    for number, onset_s in enumerate(ONSETS_S):
        since_s = np.maximum(time_s - onset_s, 0.0)
        loudness = (0.9, 0.6, 0.75)[number % 3]
        drums += loudness * (time_s >= onset_s) * np.sin(2 * np.pi * 60 * since_s) * np.exp(-since_s / 0.06)
    bass = 0.4 * np.sin(2 * np.pi * 47 * time_s) * (np.floor(time_s * 2.2) % 2)
    mix, stem = (part[None].astype(np.float32) for part in (drums + bass, 0.67 * drums + 0.33 * bass))
    return change_low_end(mix, stem, [ONSETS_S])


def main() -> None:
    np.savez_compressed(FILE, change=change().astype(np.float16))


if __name__ == "__main__":
    main()
