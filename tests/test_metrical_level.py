"""Whether a tempo is half or double, and whether it was misheard in part of a song."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.notes import DrumNote
from mix2midi.postprocess import track_beats
from mix2midi.postprocess.beat_roll import BEAT_FPS
from mix2midi.postprocess.beat_training.levels import Choice, cross_validate, fit, share_right
from mix2midi.postprocess.metrical_level import (
    LEVELS,
    OCTAVES,
    WEIGHTS,
    Heard,
    beats_of_levels,
    describe_level,
    is_misheard_in_part,
    likely_level,
)

KICK, SNARE, HAT, PEDAL, RIDE = 36, 38, 42, 44, 51
ANY_TEMPO = (30.0, 400.0)


def jazz(tempo_bpm: float, bars: int = 16) -> list[DrumNote]:
    """Ride on every beat and skipping before one and three, pedal hat on two and four, a feathered kick."""
    hits: list[tuple[float, int, int]] = []
    for beat in range(4 * bars):
        hits += [(beat, RIDE, 100), (beat, KICK, 45)]
        hits += [(beat, PEDAL, 80), (beat + 2 / 3, RIDE, 75)] if beat % 2 else []
    rng = np.random.default_rng(5)
    scatter_s = rng.normal(0.0, 0.004, len(hits))
    return sorted(
        DrumNote(max(0.0, b * 60 / tempo_bpm + s), n, v) for (b, n, v), s in zip(hits, scatter_s, strict=True)
    )


def heard_at(notes: list[DrumNote], beats_s: np.ndarray) -> Heard:
    """As if the network had heard these beats, and was sure."""
    beat = np.full(int(notes[-1].onset_s * BEAT_FPS) + 60, 0.02)
    beat[np.rint(beats_s * BEAT_FPS).astype(int)] = 0.9
    return Heard.of(notes, beat)


def level_of(notes: list[DrumNote], tempo_bpm: float, tempo_range: tuple[float, float] = ANY_TEMPO) -> float:
    beats_s = np.arange(0.0, notes[-1].onset_s, 60 / tempo_bpm)
    position = np.arange(len(beats_s)) % 4 + 1
    return likely_level(beats_s, position, heard_at(notes, beats_s), tempo_range)


def backbeat(tempo_bpm: float, bars: int = 16) -> list[DrumNote]:
    """Kick on one and three, snare on two and four, hats in eighths."""
    hits = [(float(beat), KICK if beat % 2 == 0 else SNARE, 100) for beat in range(4 * bars)]
    hits += [(half / 2, HAT, 90) for half in range(8 * bars)]
    return sorted(DrumNote(beat * 60 / tempo_bpm, note, velocity) for beat, note, velocity in hits)


@pytest.mark.parametrize("tempo_bpm", [90, 105, 120])
def test_a_backbeat_says_where_the_beat_is(tempo_bpm):
    notes = backbeat(tempo_bpm)
    levels = [level_of(notes, tempo_bpm * heard) for heard in (0.5, 1.0, 2.0)]
    assert levels == [2.0, 1.0, 0.5]


@pytest.mark.parametrize("tempo_bpm", [110, 130, 150, 170])
def test_a_swung_ride_keeps_its_level(tempo_bpm):
    assert level_of(jazz(tempo_bpm), tempo_bpm) == 1.0


@pytest.mark.parametrize("tempo_bpm", [100, 140, 170])
def test_jazz_has_its_tempo(tempo_bpm):
    notes = jazz(tempo_bpm)
    assert track_beats(notes, notes[-1].onset_s + 1).tempo_bpm == pytest.approx(tempo_bpm, rel=0.01)


def test_a_level_out_of_range_is_not_taken():
    assert level_of(backbeat(110), 55) == 2.0
    assert level_of(backbeat(110), 55, tempo_range=(50.0, 100.0)) == 1.0


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(35, 59), st.integers(1, 127)), min_size=1, max_size=60),
    st.floats(56, 210),
)
def test_any_hits_are_described_in_finite_numbers(hits, tempo_bpm):
    beats_s = np.arange(0.0, 20.0, 60 / tempo_bpm)
    heard = heard_at([*sorted(DrumNote(*hit) for hit in hits), DrumNote(20.5, KICK, 1)], beats_s)
    for factor, level_s in beats_of_levels(beats_s, np.arange(len(beats_s)) % 4 + 1).items():
        described = describe_level(factor, level_s, heard)
        assert described.shape == (len(WEIGHTS),)
        assert np.isfinite(described).all()


@pytest.mark.parametrize(("hits_per_beat", "fullness_squared"), [(0.5, 1.0), (1.0, 0.0), (2.0, 1.0), (4.0, 4.0)])
def test_a_beat_has_about_one_loud_hit_and_more_count_as_much_as_fewer(hits_per_beat, fullness_squared):
    beats_s = np.arange(0.0, 32.1, 0.5)
    notes = [DrumNote(time_s, HAT, 90) for time_s in np.arange(0.0, 32.0, 0.5 / hits_per_beat)]
    described = dict(zip(WEIGHTS, describe_level(1.0, beats_s, heard_at(notes, beats_s[:-1])), strict=True))
    assert described["fullness squared"] == pytest.approx(fullness_squared, abs=0.1)


@pytest.mark.parametrize("first", [0, 1])
def test_beats_are_as_uneven_whichever_of_two_is_the_likelier(first):
    beats_s, notes = np.arange(0.0, 16.0, 0.5), backbeat(120, bars=8)
    described = dict(zip(WEIGHTS, describe_level(1.0, beats_s, heard_at(notes, beats_s[first::2])), strict=True))
    assert described["uneven beats"] == pytest.approx(0.88, abs=0.01)


def song_of(*stretches: tuple[float, int]) -> np.ndarray:
    """Beats of stretches, each a tempo in beats per minute and a number of beats."""
    return np.cumsum(np.concatenate([np.full(beats, 60 / tempo_bpm) for tempo_bpm, beats in stretches]))


@pytest.mark.parametrize("ratio", [1 / 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2, 2])
def test_a_stretch_at_a_simple_ratio_was_misheard(ratio):
    beats_s = song_of((100, 100), (100 * ratio, 20), (100, 40))
    assert is_misheard_in_part(beats_s)
    assert is_misheard_in_part(beats_s, OCTAVES) == (ratio in (1 / 2, 2))


@pytest.mark.parametrize(
    "stretches",
    [
        pytest.param([(100, 100)], id="steady"),
        pytest.param([(90 + number, 4) for number in range(20)], id="slowly faster"),
        pytest.param([(100, 60), (118, 40)], id="another tempo at no simple ratio"),
        pytest.param([(100, 60), (150, 60)], id="another tempo for half of the song"),
        pytest.param([(100, 5), (150, 2)], id="too short to tell"),
    ],
)
def test_what_songs_do_was_not_misheard(stretches):
    assert not is_misheard_in_part(song_of(*stretches))


def test_weights_are_found_that_choose_as_the_examples_do():
    rng = np.random.default_rng(2)
    true = np.array(list(WEIGHTS.values()))
    tables = rng.normal(size=(300, len(LEVELS), len(WEIGHTS)))
    choices = [Choice(table, int(np.argmax(table @ true)), f"drummer{n % 5}") for n, table in enumerate(tables)]
    assert share_right(choices, fit(choices)) > 0.95
    assert cross_validate(choices) > 0.9
    assert share_right(choices, -fit(choices)) < 0.2


def test_a_song_without_a_right_level_counts_as_wrong_and_teaches_nothing():
    table = np.eye(len(LEVELS), len(WEIGHTS))
    lost, found = Choice(table, -1, "a"), Choice(table, 1, "a")
    assert share_right([lost, found], fit([lost, found])) == 0.5
