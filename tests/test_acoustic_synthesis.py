"""Modelled cymbals, hats and toms: each sounds like what it is called, and no two alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mix2midi.drums import HATS, TOMS
from mix2midi.training.acoustic_synthesis import COUNT, CYMBALS, acoustic_instrument
from mix2midi.training.drum_kit import Tone, draw_kit
from mix2midi.training.kits import KitLibrary, Layer
from mix2midi.training.performances import ROW_OF_PIECE
from tests.sounds import RATE_HZ, write_library

EVERYTHING = (*CYMBALS, *HATS, *TOMS)


def hard_stroke(piece: str, number: int) -> NDArray[np.float32]:
    return acoustic_instrument(piece, number).layers[-1].audio


def centroid_hz(audio: NDArray[np.float32]) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float(np.sum(power * np.fft.rfftfreq(len(audio), 1 / RATE_HZ)) / power.sum())


def decay_s(audio: NDArray[np.float32]) -> float:
    """Until all but a hundredth of the energy has gone."""
    left = np.cumsum(np.square(audio[::-1], dtype=np.float64))[::-1]
    return int(np.count_nonzero(left > 0.01 * left[0])) / RATE_HZ


def lowest_tone_hz(audio: NDArray[np.float32]) -> float:
    """Pitch of a tom: its strongest frequency."""
    spectrum = np.abs(np.fft.rfft(audio, 1 << 17))
    return float(np.argmax(spectrum) * RATE_HZ / (1 << 17))


@settings(max_examples=12, deadline=None)
@given(piece=st.sampled_from(EVERYTHING), number=st.sampled_from([0, 1, COUNT - 1]))
def test_every_instrument_can_be_struck(piece: str, number: int) -> None:
    soft, hard = acoustic_instrument(piece, number).layers
    assert soft.velocity < hard.velocity
    for layer in (soft, hard):
        assert np.isfinite(layer.audio).all()
        assert np.abs(layer.audio).max() == pytest.approx(1.0, abs=1e-5)
        start = np.flatnonzero(np.abs(layer.audio) > 0.02)[0]
        assert start < 0.003 * RATE_HZ, "the stroke is at sample 0"


def test_each_piece_rings_and_shines_as_it_should() -> None:
    numbers = range(4)
    decay = {piece: float(np.median([decay_s(hard_stroke(piece, n)) for n in numbers])) for piece in EVERYTHING}
    centroid = {piece: float(np.median([centroid_hz(hard_stroke(piece, n)) for n in numbers])) for piece in EVERYTHING}
    assert decay["closed_hat"] < 0.2 < decay["open_hat"] < decay["ride"]
    assert decay["pedal_hat"] < 0.2 and decay["splash"] < decay["crash"]
    assert max(centroid[tom] for tom in TOMS) < 1500 < min(centroid[plate] for plate in (*CYMBALS, *HATS))


def test_toms_of_a_set_are_ordered_by_pitch() -> None:
    for number in range(6):
        high, mid, low = (lowest_tone_hz(hard_stroke(tom, number)) for tom in TOMS)
        assert high > mid > low


def test_a_soft_stroke_on_a_cymbal_is_darker() -> None:
    darker = [
        centroid_hz(soft.audio) < centroid_hz(hard.audio)
        for soft, hard in (acoustic_instrument("crash", number).layers for number in range(4))
    ]
    assert all(darker)


def test_numbers_are_instruments_of_their_own_and_always_the_same() -> None:
    again = acoustic_instrument.__wrapped__("ride", 3).layers[-1].audio
    np.testing.assert_array_equal(hard_stroke("ride", 3), again)
    assert len({hard_stroke("ride", number).tobytes() for number in range(4)}) == 4


def test_kits_hold_modelled_pieces_as_often_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mix2midi.training.drum_kit.COUNT", 2)  # each takes a moment to compute
    library = KitLibrary(write_library(tmp_path / "kits"))
    rng = np.random.default_rng(0)

    def share(wanted: float) -> float:
        kits = [draw_kit(rng, library, acoustic_share=wanted) for _ in range(40)]
        rides = [kit.get(ROW_OF_PIECE["ride"]) for kit in kits]
        return float(np.mean([ride is not None and ride.instrument.kit == "acoustic" for ride in rides]))

    assert share(0.0) == 0.0
    assert 0.25 < share(0.5) < 0.75
    assert share(1.0) == 1.0


def test_a_soft_attack_leaves_the_ring() -> None:
    audio = np.exp(-np.arange(RATE_HZ) / (0.2 * RATE_HZ)).astype(np.float32)
    softer = Tone(attack=0.25, attack_s=0.01).apply(Layer(100, audio))
    assert softer[0] < 0.5 * softer[int(0.05 * RATE_HZ)], "the first moment is now below what rings after it"
    ring = slice(int(0.1 * RATE_HZ), None)
    ratio = softer[ring] / audio[ring]
    assert ratio.std() < 0.01 * ratio.mean(), "what rings has the shape it had"
