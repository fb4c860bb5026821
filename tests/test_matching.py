"""Pairs of true and found times: as many as mir_eval finds, and none that is farther apart than need be."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mir_eval.util import match_events

from mix2midi.matching import match_times

WINDOW_S = 0.050
#: Dense enough that most times have several partners, some of them exactly a window away.
TIMES = st.lists(st.integers(0, 200).map(lambda ms: ms / 1000), max_size=12)
FEW = st.lists(st.integers(0, 120).map(lambda ms: ms / 1000), max_size=5)


@given(TIMES, TIMES)
def test_there_are_as_many_pairs_as_the_field_counts(reference_s, estimate_s):
    rows, columns = match_times(reference_s, estimate_s, WINDOW_S)
    expected = match_events(np.array(reference_s), np.array(estimate_s), WINDOW_S) if reference_s and estimate_s else []
    assert len(rows) == len(columns) == len(expected)
    assert len(set(rows)) == len(set(columns)) == len(expected), "each is used once"
    assert all(
        abs(reference_s[row] - estimate_s[column]) < WINDOW_S + 1e-9 for row, column in zip(rows, columns, strict=True)
    )


def least_distance(reference_s: list[float], estimate_s: list[float], number: int) -> float:
    """By trying all choices of so many times; those that are chosen pair best in order."""
    sums = [
        sum(distances)
        for true in combinations(sorted(reference_s), number)
        for found in combinations(sorted(estimate_s), number)
        if max(distances := [abs(a - b) for a, b in zip(true, found, strict=True)], default=0.0) < WINDOW_S + 1e-9
    ]
    return min(sums)


@given(FEW, FEW)
def test_no_other_choice_of_as_many_is_nearer(reference_s, estimate_s):
    rows, columns = match_times(reference_s, estimate_s, WINDOW_S)
    distance = sum(abs(reference_s[row] - estimate_s[column]) for row, column in zip(rows, columns, strict=True))
    assert distance == pytest.approx(least_distance(reference_s, estimate_s, len(rows)), abs=1e-9)


@given(TIMES, TIMES)
def test_pairs_do_not_cross(reference_s, estimate_s):
    rows, columns = match_times(reference_s, estimate_s, WINDOW_S)
    assert np.all(np.diff(np.array(reference_s)[rows]) >= 0)
    assert np.all(np.diff(np.array(estimate_s)[columns]) >= 0)


def test_times_just_a_window_apart_match():
    assert len(match_times([1.0], [1.05], 0.05)[0]) == len(match_events(np.array([1.0]), np.array([1.05]), 0.05))
    assert len(match_times([0.0], [0.05], 0.05)[0]) == 1
    assert len(match_times([0.0], [0.0501], 0.05)[0]) == 0


def test_nothing_matches_nothing():
    assert [part.tolist() for part in match_times([], [1.0], 0.05)] == [[], []]
    assert [part.tolist() for part in match_times([1.0], [], 0.05)] == [[], []]
