"""Measures how well separators take drums out of mixes: ``python benchmarks/separation.py ../shared/data/mdb-dev``.

A song is a folder with `mix.flac` and its drums alone, `drums.flac`, aligned. The signal-to-distortion ratio is that of
the whole song without any filter to suit, 10 log10(|drums|^2 / |drums - estimate|^2). Mixing desks turn stems up and
down, so the drums are first brought to the level that they have in the mix: the one that explains most of it. Stems are
those that `mix2midi --save-stem` writes; times are of the whole run, transcription and all. ``--input drums.flac`` asks
what is left of drums alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import read_audio
from mix2midi.pipeline import Converter
from mix2midi.pipeline.outputs import Outputs

#: Songs of any rate are compared at the separators' own.
RATE_HZ = 44_100


def sdr_db(drums: NDArray[np.floating], estimate: NDArray[np.floating]) -> float:
    """Signal-to-distortion ratio of an estimate [samples]."""
    error = drums - estimate
    return float(10.0 * np.log10((drums @ drums) / max(float(error @ error), 1e-12)))


def read_mono(path: Path) -> NDArray[np.float64]:
    """Samples of a file at `RATE_HZ` as the mean of its channels."""
    return read_audio(path, RATE_HZ, mono=True)[0].astype(np.float64)


def stem_of(song: Path, converter: Converter) -> NDArray[np.float64]:
    """The drums of a song, as mono, as they are saved beside the MIDI file."""
    if not converter.saves_stems:
        return read_mono(song)
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "stem.wav"
        converter.convert(song, Outputs(stem=stem))
        return read_mono(stem)


def main() -> None:
    """Print one row per song, one column per separator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--separator", action="append", help="name or folder; default: builtin and none")
    parser.add_argument("--input", default="mix.flac", help="what is separated, in each song's folder")
    arguments = parser.parse_args()
    names = arguments.separator or ["builtin", "none"]
    songs = sorted(path.parent for path in arguments.folder.glob(f"*/{arguments.input}"))
    if not songs:
        parser.error(f"{arguments.folder}: no folders with {arguments.input} in it; name the one of the songs")
    converters = [Converter(separator=name) for name in names]
    table, spent_s, music_s = np.zeros((len(songs), len(names))), np.zeros(len(names)), 0.0
    for row, song in enumerate(songs):
        drums = read_mono(song / "drums.flac")
        mix = read_mono(song / arguments.input)
        length = min(len(drums), len(mix))
        drums = drums[:length] * (drums[:length] @ mix[:length]) / (drums[:length] @ drums[:length])
        music_s += length / RATE_HZ
        for column, converter in enumerate(converters):
            started_s = time.monotonic()
            estimate = stem_of(song / arguments.input, converter)
            spent_s[column] += time.monotonic() - started_s
            table[row, column] = sdr_db(drums, estimate[:length])
        print(f"{song.name:40s}" + "".join(f"{value:12.1f}" for value in table[row]), flush=True)
    print(f"{'mean SDR in dB':40s}" + "".join(f"{value:12.2f}" for value in table.mean(axis=0)))
    print(f"{'times real time':40s}" + "".join(f"{music_s / seconds:12.1f}" for seconds in spent_s))


if __name__ == "__main__":
    main()
