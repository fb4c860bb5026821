"""Measure speed and memory on two cores, and print them as the table of the README.

    python benchmarks/speed.py                         # a few minutes; memory on 10 and 20 minutes of audio
    python benchmarks/speed.py --minutes 60            # an hour of audio; another one of work for htdemucs
    python benchmarks/speed.py --minutes 60 --no-mix   # without it

Whole processes are measured as a user meets them: the installed `mix2midi` command, from its start to its end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

CORES = 2
REPEATS = 3
SONG = Path(__file__).parents[1] / "examples" / "song.mp3"


def main() -> None:
    """Measure everything and print one row each."""
    options = parse_options()
    use_cores(CORES)
    print("| on two cores | measured |")
    print("| --- | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        row("transcription of a stem in memory", f"{in_own_process(transcription_speed):.0f} times real time")
        short = tile_song(folder / "short.wav", 30.0)
        row("`mix2midi --stem-only` on 30 s, whole process", f"{typical(lambda: stem_only(short)[0]):.1f} s")
        row("`mix2midi --help`", f"{typical(lambda: run_command(['--help'])[0]):.2f} s")
        for minutes in options.minutes:
            long = tile_song(folder / "long.wav", 60.0 * minutes)
            row(f"peak memory on a {minutes:g}-minute stem", gigabytes(stem_only(long)[1]))
            if options.mix:
                row(f"peak memory on a {minutes:g}-minute mix with htdemucs", gigabytes(with_htdemucs(long)[1]))


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 20.0], help="lengths of audio for memory")
    parser.add_argument("--mix", action=argparse.BooleanOptionalAction, default=True, help="measure htdemucs as well")
    return parser.parse_args()


def use_cores(count: int) -> None:
    """Keep this process and all that it starts on the first cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    os.environ["OMP_NUM_THREADS"] = str(count)


def row(what: str, value: str) -> None:
    """Print a row as soon as it is known."""
    print(f"| {what} | {value} |", flush=True)


def gigabytes(size: int) -> str:
    """A size in bytes for people."""
    return f"{size / 1e9:.2f} GB"


def typical(measure: Callable[[], float]) -> float:
    """Median of a few measurements."""
    return statistics.median(measure() for _ in range(REPEATS))


def in_own_process(measure: Callable[[], float]) -> float:
    """Run a measurement in a new interpreter.

    This one has to stay small: Linux counts the memory of the process that starts another as that one's own.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure).result()


def transcription_speed() -> float:
    """Seconds of audio that become notes in one second, audio in memory, weights loaded."""
    from mix2midi.audio import read_audio
    from mix2midi.transcription import Transcriber, pick_notes

    transcriber = Transcriber.load()
    song = read_audio(SONG, transcriber.rate_hz, mono=True)[0]
    audio = np.tile(song, 8)
    transcriber.heat_map(song)

    def measure() -> float:
        started = time.perf_counter()
        pick_notes(transcriber.heat_map(audio), transcriber.pickings["clean"])
        return time.perf_counter() - started

    return len(audio) / transcriber.rate_hz / typical(measure)


def tile_song(path: Path, duration_s: float) -> Path:
    """Write the example song again and again until it is as long as wanted."""
    song, rate_hz = soundfile.read(SONG, dtype="float32")
    remaining = round(duration_s * rate_hz)
    with soundfile.SoundFile(path, "w", rate_hz, song.shape[1]) as file:
        while remaining > 0:
            file.write(song[:remaining])
            remaining -= len(song)
    return path


def stem_only(audio: Path) -> tuple[float, int]:
    """Wall time in seconds and peak memory in bytes of a transcription without separation."""
    return run_command(["--stem-only", str(audio), "--output", str(audio.with_suffix(".mid"))])


def with_htdemucs(audio: Path) -> tuple[float, int]:
    """Wall time in seconds and peak memory in bytes with htdemucs."""
    return run_command(["--separator", "htdemucs", str(audio), "--output", str(audio.with_suffix(".mid"))])


def run_command(arguments: Sequence[str]) -> tuple[float, int]:
    """Run `mix2midi`; wall time in seconds and peak resident memory in bytes."""
    command = Path(sysconfig.get_path("scripts")) / "mix2midi"
    started = time.perf_counter()
    process = subprocess.Popen([command, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"mix2midi {' '.join(arguments)} failed with exit code {process.returncode}")
    return elapsed_s, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
