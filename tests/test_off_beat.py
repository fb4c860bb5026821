"""Swung parts whose second notes were taken for beats, and shuffles taken for 6/8."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.notes import DrumNote
from mix2midi.postprocess import QuantizeOptions, quantize, track_beats
from mix2midi.postprocess.beat_roll import BEAT_FPS
from mix2midi.postprocess.metrical_level import is_shuffle
from mix2midi.postprocess.off_beat import find_long_notes, move_beats

KICK, SNARE, HAT = 36, 38, 42
BEATS = 48


def part(*phases: float, tempo_bpm: float = 110.0, scatter_s: float = 0.006) -> list[DrumNote]:
    """A hat at some phases of every beat."""
    rng = np.random.default_rng(3)
    hits = [beat + phase for beat in range(BEATS) for phase in phases]
    return sorted(DrumNote(max(0.0, b * 60 / tempo_bpm + rng.normal(0, scatter_s)), HAT, 90) for b in hits)


@settings(deadline=None)
@given(percent=st.floats(56, 72), tempo_bpm=st.floats(60, 160), on_second=st.booleans())
def test_the_long_note_comes_first(percent, tempo_bpm, on_second):
    beat_s = 60 / tempo_bpm
    true_s = np.arange(BEATS) * beat_s
    heard_s = true_s + percent / 100 * beat_s if on_second else true_s
    found_s = find_long_notes(heard_s, part(0.0, percent / 100, tempo_bpm=tempo_bpm))
    if not on_second:
        assert found_s is None
    else:
        assert found_s is not None
        assert np.abs(found_s[:-1] - true_s[1:]).max() < 0.02


def test_beats_that_change_to_the_second_note_on_the_way_are_led_back():
    beat_s, half = 60 / 110, BEATS // 2
    true_s = np.arange(2 * BEATS) * beat_s
    notes = [DrumNote(time_s + late * beat_s, HAT, 90) for time_s in true_s for late in (0.0, 0.64)]
    found_s = find_long_notes(true_s + 0.64 * beat_s * (np.arange(2 * BEATS) >= BEATS), notes)
    assert found_s is not None
    for stretch in (slice(0, half), slice(BEATS + half, 2 * BEATS)):
        assert np.abs(found_s[stretch, None] - np.append(true_s, true_s[-1] + beat_s)).min(axis=1).max() < 0.02


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param((0.0,), id="quarters"),
        pytest.param((0.0, 1 / 2), id="eighths"),
        pytest.param((0.0, 1 / 3, 2 / 3), id="triplets"),
        pytest.param((0.0, 1 / 4, 1 / 2, 3 / 4), id="sixteenths"),
        pytest.param((0.0, 1 / 4, 3 / 4), id="some sixteenths"),
        pytest.param((0.0, 0.33, 1 / 2, 0.83), id="swung sixteenths"),
        pytest.param((0.0, 0.52), id="hardly swung"),
    ],
)
@pytest.mark.parametrize("late", [0.0, 0.5])
def test_what_does_not_swing_the_wrong_way_says_nothing(phases, late):
    heard_s = (np.arange(BEATS) + late) * 60 / 110
    assert find_long_notes(heard_s, part(*phases)) is None


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(35, 59), st.integers(1, 127)), min_size=1, max_size=60),
    st.floats(56, 210),
)
def test_whatever_is_played_beats_rise(hits, tempo_bpm):
    found_s = find_long_notes(np.arange(0.0, 20.0, 60 / tempo_bpm), sorted(DrumNote(*hit) for hit in hits))
    assert found_s is None or np.all(np.diff(found_s) > 0)


def test_moved_beats_keep_their_bar_lines():
    observations = np.stack([np.full(200, 0.4), np.where(np.arange(200) < 100, 0.2, 0.1)])
    observations[0, 30] = 0.9
    beat, downbeat = move_beats(observations, np.array([-1.0, 1.0, 3.0, 9.0]))
    assert sorted(np.argsort(beat)[-2:]) == [BEAT_FPS, 3 * BEAT_FPS]
    assert downbeat[[BEAT_FPS, 3 * BEAT_FPS]] / beat[[BEAT_FPS, 3 * BEAT_FPS]] == pytest.approx([0.5, 0.25])


def test_silence_around_a_song_stays_silent_of_bar_lines():
    observations = np.zeros((2, 100))
    observations[:, 40:60] = 0.5
    _, downbeat = move_beats(observations, np.array([0.2, 1.0]))
    assert np.isfinite(downbeat).all()
    assert downbeat[10] == 0.0
    assert downbeat[50] > 0.0


def test_a_shuffle_is_four_beats_of_long_and_short():
    notes = part(0.0, 2 / 3)
    heard_s = np.arange(0.0, BEATS, 4 / 6) * 60 / 110
    assert is_shuffle(heard_s, np.arange(len(heard_s)) % 6 + 1, notes)


@pytest.mark.parametrize("phases", [(0.0,), (0.0, 0.5)], ids=["eighths", "sixteenths"])
def test_six_eighths_are_no_shuffle(phases):
    heard_s = np.arange(BEATS) * 60 / 180
    assert not is_shuffle(heard_s, np.arange(BEATS) % 6 + 1, part(*phases, tempo_bpm=180))


@pytest.mark.parametrize("percent", [58.0, 62.0, 66.7])
def test_a_part_that_stresses_its_second_notes_swings_as_played(percent):
    beat_s, late = 60 / 112, percent / 100
    bar = [(beat, HAT, 70) for beat in range(4)] + [(beat + late, HAT, 100) for beat in range(4)]
    bar += [(beat + late, KICK if beat % 2 == 0 else SNARE, 110) for beat in range(4)] + [(0, KICK, 60), (1, KICK, 60)]
    scatter_s = np.random.default_rng(1).normal(0, 0.004, 16 * len(bar))
    hits = [(4 * number + beat, note, velocity) for number in range(16) for beat, note, velocity in bar]
    notes = sorted(DrumNote(max(0.0, b * beat_s + s), note, v) for (b, note, v), s in zip(hits, scatter_s, strict=True))
    beats = track_beats(notes, notes[-1].onset_s + 1)
    assert beats.tempo_bpm == pytest.approx(112, rel=0.01)
    assert np.abs(beats.times_s / beat_s - np.rint(beats.times_s / beat_s)).max() < 0.1
    swing = quantize(notes, beats, QuantizeOptions(swing="auto")).swing
    assert swing.percent == pytest.approx(percent, abs=1.5)
    assert swing.step == Fraction(1, 2)
