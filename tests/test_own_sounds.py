"""The low end of a stem made again of its drums' own sounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from mix2midi.separation import own_sounds
from mix2midi.separation.own_sounds import CUTOFF_HZ, LOW_RATE_HZ, change_low_end
from tests.golden import make_own_sounds

DURATION_S = 24.0
#: Drums, band [1, samples], and the onsets of the kicks in seconds.
Song = tuple[np.ndarray, np.ndarray, np.ndarray]


def kicks(onsets_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A falling sine at each onset, never quite as loud."""
    time_s = np.arange(round(0.18 * LOW_RATE_HZ)) / LOW_RATE_HZ
    sound = np.sin(2 * np.pi * (55 * time_s + 2.0 * (1 - np.exp(-time_s / 0.02)))) * np.exp(-time_s / 0.05)
    audio = np.zeros(round(DURATION_S * LOW_RATE_HZ), dtype=np.float32)
    for onset_s in onsets_s:
        first = round(onset_s * LOW_RATE_HZ)
        part = audio[first : first + len(sound)]
        part += (rng.uniform(0.6, 1.0) * sound[: len(part)]).astype(np.float32)
    return audio


def bass(rng: np.random.Generator) -> np.ndarray:
    """A held note every third of a second, each another one."""
    steps = np.repeat(rng.uniform(41, 120, 80), round(0.3 * LOW_RATE_HZ))[: round(DURATION_S * LOW_RATE_HZ)]
    return (0.5 * np.sin(2 * np.pi * np.cumsum(steps) / LOW_RATE_HZ)).astype(np.float32)


def sdr_db(true: np.ndarray, heard: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(true**2) / np.sum((true - heard) ** 2)))


@pytest.fixture
def song() -> Song:
    rng = np.random.default_rng(3)
    onsets_s = np.sort(rng.choice(np.arange(0, DURATION_S - 0.3, 0.25), 40, replace=False))
    return kicks(onsets_s, rng)[None], bass(rng)[None], onsets_s


def test_golden_change() -> None:
    """Nothing that turns here escapes notice: such changes cost or gain thousandths of F, which no other test sees."""
    golden = np.load(make_own_sounds.FILE)["change"].astype(np.float32)
    assert np.abs(golden).max() > 0.05
    np.testing.assert_allclose(make_own_sounds.change(), golden, atol=5e-4)


