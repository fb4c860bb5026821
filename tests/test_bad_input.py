"""Whatever goes wrong: one line that names the file, the trouble and the way out, an exit code, and no partial file."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from mix2midi.transcription import Transcriber
from tests.separators import save_open_unmix
from tests.songs import (
    RATE_HZ,
    QuietSeparator,
    command,
    files_in,
    hits,
    one_line,
    process_environment,
    run,
    use_separator,
    write_song,
)

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="checks what only Linux does this way")
not_for_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read and write everything"
)


@pytest.fixture
def options(tiny_weights: Path) -> list[str]:
    return ["--stem-only", "--device", "cpu", "--weights", str(tiny_weights)]


# The song


def write_video_without_sound(path: Path) -> Path:
    with av.open(path, "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 16
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(video.encode(None))
    return path


def cut_off(path: Path) -> Path:
    write_song(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def with_nan(path: Path) -> Path:
    song = hits()
    song[1, 40_000] = np.nan
    soundfile.write(path, song.T, RATE_HZ, subtype="FLOAT")
    return path


def with_content(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


def in_a_loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


BAD_SONGS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "text as wav": ("notes.wav", with_content(b"not music at all")),
    "text as mp3": ("notes.mp3", with_content(b"not music at all" * 1000)),
    "text": ("notes.txt", with_content(b"kick snare kick snare")),
    "picture": ("cover.png", with_content(b"\x89PNG\r\n\x1a\n" + bytes(100))),
    "empty": ("empty.wav", with_content(b"")),
    "header alone": ("header.wav", lambda path: write_song(path, np.zeros((1, 0), dtype=np.float32))),
    "one sample": ("dot.wav", lambda path: write_song(path, np.full((1, 1), 0.5, dtype=np.float32))),
    "cut off wav": ("cut.wav", cut_off),
    "cut off flac": ("cut.flac", cut_off),
    "no sound in it": ("silent film.mp4", write_video_without_sound),
    "not finite": ("nan.wav", with_nan),
    "missing": ("missing ü.wav", lambda path: path),
    "link to itself": ("loop.wav", in_a_loop),
}


@pytest.mark.parametrize("case", BAD_SONGS)
def test_bad_song(case: str, tmp_path: Path, options: list[str]) -> None:
    name, write = BAD_SONGS[case]
    song = write(tmp_path / name)
    before = files_in(tmp_path)
    result = run(song, "--csv", "--plot", *options)
    line = one_line(result, song, "; ")
    assert result.exit_code == 1
    assert line.startswith("mix2midi: ")
    assert result.stdout == ""
    assert files_in(tmp_path) == before


@not_for_root
def test_song_that_may_not_be_read(tmp_path: Path, options: list[str]) -> None:
    song = write_song(tmp_path / "secret.wav")
    song.chmod(0)
    one_line(run(song, *options), song, "permission")


def test_folder_without_songs(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    one_line(run(tmp_path / "empty", *options), tmp_path / "empty", "no audio")


# Where it goes


def test_missing_output_folder(tmp_path: Path, options: list[str]) -> None:
    song = write_song(tmp_path / "song.wav")
    for target in ("nowhere", "nowhere/song.mid"):
        one_line(run(song, "-o", tmp_path / target, *options), tmp_path / target, "make it first")
    assert files_in(tmp_path) == ["song.wav"]


@not_for_root
def test_read_only_output_folder(tmp_path: Path, options: list[str]) -> None:
    song = write_song(tmp_path / "song.wav")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    one_line(run(song, "-o", closed, *options), closed, "read-only")


@needs_linux
def test_folder_that_takes_no_files(tmp_path: Path, options: list[str]) -> None:
    """Even root cannot write there, as on a read-only disk."""
    song = write_song(tmp_path / "song.wav")
    one_line(run(song, "-o", "/proc/self", *options), "/proc/self/song.mid")


def test_folder_in_the_place_of_the_file(tmp_path: Path, options: list[str]) -> None:
    song = write_song(tmp_path / "song.wav")
    (tmp_path / "song.mid").mkdir()
    one_line(run(song, *options), tmp_path / "song.mid", "is a folder")
    assert files_in(tmp_path) == ["song.mid", "song.wav"]


WRITERS = {
    "midi": ("mido.MidiFile.save", []),
    "csv": ("csv.DictWriter.writerows", ["--csv"]),
    "json": ("json.dumps", ["--json"]),
    "picture": ("matplotlib.figure.Figure.savefig", ["--plot"]),
    "activations": ("numpy.savez_compressed", ["--activations"]),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_full_disk(kind: str, tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    song = write_song(tmp_path / "song.wav")
    old = tmp_path / "song.mid"
    old.write_bytes(b"Made with mix2midi: what was there before")

    def run_full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(WRITERS[kind][0], run_full)
    one_line(run(song, *WRITERS[kind][1], *options), tmp_path / "song.", "no space left on device", "free some space")
    assert files_in(tmp_path) == ["song.mid", "song.wav"]
    assert old.read_bytes() == b"Made with mix2midi: what was there before"


@needs_linux
@pytest.mark.parametrize("limit", [50, 30_000])
def test_process_whose_files_may_not_grow(limit: int, tmp_path: Path, tiny_weights: Path) -> None:
    """A limit on the size of files stands for a full disk: it meets the MIDI file, or the stem before it."""
    import resource

    song = write_song(tmp_path / "songs" / "song.wav")
    separator = save_open_unmix(tmp_path / "network")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = ["--separator", separator, "--weights", tiny_weights, "--device", "cpu", song]
    for extra in (["--save-stem"], []):
        result = subprocess.run(
            command(*arguments, *extra),
            env=process_environment(TMPDIR=str(scratch)),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert result.returncode == 1, result.stderr
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert "written" in result.stderr
        assert files_in(tmp_path / "songs") == ["song.wav"]
        assert files_in(scratch) == []


# Options


BAD_OPTIONS = {
    "--device abacus": ["'abacus'", "cpu"],
    "--separator nosuch": ["'nosuch'", "htdemucs"],
    "--bpm fast": ["--bpm", "number"],
    "--bpm 0": ["tempo", "range"],
    "--bpm nan": ["tempo", "range"],
    "--plot-range 20-10": ["from 20 to 10 s", "start"],
    "--plot-range early": ["'early'", "10-20"],
    "--plot-range 10": ["'10'", "10-20"],
    "--plot-range 90-99": ["ends at 1.5 s", "90 s"],
    "--nosuch": ["--nosuch", "--help"],
    "--output": ["--output", "argument"],
    "--reference nosuch.mid": ["nosuch.mid"],
    "--weights nosuch.safetensors": ["nosuch.safetensors"],
}


@pytest.mark.parametrize("words", BAD_OPTIONS)
def test_bad_option(words: str, tmp_path: Path, tiny_weights: Path) -> None:
    song = write_song(tmp_path / "song.wav")
    rest = [] if "--weights" in words else ["--weights", str(tiny_weights)]
    separator = [] if "--separator" in words else ["--separator", "none"]
    one_line(run(song, *separator, *rest, *words.split()), *BAD_OPTIONS[words])
    assert files_in(tmp_path) == ["song.wav"]


def test_a_file_that_is_taken_for_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pattern of the shell may bring one along."""
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "-dash.wav")
    result = run("-dash.wav")
    assert result.exit_code == 2 and "write ./-dash.wav" in result.stderr


