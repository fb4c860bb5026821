"""The finished clip: level, compressor, cabinet, layers, faults."""

from __future__ import annotations

import numpy as np
import pytest

from mix2midi.training.company import production
from mix2midi.training.company.pool import faults_of
from tests.company import RATE_HZ, rng, tone


@pytest.mark.parametrize("peak", [0.001, 1.0, 50.0])
def test_a_finished_clip_lies_at_minus_20_dbfs_below_full_scale(peak: float) -> None:
    audio = (peak * rng().standard_normal(3 * RATE_HZ) ** 3).astype(np.float32)
    done = production.finish(audio)
    assert production.active_rms(done) == pytest.approx(0.1, rel=0.1)
    assert np.abs(done).max() < 0.98


def test_finishing_silence_gives_silence() -> None:
    assert not production.finish(np.zeros(RATE_HZ, np.float32)).any()


def test_the_compressor_turns_down_loud_parts_only() -> None:
    audio = np.concatenate([0.01 * tone(440, 1.0), 0.8 * tone(440, 1.0)])
    out = production.compress(audio, -20.0, 4.0)
    np.testing.assert_allclose(out[: RATE_HZ // 2], audio[: RATE_HZ // 2], atol=1e-6)
    assert np.abs(out[-RATE_HZ // 2 :]).max() < 0.4


def test_minimum_phase_has_the_magnitude_and_its_energy_first() -> None:
    frequency_hz = np.fft.rfftfreq(2048, 1 / RATE_HZ)
    magnitude = 1 / (1 + (frequency_hz / 2000) ** 2)
    response = production.minimum_phase(magnitude)
    np.testing.assert_allclose(np.abs(np.fft.rfft(response)), magnitude, rtol=0.02)
    assert np.sum(response[:64] ** 2) > 0.99 * np.sum(response**2)


def test_layers_rest_in_their_sections() -> None:
    out = production.play_in_sections(np.ones(4000, np.float32), [True, False, True, False], fade_s=0.001)
    assert out[:900].all() and out[2100:2900].all()
    assert not out[1000:1900].any() and not out[3000:].any()


def test_faults_are_named() -> None:
    good = (0.1 * tone(440, 5.0)).astype(np.float32)
    assert faults_of(good) == []
    assert faults_of(np.full(RATE_HZ, np.nan, np.float32)) == ["not finite"]
    assert faults_of(20 * good) == ["clipped"]
    assert faults_of(np.concatenate([good, np.zeros(4 * RATE_HZ, np.float32)])) == ["silent for over 3 s"]
    assert faults_of(np.concatenate([good, np.zeros(2 * RATE_HZ, np.float32), good])) == []
