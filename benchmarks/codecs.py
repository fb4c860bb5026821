"""Score the transcriber on annotated songs as small files hold them, and print the table of the model card.

    python benchmarks/codecs.py ../shared/data/mdb-dev

The folder is that of `benchmarks/accuracy.py`. Drums are transcribed as such, mixes without a separator; every file is
made mono and encoded before, at a bit rate that a stereo file needs twice as much for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mix2midi.audio import read_audio
from mix2midi.drums import FAMILIES
from mix2midi.notes import Transcription
from mix2midi.pipeline import Converter
from mix2midi.pipeline.evaluate import evaluate_songs
from mix2midi.pipeline.references import find_songs
from mix2midi.training.codecs import CODECS, encode

RATE_HZ = 44100
#: Writes mono audio to a path without suffix, and gives the path with it.
Writer = Callable[[NDArray[np.float32], Path], Path]


def main() -> None:
    """Evaluate every kind of file and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="songs with class.txt")
    parser.add_argument("--weights", type=Path, help="of the transcriber; the shipped ones by default")
    options = parser.parse_args()
    kinds: dict[str, Writer] = {
        "as it is": at_rate(RATE_HZ),
        **{f"mp3, {kbps} kbit/s": through("mp3", kbps) for kbps in (128, 64)},
        "AAC, 64 kbit/s": through("aac", 64),
        "Opus, 32 kbit/s": through("opus", 32),
        "sampled at 22,050 Hz": at_rate(22050),
    }
    print("| one channel | audio | F 50 ms | F 20 ms | " + " | ".join(FAMILIES) + " |")
    print("| --- | --- |" + " ---: |" * (2 + len(FAMILIES)))
    for input_name, converter in (
        ("drums.flac", Converter(stem_only=True, weights=options.weights)),
        ("mix.flac", Converter(separator="none", weights=options.weights)),
    ):
        for name, write in kinds.items():
            values = " | ".join(f"{value:.3f}" for value in f_measures(options.folder, input_name, write, converter))
            print(f"| {name} | `{input_name}` | {values} |", flush=True)


def through(codec: str, kbps: int) -> Writer:
    """Writes files of a codec."""

    def write(audio: NDArray[np.float32], path: Path) -> Path:
        file = path.with_suffix(CODECS[codec].suffix)
        encode(audio, RATE_HZ, file, CODECS[codec], 1000 * kbps)
        return file

    return write


def at_rate(rate_hz: int) -> Writer:
    """Writes uncompressed files of a sampling rate."""

    def write(audio: NDArray[np.float32], path: Path) -> Path:
        file = path.with_suffix(".wav")
        soundfile.write(file, soxr.resample(audio, RATE_HZ, rate_hz), rate_hz, "FLOAT")
        return file

    return write


def f_measures(folder: Path, input_name: str, write: Writer, converter: Converter) -> list[float]:
    """Pooled F at 50 and 20 ms, then at 50 ms of every class."""
    with tempfile.TemporaryDirectory() as temporary:

        def convert(path: Path) -> Transcription:
            audio = read_audio(path, RATE_HZ, mono=True)[0]
            return converter.convert(write(audio, Path(temporary) / "song")).transcription

        pooled = evaluate_songs(find_songs([folder], input_name), convert).pooled
    wide_s, middle_s = pooled.windows_s[:2]
    classes = [part.counts[wide_s].f_measure for part in pooled.families.values()]
    return [pooled.f_measure(wide_s), pooled.f_measure(middle_s), *classes]


if __name__ == "__main__":
    main()