def test_separating_drums_alone_makes_no_sense(tmp_path: Path) -> None:
    one_line(run(write_song(tmp_path / "a.wav"), "--stem-only", "--separator", "htdemucs"), "--stem-only", "htdemucs")


# Models and devices


@pytest.mark.parametrize("damage", [b"", b"not weights", bytes(2000)], ids=["empty", "text", "zeros"])
def test_damaged_weights(damage: bytes, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav")
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(damage)
    one_line(run(song, "--stem-only", "--weights", weights), weights, "damaged")
    assert files_in(tmp_path) == ["mine.safetensors", "song.wav"]


def test_weights_of_another_version(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    song = write_song(tmp_path / "song.wav")
    weights = tmp_path / "old.safetensors"
    save_file({"a": torch.zeros(3)}, weights, metadata={"format": "mix2midi-transcriber-0"})
    one_line(run(song, "--stem-only", "--weights", weights), weights, "version")


@pytest.fixture
def lonely(tmp_path: Path) -> dict[str, str]:
    """Environment of a machine without weights and without network."""
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    caches = {name: str(tmp_path / "caches" / name) for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME")}
    return {**nowhere, **caches}


def test_no_network(tmp_path: Path, tiny_weights: Path, lonely: dict[str, str]) -> None:
    song = write_song(tmp_path / "song.wav")
    arguments = ["--weights", tiny_weights, "--device", "cpu", song]
    environment = process_environment(**lonely)
    asked = subprocess.run(
        command("--separator", "htdemucs", *arguments), env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    assert len(asked.stderr.splitlines()) == 1
    assert "htdemucs" in asked.stderr
    assert "--model-dir" in asked.stderr
    assert not song.with_suffix(".mid").exists()

    auto = subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, check=False)
    assert auto.returncode == 0, auto.stderr
    assert "separator  none: htdemucs is not on this machine and cannot be fetched" in auto.stdout


def test_no_such_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    one_line(run(write_song(tmp_path / "song.wav"), "--device", "cuda"), "cuda", "'cpu'")


def test_full_gpu(tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB")

    song = write_song(tmp_path / "song.wav")
    monkeypatch.setattr("mix2midi.transcription.network.DrumNetwork.read", run_out)
    one_line(run(song, *options), song, "memory")
    assert files_in(tmp_path) == ["song.wav"]


# Stopping


def test_interrupted(tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    song = write_song(tmp_path / "song.wav")
    monkeypatch.setattr(Transcriber, "heat_map_of", interrupt)
    result = run(song, "--plot", *options)
    one_line(result, "interrupted")
    assert result.exit_code == 130
    assert files_in(tmp_path) == ["song.wav"]


def test_interrupted_among_many_still_tells_what_failed(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.wav").write_text("no audio")
    write_song(tmp_path / "b.wav")
    use_separator(monkeypatch, QuietSeparator(interrupt))
    result = run(tmp_path, "--weights", tiny_weights, "--device", "cpu")
    assert result.exit_code == 130
    failed, interrupted = result.stderr.splitlines()
    assert str(tmp_path / "a.wav") in failed
    assert "interrupted" in interrupted


@needs_linux
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_process_is_stopped(stop: signal.Signals, code: int, tmp_path: Path, tiny_weights: Path) -> None:
    song = write_song(tmp_path / "songs" / "long.wav", np.tile(hits(), 200))
    separator = save_open_unmix(tmp_path / "network")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        command("--separator", separator, "--weights", tiny_weights, "--device", "cpu", song),
        env=process_environment(TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job that a shell runs in the background is told to ignore Ctrl-C, and so would its children be.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not any(path.stat().st_size for path in scratch.glob("*/stem.wav")):
        time.sleep(0.02)
    process.send_signal(stop)
    _, told = process.communicate(timeout=120)
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert files_in(scratch) == []
    assert files_in(song.parent) == ["long.wav"]
