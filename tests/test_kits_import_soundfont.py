"""Importing kits from soundfonts: which presets are drum kits, and which of their notes are drums."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mix2midi.errors import OptionError
from mix2midi.training.kit_import.formats import read_source
from mix2midi.training.kit_import.library import extend_library
from mix2midi.training.kit_import.soundfont import drum_presets


def write_soundfont(path: Path, presets: list[tuple[str, int, int]]) -> None:
    """As much of a soundfont as names its presets; no player could use it."""
    records = [name.encode().ljust(20, b"\0") + program.to_bytes(2, "little") + bank.to_bytes(2, "little") + bytes(14)
               for name, program, bank in [*presets, ("EOP", 0, 0)]]  # fmt: skip
    table = b"".join(records)
    chunk = b"LIST" + (len(table) + 12).to_bytes(4, "little") + b"pdtaphdr" + len(table).to_bytes(4, "little") + table
    path.write_bytes(b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"sfbk" + chunk)


def test_drum_presets_of_a_soundfont(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "font.sf2"
    write_soundfont(path, [("Jazz", 32, 128), ("Piano", 0, 0), ("Standard", 0, 128)])
    assert drum_presets(path) == [(0, "Standard"), (32, "Jazz")]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OptionError, match="fluidsynth, which is not installed"):
        read_source(path)
    write_soundfont(path, [("Piano", 0, 0), ("SFX", 56, 128)])
    with pytest.raises(OptionError, match="no drum kit in this soundfont"):
        read_source(path)


def test_timpani_are_no_toms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "font.sf2"
    write_soundfont(path, [("Standard", 0, 128), ("Orchestra", 48, 128)])
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/fluidsynth")
    standard, orchestra = read_source(path)
    assert {43, 49} <= {sample.note for sample in standard.samples}
    assert {36, 38} <= {sample.note for sample in orchestra.samples}
    assert not {43, 49} & {sample.note for sample in orchestra.samples}


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed")
def test_a_soundfont_that_fluidsynth_cannot_play_is_named(tmp_path: Path) -> None:
    path = tmp_path / "font.sf2"
    write_soundfont(path, [("Standard", 0, 128)])
    with pytest.raises(OptionError, match="fluidsynth could not play it"):
        extend_library(tmp_path / "lib", read_source(path), "CC0-1.0")
