"""Which files among files and folders are songs."""

from __future__ import annotations

import sys
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


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_linked_folders_are_walked_once_and_never_in_circles(tmp_path: Path) -> None:
    for name in ["music/a/1.wav", "nas/b/2.wav", "nas/c/3.wav"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    music = tmp_path / "music"
    links = {"b": tmp_path / "nas", "again": tmp_path / "nas" / "b", "0": music / "a", "up": tmp_path, "self": music}
    for name, target in links.items():
        (music / name).symlink_to(target)
    (tmp_path / "nas" / "c" / "back").symlink_to(music)
    (music / "gone").symlink_to(tmp_path / "nowhere")
    assert find_audio([music]) == [music / "a/1.wav", music / "again/2.wav", music / "b/c/3.wav"]


def test_folder_without_audio(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(AudioError, match="no audio in this folder"):
        find_audio([tmp_path])
