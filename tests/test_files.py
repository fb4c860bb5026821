"""Nothing half written: what is on the disk after a write that went well, and after one that did not."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from mix2midi.errors import OutputError
from mix2midi.files import atomic_write


def test_the_file_appears_complete_and_alone(tmp_path):
    with atomic_write(tmp_path / "song.csv") as temporary:
        temporary.write_text("done")
        assert temporary.suffix == ".csv"
        assert not (tmp_path / "song.csv").exists()
    assert (tmp_path / "song.csv").read_text() == "done"
    assert os.listdir(tmp_path) == ["song.csv"]


@pytest.mark.parametrize("trouble", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, trouble):
    (tmp_path / "song.csv").write_text("old")
    with pytest.raises(trouble), atomic_write(tmp_path / "song.csv") as temporary:
        temporary.write_text("ne")
        raise trouble
    assert (tmp_path / "song.csv").read_text() == "old"
    assert os.listdir(tmp_path) == ["song.csv"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_trouble_with_the_disk_is_one_line(tmp_path, code):
    with (
        pytest.raises(OutputError, match=r"song\.csv: cannot be written: .*; ") as caught,
        atomic_write(tmp_path / "song.csv"),
    ):
        raise OSError(code, os.strerror(code))
    assert "\n" not in str(caught.value)
    assert os.strerror(code).lower() in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(OutputError, match="no space left"),
        atomic_write(tmp_path / "song.csv"),
        open("/dev/full", "w") as full,
    ):
        full.write("x" * 100_000)


def test_a_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="there is no folder .*nowhere"), atomic_write(tmp_path / "nowhere" / "a.mid"):
        pass


def test_a_folder_whose_name_is_too_long_for_one(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"), atomic_write(tmp_path / ("y" * 300) / "song.mid"):
        pass


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "song.mid").mkdir()
    with pytest.raises(OutputError, match=r"song\.mid: is a folder"), atomic_write(tmp_path / "song.mid"):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "song.mid")
    with pytest.raises(OutputError, match="is a device or pipe"), atomic_write(tmp_path / "song.mid"):
        pass
    assert stat.S_ISFIFO((tmp_path / "song.mid").stat().st_mode)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_read_only(tmp_path, which):
    (tmp_path / "song.mid").write_text("old")
    (tmp_path if which == "folder" else tmp_path / "song.mid").chmod(0o555)
    with (
        pytest.raises(OutputError, match=r"song\.mid: (is read-only|cannot be written)"),
        atomic_write(tmp_path / "song.mid") as temporary,
    ):
        temporary.write_text("new")
    tmp_path.chmod(0o755)
    assert (tmp_path / "song.mid").read_text() == "old"


def test_a_file_that_another_program_holds_open_stays(tmp_path, monkeypatch):
    """As Windows keeps what a spreadsheet has open from being replaced."""

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Access is denied")

    (tmp_path / "song.csv").write_text("old")
    monkeypatch.setattr(Path, "replace", refuse)
    with (
        pytest.raises(OutputError, match=r"song\.csv: .* access is denied; close the program that has it open"),
        atomic_write(tmp_path / "song.csv"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["song.csv"] and (tmp_path / "song.csv").read_text() == "old"


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own on Windows")
def test_a_link_keeps_pointing_to_its_file(tmp_path):
    (tmp_path / "real.mid").write_text("old")
    (tmp_path / "link.mid").symlink_to("real.mid")
    with atomic_write(tmp_path / "link.mid") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.mid").is_symlink()
    assert (tmp_path / "real.mid").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask to speak of")
def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "song.mid"):
        pass
    assert (tmp_path / "song.mid").stat().st_mode == (tmp_path / "plain").stat().st_mode
