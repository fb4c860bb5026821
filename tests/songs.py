"""Short songs and a separator for the tests of the pipeline and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from mix2midi.audio import AudioSource
from mix2midi.cli import app
from mix2midi.separation import Choice

RATE_HZ = 44100


def hits(duration_s: float = 1.5, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Decaying noise bursts, three a second, over faint noise; [channels, samples]."""
    rng = np.random.default_rng(seed)
    song = 0.0005 * rng.standard_normal((channels, round(duration_s * RATE_HZ)))
    for start in range(4410, song.shape[1] - 2000, 14700):
        song[:, start : start + 2000] += 0.4 * rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300.0)
    return song.clip(-1.0, 1.0).astype(np.float32)


def write_song(path: Path, song: np.ndarray | None = None) -> Path:
    """A song of `hits`, or the given one, in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, (hits() if song is None else song).T, RATE_HZ)
    return path


def run(*arguments: str | Path, input: str | None = None) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


def files_in(folder: Path) -> list[str]:
    """Everything in a folder, as paths inside it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class QuietSeparator:
    """Gives the song at half its level; `on_block` is called before each block."""

    name = "quiet"
    rate_hz = RATE_HZ

    def __init__(self, on_block: Callable[[], None] = lambda: None) -> None:
        self._on_block = on_block

    def separate(self, audio: np.ndarray, rate_hz: int) -> np.ndarray:
        return np.float32(0.5) * audio

    def separate_stream(
        self, source: AudioSource, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[np.ndarray]:
        for block in source.blocks(self.rate_hz, mono=False, block_s=0.4):
            self._on_block()
            yield np.float32(0.5) * np.broadcast_to(block, (2, block.shape[1]))
            if on_progress is not None:
                on_progress(0.5)


def use_separator(monkeypatch: pytest.MonkeyPatch, separator: QuietSeparator) -> None:
    """Let every name stand for this separator."""
    choice = Choice(separator, separator.name, f"{separator.name}: as the test wants it")
    monkeypatch.setattr("mix2midi.pipeline.converter.choose_separator", lambda name, **settings: choice)


def one_line(result: Result, *parts: str | Path) -> str:
    """What a failed run said: exactly one line on stderr that has all `parts`, and no traceback."""
    assert result.exit_code not in (0, None)
    assert isinstance(result.exception, SystemExit), result.exception
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert not missing(lines[0], parts), lines[0]
    return lines[0]


def missing(text: str, parts: Sequence[str | Path]) -> list[str]:
    """The parts that are not in a text."""
    return [str(part) for part in parts if str(part) not in text]


def run_process(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own, without network."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=process_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
    )


def command(*arguments: object) -> list[str]:
    """The command line of this checkout, as words."""
    return [sys.executable, "-m", "mix2midi", *map(str, arguments)]


def process_environment(**changes: str) -> dict[str, str]:
    """The environment with this checkout first in line, and no network."""
    checkout = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": checkout, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8", **changes}
