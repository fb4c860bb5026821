"""Recordings in the company of the drums, and the two sieves that keep drums out of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mix2midi.errors import OptionError
from mix2midi.training.company import recordings
from mix2midi.training.company.pool import read_index, write_index
from mix2midi.training.company.recipe import Source
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.training.company_sieve import filter_pool
from tests.company import RATE_HZ, rng, tone


def test_broadband_attacks_are_clicks_and_not_tones(sources_dir: Path) -> None:
    calm, _ = sf.read(sources_dir / "music" / "calm.wav", dtype="float32")
    clicking, _ = sf.read(sources_dir / "music" / "clicking.wav", dtype="float32")
    assert len(recordings.attack_times(recordings.broadband_attacks(calm))) <= 1
    found = recordings.attack_times(recordings.broadband_attacks(clicking))
    assert len(found) == pytest.approx(80, abs=4)


def test_only_calm_music_is_kept(sources_dir: Path) -> None:
    assert recordings.quiet_passages(sources_dir / "music" / "clicking.wav") == ()
    ((start_s, stop_s),) = recordings.quiet_passages(sources_dir / "music" / "calm.wav")
    assert stop_s - start_s >= 18
    files = tuple(sorted((sources_dir / "music").glob("*.wav")))
    for seed in range(4):
        drawn = recordings.draw_passage(Source("m", "recording", files, "", "", "CC0"), 5.0, rng(seed))
        assert drawn is not None
        assert drawn[1].name == "calm.wav"
        assert len(drawn[0]) == 5 * RATE_HZ


def test_a_stem_is_taken_however_hard_it_attacks(sources_dir: Path) -> None:
    stems = Source("s", "stem", (sources_dir / "music" / "clicking.wav",), "", "", "CC0")
    stretch, file = recordings.draw_stretch(stems, 5.0, rng(2))
    assert file.name == "clicking.wav"
    assert len(stretch) == 5 * RATE_HZ
    assert len(recordings.attack_times(recordings.broadband_attacks(stretch))) >= 15


def test_a_stem_that_is_no_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.ogg").write_bytes(b"not audio")
    with pytest.raises(OptionError, match=r"broken.ogg: cannot be read"):
        recordings.draw_stretch(Source("s", "stem", (tmp_path / "broken.ogg",), "", "", "CC0"), 5.0, rng(2))


def test_files_that_are_no_audio_have_no_passages(tmp_path: Path) -> None:
    (tmp_path / "broken.ogg").write_bytes(b"not audio")
    assert recordings.quiet_passages(tmp_path / "broken.ogg") == ()


def test_a_passage_fills_a_clip_without_gaps() -> None:
    filled = recordings.filling(tone(220, 2.0), 7 * RATE_HZ)
    assert len(filled) == 7 * RATE_HZ
    levels = np.sqrt(np.mean(filled[: 7 * RATE_HZ].reshape(-1, RATE_HZ // 10) ** 2, axis=1))
    assert levels.min() > 0.1


@dataclass
class EarForClicks:
    """Stands in for the transcriber: hears a snare wherever a sample exceeds a half."""

    hop_length: int = 441

    def heat_map(self, audio: np.ndarray) -> HeatMap:
        n_frames = len(audio) // self.hop_length
        loud = np.abs(audio[: n_frames * self.hop_length]).reshape(n_frames, -1).max(axis=1) > 0.5
        families = np.zeros((5, n_frames), np.float32)
        families[1] = loud
        return HeatMap(families, families, families, families, self.hop_length, RATE_HZ)


def test_the_second_sieve_marks_and_drops_what_the_network_hears(tmp_path: Path) -> None:
    audio = np.zeros(20 * RATE_HZ, np.int16)
    audio[4 * RATE_HZ : 12 * RATE_HZ : RATE_HZ // 4] = 30000
    rows = []
    for name, kind in (("x-recording.npy", "recording"), ("y-song.npy", "song")):
        np.save(tmp_path / name, audio)
        rows.append({"file": name, "kind": kind})
    from mix2midi.training.company.pool import Entry

    write_index(tmp_path, [Entry(row["file"], row["kind"], 20.0, 0.0, "", "") for row in rows])
    (passage,) = filter_pool(tmp_path, EarForClicks())
    assert (passage.file, passage.start_s, passage.stop_s) == ("x-recording.npy", 4.0, 12.0)
    assert passage.hits_per_s == pytest.approx(4.0)
    assert len(read_index(tmp_path)) == 2
    with (tmp_path / "passages.csv").open(newline="") as opened:
        assert [row["file"] for row in csv.DictReader(opened)] == ["x-recording.npy"]
    filter_pool(tmp_path, EarForClicks(), max_share=0.3)
    assert [entry.file for entry in read_index(tmp_path)] == ["y-song.npy"]
