"""One heat map of a stem and its mix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mix2midi.audio import AudioArray, AudioFile
from mix2midi.pipeline import Converter
from mix2midi.pipeline.converter import STEM_SHARE
from mix2midi.pipeline.tune import tune
from mix2midi.transcription import HeatMap, Transcriber
from mix2midi.transcription.fusion import fuse_heat_maps
from mix2midi.transcription.weights import Weights, load_weights
from tests.networks import tiny_network
from tests.songs import RATE_HZ, QuietSeparator, hits, use_separator, write_song

ROWS, FRAMES = 17, 40


def random_map(seed: int, frames: int = FRAMES) -> HeatMap:
    rng = np.random.default_rng(seed)
    onset, velocity, family, loudness = (
        rng.uniform(0.0, 1.0, (rows, frames)).astype(np.float16) for rows in (ROWS, ROWS, 5, 5)
    )
    return HeatMap(onset, velocity, family, loudness, 128, RATE_HZ)


def test_sureness_adds_up_and_doubt_yields() -> None:
    stem, mix = random_map(1), random_map(2)
    stem.onset[0, :3], mix.onset[0, :3] = (0.5, 0.9, 0.99), (0.9, 0.1, 0.5)
    fused = fuse_heat_maps(stem, mix)
    assert fused.onset[0, :3] == pytest.approx([0.75, 0.5, 0.909], abs=0.002)
    assert np.all(fused.onset >= np.minimum(stem.onset, mix.onset) - 1e-3)
    assert np.all(fused.onset <= np.maximum(stem.onset, mix.onset) + 1e-3)
    np.testing.assert_allclose(fused.velocity, (stem.velocity + mix.velocity) / 2, atol=1e-3)
    np.testing.assert_array_equal(fused.loudness_db, stem.loudness_db)
    assert fused.onset.dtype == np.float16, "an hour of music fills memory twice as fast in 32 bits"


@pytest.mark.parametrize(("share", "same_as"), [(1.0, 1), (0.0, 2)])
def test_a_share_of_one_or_nothing_is_one_of_the_two(share: float, same_as: int) -> None:
    fused = fuse_heat_maps(random_map(1), random_map(2), share)
    np.testing.assert_allclose(fused.onset, random_map(same_as).onset, atol=1e-3)
    np.testing.assert_allclose(fused.family_onset, random_map(same_as).family_onset, atol=1e-3)


@pytest.mark.parametrize("frames", [FRAMES - 7, FRAMES + 7])
def test_the_stem_says_how_long_the_song_is(frames: int) -> None:
    stem = random_map(1)
    fused = fuse_heat_maps(stem, random_map(2, frames))
    assert fused.onset.shape == stem.onset.shape
    np.testing.assert_array_equal(fused.onset[:, frames:], stem.onset[:, frames:])


def test_both_are_heard_and_progress_rises_to_one() -> None:
    transcriber = Transcriber(Weights(tiny_network()))
    stem, mix = (AudioArray(hits(seed=seed)[0], RATE_HZ) for seed in (1, 2))
    seen: list[float] = []
    fused = transcriber.heat_map_of_both(stem, mix, 0.3, seen.append)
    expected = fuse_heat_maps(transcriber.heat_map_of(stem), transcriber.heat_map_of(mix), 0.3)
    np.testing.assert_array_equal(fused.onset, expected.onset)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1.0)


def test_a_separated_song_is_heard_twice_and_one_that_is_not_once(
    song: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_separator(monkeypatch, QuietSeparator())
    converter = Converter(weights=tiny_weights, device="cpu", separator="htdemucs")
    loud = converter.transcriber.heat_map_of(AudioFile(song))
    # The quiet stem is brought to the same level, so both are alike; a share of .5 then changes nothing.
    np.testing.assert_allclose(converter.heat_map(AudioFile(song)).onset, loud.onset, atol=0.02)
    heard: list[tuple[str, float]] = []

    def both(stem: AudioFile, mix: AudioFile, share: float, report: object) -> HeatMap:
        heard.append((mix.name, share))
        return loud

    monkeypatch.setattr(converter.transcriber, "heat_map_of_both", both)
    converter.convert(song)
    assert heard == [(str(song), STEM_SHARE)]
    Converter(weights=tiny_weights, device="cpu", stem_only=True).convert(song)
    assert len(heard) == 1


def test_thresholds_can_be_chosen_behind_a_separator(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks: list[None] = []
    use_separator(monkeypatch, QuietSeparator(on_block=lambda: blocks.append(None)))
    write_song(tmp_path / "a" / "mix.wav")
    (tmp_path / "a" / "class.txt").write_text("0.25 KD\n")
    target = tmp_path / "tuned.safetensors"
    tune(tiny_weights, [tmp_path], target, ["mix.wav"], views=["separated"], separator="htdemucs")
    assert blocks, "nothing was separated"
    assert set(load_weights(target).pickings) == {"separated"}
