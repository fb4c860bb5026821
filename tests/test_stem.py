"""The drum stem on disk: what is heard of it, what stays and what is removed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mix2midi.audio import AudioArray, read_audio
from mix2midi.notes import DrumNote
from mix2midi.pipeline import Converter, Outputs
from mix2midi.pipeline.stem import with_own_sounds
from mix2midi.separation.own_sounds import LOW_RATE_HZ
from tests.songs import RATE_HZ, QuietSeparator, files_in, hits, use_separator, write_song


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go in this test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_separator_is_heard_and_leaves_nothing(
    song: Path, tiny_weights: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    use_separator(monkeypatch, QuietSeparator(lambda: seen.append(files_in(scratch))))
    conversion = Converter(weights=tiny_weights, device="cpu").convert(song, Outputs(midi=song.with_suffix(".mid")))
    assert conversion.transcription.separator == "quiet"
    assert any(seen), "the stem lies in the temporary folder while it grows"
    assert files_in(scratch) == []
    assert files_in(song.parent) == ["song.mid", "song.wav"]


def test_saved_stem_is_the_separators(song: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_separator(monkeypatch, QuietSeparator())
    converter = Converter(weights=tiny_weights, device="cpu")
    without = converter.convert(song)
    outputs = Outputs.beside(song.with_suffix(".mid"), ["stem"])
    conversion = converter.convert(song, outputs)
    stem, rate_hz = soundfile.read(song.with_name("song.drums.wav"), dtype="float32")
    mix, _ = soundfile.read(song, dtype="float32")
    np.testing.assert_allclose(stem, 0.5 * mix, atol=1e-6)
    assert rate_hz == RATE_HZ
    assert [note.note for note in conversion.transcription.notes] == [note.note for note in without.transcription.notes]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are text")
def test_a_stem_lies_in_a_folder_whose_name_is_no_text(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_separator(monkeypatch, QuietSeparator())
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    song = write_song(tmp_path / "song.wav").rename(folder / "song.wav")
    Converter(weights=tiny_weights, device="cpu").convert(song, Outputs.beside(folder / "song.mid", ["stem"]))
    assert files_in(folder) == ["song.drums.wav", "song.mid", "song.wav"]


def test_stem_louder_than_full_scale_is_not_clipped(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_separator(monkeypatch, QuietSeparator())
    song = tmp_path / "loud.wav"
    soundfile.write(song, 4.0 * hits().T, RATE_HZ, subtype="FLOAT")
    Converter(weights=tiny_weights, device="cpu").convert(song, Outputs.beside(tmp_path / "loud.mid", ["stem"]))
    stem, _ = soundfile.read(tmp_path / "loud.drums.wav", dtype="float32")
    assert np.abs(stem).max() == pytest.approx(0.5 * np.abs(4.0 * hits()).max())


def test_the_low_end_of_each_channel_is_made_of_that_channel(tmp_path: Path) -> None:
    """A mask left some of the bass in the left channel; in the right there are other drums, and nothing to mend."""
    time_s = np.arange(24 * LOW_RATE_HZ) / LOW_RATE_HZ
    onsets_s = np.arange(0.1, 23.0, 0.5)
    kick = np.sin(2 * np.pi * 60 * time_s) * np.exp(-(time_s % 0.5) / 0.05)
    bass = 0.5 * np.sin(2 * np.pi * (60 * time_s + 3 * np.sin(0.7 * time_s)))
    stem = np.stack([kick + 0.4 * bass, np.roll(kick, 700)]).astype(np.float32)
    song = np.stack([kick + bass, stem[1]]).astype(np.float32)
    notes = [DrumNote(float(onset_s), 36, 100) for onset_s in onsets_s]
    kept = tmp_path / "stem.wav"
    with with_own_sounds(AudioArray(stem, LOW_RATE_HZ), AudioArray(song, LOW_RATE_HZ), notes, kept):
        change = np.abs(read_audio(kept, LOW_RATE_HZ) - stem)
    assert change[0].max() > 0.05
    assert change[1].max() < 1e-5


def test_no_stem_where_nothing_was_separated(song: Path, converter: Converter) -> None:
    conversion = converter.convert(song, Outputs.beside(song.with_suffix(".mid"), ["stem"]))
    assert files_in(song.parent) == ["song.mid", "song.wav"]
    assert [path.name for path in conversion.files] == ["song.mid"]
    assert "no stem" in conversion.remarks[0]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, RuntimeError, MemoryError, SystemExit])
def test_broken_separation_leaves_nothing(
    trouble: type[BaseException],
    song: Path,
    tiny_weights: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_off() -> None:
        raise trouble("broken off")

    use_separator(monkeypatch, QuietSeparator(break_off))
    for outputs in (Outputs(song.with_suffix(".mid")), Outputs.beside(song.with_suffix(".mid"), ["stem", "plot"])):
        with pytest.raises(trouble):
            Converter(weights=tiny_weights, device="cpu").convert(song, outputs)
        assert files_in(scratch) == []
        assert files_in(song.parent) == ["song.wav"]


def test_separated_song_is_read_in_blocks(tiny_weights: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stem of a song grows on disk while the song is read: it is never in memory as a whole."""
    sizes: list[int] = []
    use_separator(
        monkeypatch, QuietSeparator(lambda: sizes.append(sum(path.stat().st_size for path in scratch.rglob("*.wav"))))
    )
    source = AudioArray(np.tile(hits(1.5), 4), RATE_HZ)
    Converter(weights=tiny_weights, device="cpu").transcribe(source)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 5
