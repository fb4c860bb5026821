"""Which files among files and folders are songs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mix2midi.audio import find_audio
from mix2midi.errors import AudioError


def test_find_audio_walks_folders_in_order(tmp_path: Path) -> None:
    for name in ["b.wav", "a.MP3", "sub/c.flac", ".hidden.wav", "cover.jpg", ".trash/d.wav"]:
        (tmp_path / "album" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "album" / name).touch()
    single = tmp_path / "strange.xyz"
    album = tmp_path / "album"
    assert find_audio([single, album, album / "b.wav"]) == [
        single,
        album / "a.MP3",
        album / "b.wav",
        album / "sub" / "c.flac",
    ]


def test_folder_without_audio(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(AudioError, match="no audio in this folder"):
        find_audio([tmp_path])
