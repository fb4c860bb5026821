"""Makes the golden file of the second stage, transcription/: what the shipped weights hear in 3 s of made-up drums.

Run ``python tests/golden/make_transcription.py``; what differs must be meant, and measured on songs
(``python benchmarks/accuracy.py FOLDER``), before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.transcription import HeatMap, Transcriber

FILE = Path(__file__).parent / "transcription.npz"
RATE_HZ = 44100
#: Kick and snare in turn, and hats on their eighths, at 120 beats per minute.
BEATS_S, EIGHTHS_S = np.arange(0.2, 2.7, 0.5), np.arange(0.2, 2.7, 0.25)


def drums() -> NDArray[np.float32]:
    """A falling sine for the kick, noise over a sine for the snare, the highest of noise for the hats [samples]."""
    rng = np.random.default_rng(5)
    time_s = np.arange(round(0.3 * RATE_HZ)) / RATE_HZ
    hiss = rng.standard_normal(len(time_s))
    kick = np.sin(2 * np.pi * (50 * time_s + 1.5 * (1 - np.exp(-time_s / 0.02)))) * np.exp(-time_s / 0.08)
    snare = 0.4 * np.sin(2 * np.pi * 190 * time_s) * np.exp(-time_s / 0.06) + 0.3 * hiss * np.exp(-time_s / 0.07)
    hat = 0.1 * np.diff(hiss, n=3, prepend=np.zeros(3)) * np.exp(-time_s / 0.02)
    audio = np.zeros(3 * RATE_HZ)
    for sound, onsets_s in ((kick, BEATS_S[::2]), (snare, BEATS_S[1::2]), (hat, EIGHTHS_S)):
        for onset_s in onsets_s:
            start = round(onset_s * RATE_HZ)
            audio[start : start + len(sound)] += 0.5 * sound
    return audio.astype(np.float32)


def heat_map() -> HeatMap:
    return Transcriber.load().heat_map(drums())


def main() -> None:
    made = heat_map()
    np.savez_compressed(FILE, onset=made.onset, velocity=made.velocity, family_onset=made.family_onset)


if __name__ == "__main__":
    main()