def test_stretches_fade_into_each_other(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes its own sounds; where two meet there is no step, which would be a click."""
    drums, band, onsets_s = song
    held = np.float32(0.3) * np.sin(2 * np.pi * 70 * np.arange(drums.shape[1]) / LOW_RATE_HZ).astype(np.float32)[None]
    mix, stem = drums + band + held, drums + np.float32(0.4) * band + held
    monkeypatch.setattr(own_sounds, "_STRETCH_S", DURATION_S / 4)
    change = change_low_end(mix, stem, [onsets_s])[0]
    above = np.abs(sosfilt(butter(8, 2 * CUTOFF_HZ, "high", fs=LOW_RATE_HZ, output="sos"), change))
    seams = [round(DURATION_S / 4 * number * LOW_RATE_HZ) for number in (1, 2, 3)]
    near = max(above[seam - 50 : seam + 50].max() for seam in seams)
    assert near < 1e-3 * np.abs(change).max()


def test_bass_that_a_mask_left_goes(song: Song) -> None:
    drums, band, onsets_s = song
    mix, stem = drums + band, drums + np.float32(0.4) * band
    restored = stem + change_low_end(mix, stem, [onsets_s])
    assert sdr_db(drums, restored) > sdr_db(drums, stem) + 4.0


def test_a_kick_that_a_mask_lost_comes_back(song: Song) -> None:
    drums, band, onsets_s = song
    mix, stem = drums + band, np.float32(0.4) * drums
    restored = stem + change_low_end(mix, stem, [onsets_s])
    assert sdr_db(drums, restored) > sdr_db(drums, stem) + 2.0


def test_drums_alone_stay_as_they_are(song: Song) -> None:
    drums, _, onsets_s = song
    assert np.abs(change_low_end(drums, drums, [onsets_s])).max() < 1e-6


def test_silence_stays_silent() -> None:
    silence = np.zeros((2, LOW_RATE_HZ), np.float32)
    assert not change_low_end(silence, silence, [np.array([0.1, 0.4, 0.5, 0.6, 0.7])]).any()


def test_nothing_changes_above_the_cutoff(song: Song) -> None:
    drums, band, onsets_s = song
    spectrum = np.abs(np.fft.rfft(change_low_end(drums + band, drums + np.float32(0.4) * band, [onsets_s])[0]))
    above = np.fft.rfftfreq(drums.shape[1], 1 / LOW_RATE_HZ) > 1.6 * CUTOFF_HZ
    assert np.sum(spectrum[above] ** 2) < 1e-3 * np.sum(spectrum**2)


def test_a_drum_that_is_hit_seldom_keeps_what_the_separator_gave(song: Song) -> None:
    _, band, _ = song
    lonely = kicks(np.array([2.0]), np.random.default_rng(0))[None]
    change = change_low_end(lonely + band, lonely, [np.array([2.0])])
    hit = slice(round(2.01 * LOW_RATE_HZ), round(2.10 * LOW_RATE_HZ))
    assert np.abs(change[:, hit]).max() < 0.1 * np.abs(lonely).max()


def test_seams_are_not_heard(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    drums, band, onsets_s = song
    mix, stem = drums + band, drums + np.float32(0.4) * band
    whole = change_low_end(mix, stem, [onsets_s])
    monkeypatch.setattr(own_sounds, "_STRETCH_S", DURATION_S / 2)
    parts = change_low_end(mix, stem, [onsets_s])
    seam = parts.shape[1] // 2
    step = np.abs(np.diff(parts[0]))
    assert step[seam - 3 : seam + 3].max() < 2.0 * np.abs(np.diff(whole[0])).max()
    assert sdr_db(drums[:, :seam], (stem + parts)[:, :seam]) > sdr_db(drums[:, :seam], stem[:, :seam]) + 5.0
    assert sdr_db(drums[:, seam:], (stem + parts)[:, seam:]) > sdr_db(drums[:, seam:], stem[:, seam:]) + 5.0


def test_where_no_drum_is_hit_stretches_make_no_difference(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    _, band, _ = song
    whole = change_low_end(band, np.float32(0.4) * band, [])
    monkeypatch.setattr(own_sounds, "_STRETCH_S", DURATION_S / 4)
    np.testing.assert_allclose(change_low_end(band, np.float32(0.4) * band, []), whole, atol=1e-3 * np.abs(whole).max())


@pytest.mark.parametrize(("heard_s", "early_s"), [(11.0143, 0.004), (12.8097, -0.003)])
def test_a_hit_at_the_edge_of_what_a_stretch_hears_may_lie_beyond_it(
    heard_s: float, early_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    others_s = [onset_s for onset_s in np.arange(0.1, DURATION_S - 0.3, 0.5) if abs(onset_s - heard_s) > 0.3]
    drums, band = kicks(np.array(sorted([*others_s, heard_s - early_s])), rng)[None], bass(rng)[None]
    monkeypatch.setattr(own_sounds, "_STRETCH_S", DURATION_S / 2)
    stem = drums + np.float32(0.4) * band
    restored = stem + change_low_end(drums + band, stem, [np.array(sorted([*others_s, heard_s]))])
    assert sdr_db(drums, restored) > sdr_db(drums, stem) + 3.0


@settings(max_examples=25, deadline=None)
@given(
    samples=st.integers(1, 9000),
    onsets_s=st.lists(st.floats(-0.1, 2.5), max_size=12).map(sorted),
    channels=st.integers(1, 2),
)
def test_any_length_and_any_hits(samples: int, onsets_s: list[float], channels: int) -> None:
    rng = np.random.default_rng(samples)
    mix = rng.normal(0.0, 0.1, (channels, samples)).astype(np.float32)
    change = change_low_end(mix, np.float32(0.5) * mix, [np.array(onsets_s), np.zeros(0)])
    assert change.shape == mix.shape and change.dtype == np.float32 and np.isfinite(change).all()
