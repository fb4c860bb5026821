"""Audio that cannot be read: one line that names the file."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch

from mix2midi.audio import AudioArray, read_audio
from mix2midi.errors import AudioError
from tests.clicks import RATE_HZ, add_video, click_track, encode, encode_pictures


def assert_refused(path: Path, trouble: str) -> None:
    with pytest.raises(AudioError, match=trouble) as caught:
        read_audio(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert ";" in message and "\n" not in message


@pytest.mark.parametrize("name", ["notes.txt", "notes.wav", "notes.mp3", "notes.m4a", "notes.flac"])
def test_text_is_not_audio(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("this is a text, whatever its suffix says\n" * 50)
    assert_refused(tmp_path / name, "not audio")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["noise.mp3", "noise.wav", "noise.aac", "noise.raw"])
def test_random_bytes_are_not_audio(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(np.random.default_rng(1).bytes(50_000))
    assert_refused(tmp_path / name, "not audio")
    assert capfd.readouterr() == ("", "")


def test_playlist_does_not_make_other_files_be_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.wav", click_track().T, RATE_HZ)
    (tmp_path / "list.mp3").write_text("#EXTM3U\n#EXTINF:4,\nother.wav\n")
    assert_refused(tmp_path / "list.mp3", "not audio")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert_refused(tmp_path / "empty.wav", "is empty")


def test_header_without_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "header.wav", np.zeros((0, 2)), RATE_HZ)
    assert_refused(tmp_path / "header.wav", "no samples")


@pytest.mark.parametrize("name", ["song.wav", "song.flac", "song.aiff", "song.mp3", "song.m4a", "song.mkv", "song.w64"])
def test_truncated_file(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, (2, 3 * RATE_HZ)).astype(np.float32)
    path = tmp_path / name
    if path.suffix in (".mp3", ".m4a", ".mkv"):
        encode(path, noise, "libmp3lame" if path.suffix == ".mp3" else "aac")
    else:
        soundfile.write(path, noise.T, RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert_refused(path, "damaged")
    assert capfd.readouterr() == ("", "")


def test_rate_that_changes_on_the_way(tmp_path: Path) -> None:
    """As from one song of a recorded radio programme to the next; the first was read alone."""
    path = tmp_path / "radio.ogg"
    for rate_hz in (RATE_HZ, 22050):
        soundfile.write(tmp_path / "part.ogg", click_track(rate_hz=rate_hz).T, rate_hz)
        with path.open("ab") as file:
            file.write((tmp_path / "part.ogg").read_bytes())
    assert_refused(path, "changes its sampling rate")


def test_video_without_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        encode_pictures(container, add_video(container))
    assert_refused(tmp_path / "mute.mp4", "no audio stream")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound(tmp_path: Path, value: float) -> None:
    samples = click_track()
    samples[1, 2 * RATE_HZ] = value
    soundfile.write(tmp_path / "nan.wav", samples.T, RATE_HZ, subtype="DOUBLE")
    assert_refused(tmp_path / "nan.wav", r"no sound at 2\.00 s")


@pytest.mark.parametrize("rate_hz", [1, 10, 999])
def test_absurd_sampling_rate_in_the_header(tmp_path: Path, rate_hz: int) -> None:
    """Resampling from it would take hours and gigabytes, or crash the resampler."""
    soundfile.write(tmp_path / "slow.wav", np.zeros(RATE_HZ), rate_hz)
    assert_refused(tmp_path / "slow.wav", f"states a sampling rate of {rate_hz} Hz")


def test_codec_that_nobody_decodes(tmp_path: Path) -> None:
    """FFmpeg opens such a file, but has no decoder for it."""
    path = tmp_path / "odd.wav"
    soundfile.write(path, click_track().T, RATE_HZ)
    header = bytearray(path.read_bytes())
    header[20:22] = (0x1234).to_bytes(2, "little")  # the format tag
    path.write_bytes(header)
    assert_refused(path, "is not audio that can be read")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere.wav", "does not exist")
    assert_refused(tmp_path, "is a folder")


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_what_is_no_file_is_not_waited_for() -> None:
    assert_refused(Path(os.devnull), "is not a regular file")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "locked.wav", click_track().T, RATE_HZ)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # chmod would not stop a test that runs as root
    assert_refused(tmp_path / "locked.wav", "permission denied")


@pytest.mark.parametrize(
    ("samples", "rate_hz"),
    [
        (np.zeros((2, 0)), RATE_HZ),
        (np.zeros((RATE_HZ, 2)), RATE_HZ),
        (np.zeros((1, 2, 100)), RATE_HZ),
        (np.zeros(100, np.int16), RATE_HZ),
        (np.zeros(100), 0),
        (np.zeros(100), 1),
        (np.zeros(100), True),
        ([[0.0, 1.0], [0.0]], RATE_HZ),
        (torch.zeros(100, requires_grad=True), RATE_HZ),
        (torch.zeros(100, dtype=torch.bfloat16), RATE_HZ),
        (torch.zeros(100, device="meta"), RATE_HZ),
        (np.zeros(100), float("nan")),
        (np.zeros(100), "44100"),
    ],
)
def test_arrays_that_are_no_song(samples: np.ndarray, rate_hz: int) -> None:
    with pytest.raises(AudioError, match="^demo: .*;"):
        AudioArray(samples, rate_hz, name="demo")
