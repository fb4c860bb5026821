"""Velocities: what each rule does, and that none changes which of two hits of a drum is louder."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.postprocess import bend_velocity, fix_velocity, match_velocity, scale_velocity

performances = st.lists(
    st.builds(DrumNote, st.floats(0, 60), st.sampled_from([36, 38, 40, 42, 49, 70]), st.integers(1, 127)), max_size=40
).map(sorted)
velocity_ranges = st.tuples(st.integers(1, 127), st.integers(1, 127)).map(sorted)
models = st.lists(st.tuples(st.sampled_from([36, 38, 42]), st.integers(1, 127)), min_size=1, max_size=30)
rules = st.one_of(
    velocity_ranges.map(lambda ends: partial(scale_velocity, softest=ends[0], loudest=ends[1])),
    st.floats(0.1, 10).map(lambda exponent: partial(bend_velocity, exponent=exponent)),
    models.map(lambda model: partial(match_velocity, model=model)),
    st.integers(1, 127).map(lambda velocity: partial(fix_velocity, velocity=velocity)),
)


def played(*velocities: int, note: int = 38) -> list[DrumNote]:
    return [DrumNote(float(index), note, velocity) for index, velocity in enumerate(velocities)]


def velocities_of(notes: list[DrumNote]) -> list[int]:
    return [note.velocity for note in notes]


@given(notes=performances, rule=rules)
def test_rank_order_within_a_drum_and_all_else_is_kept(notes, rule):
    changed = rule(notes)
    assert [(n.onset_s, n.note, n.confidence) for n in changed] == [(n.onset_s, n.note, n.confidence) for n in notes]
    assert all(1 <= note.velocity <= 127 for note in changed)
    drums = defaultdict(list)
    for before, after in zip(notes, changed, strict=True):
        drums[before.note].append((before.velocity, after.velocity))
    for pairs in drums.values():
        assert (np.diff([after for _, after in sorted(pairs)]) >= 0).all()


def test_a_range_is_reached_at_both_ends():
    assert velocities_of(scale_velocity(played(40, 60, 80), 20, 120)) == [20, 70, 120]


def test_hits_that_are_all_alike_are_only_kept_within_the_range():
    assert velocities_of(scale_velocity(played(100, 100), 20, 120)) == [100, 100]
    assert velocities_of(scale_velocity(played(127, 127), 20, 120)) == [120, 120]
    assert scale_velocity([], 20, 120) == []


def test_a_curve_of_one_changes_nothing_and_others_bend():
    notes = played(1, 32, 64, 127)
    assert bend_velocity(notes, 1.0) == notes
    assert velocities_of(bend_velocity(notes, 0.5)) == [11, 64, 90, 127]
    assert velocities_of(bend_velocity(notes, 2.0)) == [1, 8, 32, 127]


def test_matching_a_part_with_itself_changes_nothing():
    notes = [*played(60, 120, note=49), *played(20, 80, 120, note=38), *played(64, note=36)]
    model = [(note.note, note.velocity) for note in notes]
    assert velocities_of(match_velocity(notes, model)) == velocities_of(notes)


def test_matching_takes_over_each_drums_own_distribution():
    notes = played(100, 110, 120, 127) + played(90, 90, note=36)
    model = [(38, velocity) for velocity in (20, 40, 60, 80)] + [(35, 101)]
    matched = match_velocity(notes, model)
    assert np.mean(velocities_of(matched[:4])) == pytest.approx(50, abs=2)
    assert velocities_of(matched[4:]) == [101, 101]


def test_a_drum_that_the_model_lacks_takes_the_distribution_of_all():
    assert velocities_of(match_velocity(played(10, note=49), [(38, 50), (36, 70)])) == [60]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (partial(fix_velocity, velocity=0), "velocity of 0 is out of range"),
        (partial(fix_velocity, velocity=128), "velocity of 128 is out of range"),
        (partial(scale_velocity, softest=0, loudest=100), "velocity of 0 is out of range"),
        (partial(scale_velocity, softest=100, loudest=20), "from 100 to 20 runs backwards"),
        (partial(bend_velocity, exponent=0.0), "curve of 0 is out of range"),
        (partial(bend_velocity, exponent=float("nan")), "curve of nan is out of range"),
        (partial(match_velocity, model=[]), "has no notes"),
    ],
)
def test_impossible_values_are_refused(rule, message):
    with pytest.raises(OptionError, match=message):
        rule(played(64))
