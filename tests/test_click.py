"""Songs played to a click: slips of the decoder are mended, players without one are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.notes import DrumNote
from mix2midi.postprocess.click import follow_click

BEAT_S = 0.4
KICK, SNARE, HAT, COWBELL = 36, 38, 42, 56


def played(beat_s: np.ndarray) -> list[DrumNote]:
    """Eighths of the hats, and kick and snare in turn, on and between beats."""
    between_s = (beat_s[1:] + beat_s[:-1]) / 2
    notes = [DrumNote(float(time_s), HAT, 80) for time_s in np.concatenate([beat_s, between_s])]
    notes += [DrumNote(float(time_s), (KICK, SNARE)[n % 2], 100) for n, time_s in enumerate(beat_s)]
    return sorted(notes)


def slipped(beats: int, at: int, by: float, over: int = 8) -> np.ndarray:
    """Beats of a click that are lost by a part of a beat, or by some, within a few beats."""
    shift = np.interp(np.arange(beats), [at, at + over], [0.0, by])
    return (np.arange(beats) + shift) * BEAT_S


def positions(beats: int, first: int = 1) -> np.ndarray:
    return (first - 1 + np.arange(beats)) % 4 + 1


@pytest.mark.parametrize("by", [0.5, -0.5, 1.0, -2.0])
def test_a_slip_becomes_one_tempo_with_the_bars_of_the_longer_part(by: float) -> None:
    times_s = slipped(200, at=130, by=by)
    notes = played(np.arange(200) * BEAT_S)
    mended_s, mended = follow_click(times_s, positions(200, first=3), notes)
    np.testing.assert_allclose(np.diff(mended_s), BEAT_S, atol=1e-9)
    np.testing.assert_allclose(mended_s, np.arange(len(mended_s)) * BEAT_S, atol=0.002)
    assert abs(len(mended_s) - 200 - by) <= 0.5
    np.testing.assert_array_equal(mended, positions(len(mended_s), first=3))


def test_percussion_alone_is_no_click_and_no_trouble() -> None:
    times_s = slipped(200, at=130, by=0.5)
    notes = [DrumNote(float(time_s), COWBELL, 80) for time_s in times_s]
    kept_s, _ = follow_click(times_s, positions(200), notes)
    np.testing.assert_array_equal(kept_s, times_s)


def test_bars_begin_on_a_downbeat_that_is_known() -> None:
    times_s, notes = slipped(200, at=130, by=2.0), played(np.arange(200) * BEAT_S)
    mended_s, mended = follow_click(times_s, positions(200), notes, downbeat_s=150 * BEAT_S + 0.01)
    np.testing.assert_allclose(np.diff(mended_s), BEAT_S, atol=1e-9)
    assert mended[150] == 1 and mended[0] == 3
    kept_s, _ = follow_click(times_s, positions(200), notes, downbeat_s=150.5 * BEAT_S)
    np.testing.assert_array_equal(kept_s, times_s)


@pytest.mark.parametrize("off", [-0.4, 0.4])
def test_hits_between_the_sixteenths_of_even_beats_say_that_they_are_no_click(off: float) -> None:
    times_s, notes = slipped(200, at=130, by=0.5), played((np.arange(1, 200) + off / 4) * BEAT_S)
    kept_s, _ = follow_click(times_s, positions(200), notes)
    np.testing.assert_array_equal(kept_s, times_s)


def test_a_player_who_drifts_is_left_alone() -> None:
    rng = np.random.default_rng(4)
    steps_s = BEAT_S * (1.0 + 0.01 * np.cumsum(rng.normal(0.0, 0.2, 240)).clip(-3, 3))
    steps_s[:40] = BEAT_S  # as if to a click at first
    times_s = np.cumsum(steps_s)
    kept_s, kept = follow_click(times_s, positions(240), played(times_s))
    np.testing.assert_array_equal(kept_s, times_s)
    np.testing.assert_array_equal(kept, positions(240))


def test_another_tempo_in_the_second_half_is_left_alone() -> None:
    times_s = np.cumsum(np.concatenate([np.full(100, 0.4), np.full(100, 0.43)]))
    kept_s, _ = follow_click(times_s, positions(200), played(times_s))
    np.testing.assert_array_equal(kept_s, times_s)


@settings(max_examples=40, deadline=None)
@given(beats=st.integers(2, 150), beat_s=st.floats(0.3, 1.0), first=st.integers(1, 4), scatter_s=st.floats(0.0, 0.004))
def test_even_beats_stay_as_they_are(beats: int, beat_s: float, first: int, scatter_s: float) -> None:
    scatter = np.random.default_rng(beats).normal(0.0, scatter_s, beats)
    times_s = np.arange(beats) * beat_s + scatter
    kept_s, kept = follow_click(times_s, positions(beats, first), played(times_s))
    np.testing.assert_array_equal(kept_s, times_s)
    np.testing.assert_array_equal(kept, positions(beats, first))
