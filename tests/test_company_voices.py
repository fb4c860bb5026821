"""Singers and choirs in the company of the drums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mix2midi.training.company import voices
from mix2midi.training.company.recipe import Source
from mix2midi.training.company.syllables import cut_syllable, sing_syllable
from tests.company import RATE_HZ, one_chord_score, rng, spoken


def test_a_sung_syllable_has_the_new_pitch_and_its_own_consonant() -> None:
    source = spoken(150, 4)
    syllable = cut_syllable(source)
    assert syllable is not None
    assert syllable.pitch == pytest.approx(69 + 12 * np.log2(150 / 440), abs=0.3)
    sound, n_before = sing_syllable(syllable, np.full(600, 57.0))
    assert n_before == pytest.approx(0.08 * RATE_HZ, abs=0.06 * RATE_HZ)
    n_hiss = int(0.03 * RATE_HZ)
    np.testing.assert_allclose(sound[:n_hiss], syllable.samples[:n_hiss], atol=1e-6)
    vowel = sound[n_before + 4000 : n_before + 600 * 64 - 4000]
    likeness = np.correlate(vowel, vowel, "full")[len(vowel) - 1 :]
    assert 150 + np.argmax(likeness[150:300]) == pytest.approx(RATE_HZ / 220, abs=2)
    assert likeness[200] > 2 * likeness[294], "nothing is left of the period of 150 Hz"


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE_HZ), 0.1 * np.random.default_rng(0).standard_normal(RATE_HZ), np.ones(100), np.zeros(0)],
    ids=["silence", "noise", "short", "empty"],
)
def test_sounds_without_a_voice_are_no_syllables(samples: np.ndarray) -> None:
    assert cut_syllable(samples.astype(np.float32)) is None


def test_singers_sing_the_tune_of_the_score(sources_dir: Path) -> None:
    files = tuple(sorted((sources_dir / "voice").glob("*.wav")))
    source = Source("singer", "voice", files, "me", "", "CC0")
    syllables = voices.draw_syllables(source, rng())
    assert len(syllables) == 8
    score = one_chord_score()
    sung = voices.sing(score, score.melody, syllables, rng(2))
    assert len(sung) == 4 * RATE_HZ
    loud = np.abs(sung) > 0.05
    assert loud[: RATE_HZ // 2].any() and loud[RATE_HZ : RATE_HZ * 3 // 2].any()
    assert not loud[RATE_HZ * 5 // 2 :].any(), "nothing is written after beat 3"


def test_a_choir_has_the_notes_of_its_chord() -> None:
    sound = voices.choir(one_chord_score(16), rng(3))
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    near = {}
    for pitch_class in range(12):
        centres_hz = 440 * 2 ** ((np.array([48, 60, 72]) + pitch_class - 69) / 12)
        near[pitch_class] = sum(power[np.abs(frequency_hz / hz - 1) < 0.012].sum() for hz in centres_hz)
    of_chord = sum(near[pitch_class] for pitch_class in (9, 1, 4))
    assert of_chord > 3 * (sum(near.values()) - of_chord)
