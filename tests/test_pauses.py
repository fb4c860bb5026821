"""Beats in pauses of the drums: they go on at the tempo around them, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.notes import DrumNote
from mix2midi.postprocess import BeatOptions, track_beats
from mix2midi.postprocess.pauses import keep_time_in_pauses

KICK, SNARE, HAT, COWBELL = 36, 38, 42, 56


def rock(bpm: float, bars: range, shift_s: float = 0.0) -> list[DrumNote]:
    """Kick and snare in turn under eighths of the hats, in 4/4."""
    notes = []
    for eighth in (8 * bar + step for bar in bars for step in range(8)):
        time_s = shift_s + eighth * 30.0 / bpm
        notes.append(DrumNote(time_s, HAT, 80))
        if eighth % 2 == 0:
            notes.append(DrumNote(time_s, (KICK, SNARE)[eighth // 2 % 2], 100))
    return sorted(notes)


def tempos(notes: list[DrumNote], duration_s: float) -> np.ndarray:
    return 60.0 / np.diff(track_beats(notes, duration_s).times_s)


@pytest.mark.parametrize("bpm", [84.0, 120.0, 172.0])
def test_a_song_keeps_its_tempo_before_in_and_after_pauses(bpm: float) -> None:
    bar_s = 240.0 / bpm
    notes = rock(bpm, range(10, 26)) + rock(bpm, range(36, 52))
    np.testing.assert_allclose(tempos(notes, 62 * bar_s), bpm, rtol=0.002)
    downbeats_s = track_beats(notes, 62 * bar_s).downbeats_s
    off = np.abs(downbeats_s / bar_s - np.rint(downbeats_s / bar_s))
    assert off.max() < 0.02, "bars stay where they were before the pause"


@pytest.mark.parametrize("bar", [4, 12, 30, 55])
def test_a_downbeat_that_is_known_is_one_and_the_tempo_stays(bar: int) -> None:
    bar_s, known_s = 2.0, 2.0 * bar + 1.0  # on the third beat: bars are to be shifted by half
    notes = rock(120.0, range(10, 26)) + rock(120.0, range(36, 52))
    beats = track_beats(notes, 62 * bar_s, BeatOptions(downbeat_s=known_s))
    assert np.abs(beats.downbeats_s - known_s).min() < 0.03
    np.testing.assert_allclose(60.0 / np.diff(beats.times_s), 120.0, rtol=0.01)


def test_a_phantom_hit_and_percussion_in_a_pause_change_nothing() -> None:
    notes = [DrumNote(0.0, SNARE, 88), *rock(140.0, range(12, 30))]
    end_s = notes[-1].onset_s
    notes += [DrumNote(end_s + step * 0.37, COWBELL, 80) for step in range(3, 30)]
    np.testing.assert_allclose(tempos(notes, end_s + 20.0), 140.0, rtol=0.002)


def test_another_tempo_after_a_pause_is_left_alone() -> None:
    first, second = np.arange(40) * 0.5, 19.5 + 20 * 0.55 + np.arange(1, 41) * 0.6
    silent = 19.5 + np.arange(1, 20) * 0.55
    times_s = np.concatenate([first, silent, second])
    position = np.arange(len(times_s)) % 4 + 1
    notes = [DrumNote(float(time_s), KICK, 100) for time_s in np.concatenate([first, second])]
    kept_s, kept = keep_time_in_pauses(times_s, position, notes)
    np.testing.assert_array_equal(kept_s, times_s)
    np.testing.assert_array_equal(kept, position)


def test_a_pause_goes_on_with_the_tempo_beside_it_whatever_the_songs_was_before() -> None:
    slow = np.arange(40) * 0.6
    before = slow[-1] + 0.5 * np.arange(1, 21)
    after = before[-1] + 10.0 + 0.5 * np.arange(24)
    decoded = np.linspace(before[-1], after[0], 16, endpoint=False)[1:]  # a bar too few, as the decoder has it
    times_s = np.concatenate([slow, before, decoded, after])
    notes = [DrumNote(float(time_s), KICK, 100) for time_s in np.concatenate([slow, before, after])]
    kept_s, _ = keep_time_in_pauses(times_s, np.arange(len(times_s)) % 4 + 1, notes)
    np.testing.assert_allclose(np.diff(kept_s[len(slow) :]), 0.5)


@pytest.mark.parametrize("hits", [0, 1, 5])
def test_hardly_any_hits_leave_the_beats_as_they_are(hits: int) -> None:
    times_s, position = 0.5 * np.arange(40, dtype=np.float64), np.arange(40) % 4 + 1
    notes = [DrumNote(10.0 + 0.5 * hit, KICK, 100) for hit in range(hits)]
    kept_s, kept = keep_time_in_pauses(times_s, position, notes)
    np.testing.assert_array_equal(kept_s, times_s)
    np.testing.assert_array_equal(kept, position)


def test_the_beats_that_are_heard_count_and_not_the_strokes_on_them() -> None:
    """Seven flams, which are fourteen onsets on seven beats, say as little about a pause as seven hits."""
    times_s, position = 0.5 * np.arange(40, dtype=np.float64), np.arange(40) % 4 + 1
    flams = [DrumNote(5.0 + 0.5 * beat + late_s, SNARE, 90) for beat in range(7) for late_s in (-0.02, 0.02)]
    kept_s, _ = keep_time_in_pauses(times_s, position, flams)
    np.testing.assert_array_equal(kept_s, times_s)


parts = st.lists(st.tuples(st.integers(9, 40), st.integers(1, 30)), min_size=1, max_size=3)  # played, silent


@settings(max_examples=60, deadline=None)
@given(parts=parts, meter=st.sampled_from([2, 3, 4, 6]), first=st.integers(0, 5), slow=st.floats(0.9, 1.1))
def test_beats_that_are_played_stay_and_bars_stay_whole(
    parts: list[tuple[int, int]], meter: int, first: int, slow: float
) -> None:
    beats = [hit for played, silent in parts for hit in [True] * played + [False] * silent] + [True] * 12
    step_s = np.where(beats, 0.5, 0.5 * slow)
    times_s = np.cumsum(step_s)
    position = (first + np.arange(len(times_s))) % meter + 1
    notes = [DrumNote(float(time_s), SNARE, 90) for time_s, hit in zip(times_s, beats, strict=True) if hit]
    kept_s, kept = keep_time_in_pauses(times_s, position, notes)
    assert np.all(np.diff(kept_s) > 0)
    assert np.all(np.diff(kept) % meter == 1 % meter)
    played_s, counted = times_s[np.array(beats)], position[np.array(beats)]
    assert np.isin(played_s, kept_s).all()
    np.testing.assert_array_equal(kept[np.searchsorted(kept_s, played_s)], counted)
