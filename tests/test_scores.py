"""Scores: hand-made triples of reference, estimate and result, and what must hold for any notes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.drums import FAMILIES
from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.scores import Counts, Reference, pool_scores, score_notes


def hits(*entries: tuple[float, int]) -> list[DrumNote]:
    return [DrumNote(onset_s, note, 100) for onset_s, note in entries]


# Name: reference, estimate, (matched, missed, extra) pooled over classes at 50 ms, and at 20 ms.
TRIPLES = {
    "both empty": ([], [], (0, 0, 0), (0, 0, 0)),
    "nothing found": (hits((1.0, 36)), [], (0, 1, 0), (0, 1, 0)),
    "one extra": ([], hits((1.0, 36)), (0, 0, 1), (0, 0, 1)),
    "exact": (hits((1.0, 36), (2.0, 38)), hits((1.0, 36), (2.0, 38)), (2, 0, 0), (2, 0, 0)),
    "late by 30 ms": (hits((1.0, 36)), hits((1.03, 36)), (1, 0, 0), (0, 1, 1)),
    "early by 30 ms": (hits((1.0, 36)), hits((0.97, 36)), (1, 0, 0), (0, 1, 1)),
    "late by 60 ms": (hits((1.0, 36)), hits((1.06, 36)), (0, 1, 1), (0, 1, 1)),
    "another class at the same time": (hits((1.0, 36)), hits((1.0, 38)), (0, 1, 1), (0, 1, 1)),
    "another piece of the class": (hits((1.0, 42)), hits((1.0, 46)), (1, 0, 0), (1, 0, 0)),
    "alternative notes of a piece": (hits((1.0, 35), (1.0, 40)), hits((1.0, 36), (1.0, 38)), (2, 0, 0), (2, 0, 0)),
    "one estimate serves one hit": (hits((1.0, 38), (1.02, 38)), hits((1.01, 38)), (1, 1, 0), (1, 1, 0)),
    "doubled estimate": (hits((1.0, 38)), hits((1.0, 38), (1.01, 38)), (1, 0, 1), (1, 0, 1)),
    # The greedy answer takes 1.04 for 1.00 and leaves 1.08 alone; a maximum matching serves both.
    "maximum matching": (hits((1.0, 38), (1.08, 38)), hits((0.96, 38), (1.04, 38)), (2, 0, 0), (0, 2, 2)),
    "percussion is left out on both sides": (
        hits((1.0, 54), (2.0, 36)),
        hits((1.5, 56), (2.0, 36)),
        (1, 0, 0),
        (1, 0, 0),
    ),
}


@pytest.mark.parametrize("name", TRIPLES)
def test_counts_of_hand_made_triples(name):
    reference, estimate, wide, narrow = TRIPLES[name]
    counts = score_notes(reference, estimate, (0.050, 0.020)).overall.counts
    assert counts == {0.050: Counts(*wide), 0.020: Counts(*narrow)}


def test_the_narrowest_window_is_10_ms():
    scores = score_notes(hits((1.0, 36), (2.0, 36)), hits((1.008, 36), (2.012, 36)))
    assert scores.windows_s == (0.050, 0.020, 0.010)
    assert scores.f_measure(0.010) == pytest.approx(0.5)


def test_confidence_is_calibrated_when_it_says_how_often_hits_are_right():
    reference = hits(*((float(n), 36) for n in range(10)))
    right = [DrumNote(float(n), 36, 100, 0.7) for n in range(7)]
    wrong = [DrumNote(n + 0.5, 36, 100, 0.7) for n in range(3)]
    assert score_notes(reference, right + wrong).overall.calibration_error == pytest.approx(0.0)
    assert score_notes(reference, wrong).overall.calibration_error == pytest.approx(0.7)
    assert score_notes(reference, right).overall.calibration_error == pytest.approx(0.3)
    assert math.isnan(score_notes(reference, []).overall.calibration_error)


def test_ratios():
    counts = Counts(matched=6, missed=2, extra=4)
    assert (counts.precision, counts.recall) == (0.6, 0.75)
    assert counts.f_measure == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert all(math.isnan(value) for value in (Counts().precision, Counts().recall, Counts().f_measure))


def test_songs_are_pooled_and_not_averaged():
    good = score_notes(hits(*((0.5 * n, 36) for n in range(9))), hits(*((0.5 * n, 36) for n in range(9))))
    bad = score_notes(hits((1.0, 38)), hits((3.0, 38)))
    pooled = pool_scores([good, bad])
    assert pooled.overall.counts[0.050] == Counts(9, 1, 1)
    assert pooled.f_measure() == pytest.approx(0.9)  # the mean of songs would be 0.5
    assert pooled.families["snare"].counts[0.050].f_measure == 0.0


def test_timing_is_positive_where_the_estimate_is_late():
    reference = hits((1.0, 36), (2.0, 36), (3.0, 38))
    estimate = hits((1.010, 36), (1.998, 36), (3.004, 38), (9.0, 38))
    scores = score_notes(reference, estimate)
    assert scores.overall.bias_s == pytest.approx((0.010 - 0.002 + 0.004) / 3)
    assert scores.overall.median_error_s == pytest.approx(0.004)
    assert scores.families["kick"].bias_s == pytest.approx(0.004)
    assert math.isnan(scores.families["toms"].bias_s)


def test_dense_hits_are_paired_in_order():
    roll = [1.0 + 0.03 * n for n in range(20)]
    scores = score_notes(hits(*((t, 38) for t in roll)), hits(*((t + 0.002, 38) for t in reversed(roll))))
    np.testing.assert_allclose(scores.overall.errors_s, 0.002)


def test_a_hit_that_was_found_is_not_paired_with_its_neighbour():
    reference = [DrumNote(1.0, 38, 20), DrumNote(1.04, 38, 110), DrumNote(2.0, 38, 60)]
    estimate = [DrumNote(1.04, 38, 110), DrumNote(2.0, 38, 60)]
    scores = score_notes(reference, estimate)
    assert scores.overall.counts[0.050] == Counts(2, 1, 0)
    np.testing.assert_array_equal(scores.overall.errors_s, [0.0, 0.0])
    assert scores.families["snare"].velocity_error == 0.0
    assert score_notes(estimate, reference).families["snare"].velocity_error == 0.0


def test_velocity_is_compared_within_classes():
    reference = [DrumNote(0.1 * n, 38, 40 + n) for n in range(20)] + [DrumNote(0.1 * n, 36, 120 - n) for n in range(20)]
    estimate = [DrumNote(0.1 * n, 38, 50 + n) for n in range(20)] + [DrumNote(0.1 * n, 36, 100 + n) for n in range(20)]
    scores = score_notes(reference, estimate)
    assert scores.families["snare"].velocity_correlation == pytest.approx(1.0)
    assert scores.families["snare"].velocity_error == scores.families["snare"].velocity_bias == pytest.approx(10.0)
    assert scores.families["kick"].velocity_bias == pytest.approx(-1.0), "as often too soft as too hard, but for one"
    assert scores.families["kick"].velocity_correlation == pytest.approx(-1.0)
    assert scores.velocity_correlation == pytest.approx(0.0)


def test_velocity_without_variation_has_no_correlation():
    flat = hits((1.0, 36), (2.0, 36), (3.0, 36), (4.0, 36))
    moving = [DrumNote(float(n), 36, 20 * n) for n in range(1, 5)]
    assert math.isnan(score_notes(flat, moving).families["kick"].velocity_correlation)
    assert math.isnan(score_notes(moving, flat).velocity_correlation)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_velocities_that_are_all_the_same_were_written_and_not_played(count):
    flat, moving = hits(*((float(n), 36) for n in range(count))), [DrumNote(float(n), 36, 20 + n) for n in range(count)]
    scores = score_notes(Reference(flat, knows_velocities=True), moving)
    assert scores.overall.counts[0.050] == Counts(count, 0, 0)
    assert scores.overall.velocities.shape == (2, 0)
    assert math.isnan(scores.overall.velocity_error) and math.isnan(scores.overall.velocity_bias)


def test_velocities_of_one_class_may_be_the_same_where_others_differ():
    notes = [*hits((1.0, 36), (2.0, 36)), DrumNote(3.0, 38, 60)]
    assert score_notes(notes, hits((1.0, 36), (2.0, 36))).families["kick"].velocity_error == 0.0


def test_references_without_velocities_or_pieces_give_no_such_scores():
    notes = hits((1.0, 42), (2.0, 42), (3.0, 42))
    scores = score_notes(Reference(notes, knows_pieces=False, knows_velocities=False), notes)
    assert scores.overall.velocities.shape == (2, 0)
    assert math.isnan(scores.overall.velocity_error) and math.isnan(scores.overall.velocity_bias)
    assert scores.pieces == {}


def test_exact_score_wants_the_right_piece():
    reference = hits((1.0, 42), (2.0, 46), (3.0, 49), (4.0, 54))
    estimate = hits((1.0, 42), (2.0, 42), (3.0, 57), (4.0, 56))
    scores = score_notes(reference, estimate)
    assert scores.overall.counts[0.050] == Counts(3, 0, 0)
    assert scores.exact == Counts(2, 1, 1)  # 57 is a crash like 49; an open hat is no closed one
    assert scores.pieces["open_hat"] == Counts(0, 1, 0)
    assert "cowbell" not in scores.pieces


def test_pooling_keeps_the_pieces_of_songs_that_know_them():
    notes = hits((1.0, 46))
    knows, knows_not = score_notes(notes, notes), score_notes(Reference(notes, knows_pieces=False), notes)
    pooled = pool_scores([knows, knows_not])
    assert pooled.exact == Counts(1, 0, 0)
    assert pooled.overall.counts[0.050] == Counts(2, 0, 0)


@pytest.mark.parametrize("windows_s", [(), (0.0,), (0.05, -0.02)])
def test_windows_must_be_positive(windows_s):
    with pytest.raises(OptionError, match="positive"):
        score_notes([], [], windows_s)


def test_pooling_nothing_or_mixed_windows_is_refused():
    with pytest.raises(OptionError, match="at least one song"):
        pool_scores([])
    with pytest.raises(OptionError, match="same windows"):
        pool_scores([score_notes([], [], (0.05,)), score_notes([], [], (0.02,))])


# Onsets on a grid of 1 ms that is never exactly 20 or 50 ms apart once estimates are shifted by a third of a step, so
# that rounding does not decide a match.
ONSETS = st.integers(0, 3000).map(lambda ms: ms / 1000)
NOTES = st.sampled_from([36, 38, 37, 42, 44, 46, 48, 45, 43, 49, 51, 53, 54, 56, 99])
PARTS = st.lists(st.builds(DrumNote, ONSETS, NOTES, st.integers(1, 127)), max_size=40)


def shifted(notes: list[DrumNote]) -> list[DrumNote]:
    return [DrumNote(note.onset_s + 1 / 3000, note.note, note.velocity) for note in notes]


@given(PARTS.filter(lambda notes: any(note.note < 54 for note in notes)))
def test_a_part_scored_against_itself_is_perfect(notes):
    scores = score_notes(notes, notes)
    assert [scores.f_measure(window_s) for window_s in scores.windows_s] == [1.0, 1.0, 1.0]
    assert scores.exact.f_measure == 1.0
    assert scores.overall.median_error_s == 0.0


@given(PARTS, PARTS)
def test_swapping_the_sides_swaps_misses_and_extra_hits(reference, estimate):
    forward = score_notes(reference, shifted(estimate)).overall
    backward = score_notes(shifted(estimate), reference).overall
    for window_s, counts in forward.counts.items():
        assert backward.counts[window_s] == Counts(counts.matched, counts.extra, counts.missed)
    assert backward.errors_s.sum() == pytest.approx(-forward.errors_s.sum(), abs=1e-9)


@given(PARTS, PARTS, st.randoms(use_true_random=False))
def test_the_order_of_notes_does_not_matter(reference, estimate, random):
    expected = score_notes(reference, shifted(estimate))
    random.shuffle(reference)
    random.shuffle(estimate)
    scores = score_notes(reference, shifted(estimate))
    assert scores.pieces == expected.pieces
    for family in FAMILIES:
        assert scores.families[family].counts == expected.families[family].counts
        np.testing.assert_array_equal(scores.families[family].errors_s, expected.families[family].errors_s)


@given(PARTS, PARTS)
def test_what_matches_lies_within_the_window(reference, estimate):
    overall = score_notes(reference, shifted(estimate)).overall
    assert np.all(np.abs(overall.errors_s) <= 0.050)
    assert overall.counts[0.020].matched <= overall.counts[0.050].matched == len(overall.errors_s)


@given(st.lists(st.tuples(PARTS, PARTS), min_size=1, max_size=4))
def test_pooled_counts_are_sums(songs):
    scores = [score_notes(reference, shifted(estimate)) for reference, estimate in songs]
    pooled = pool_scores(scores)
    for family in FAMILIES:
        counts = [song.families[family].counts[0.050] for song in scores]
        assert pooled.families[family].counts[0.050].matched == sum(entry.matched for entry in counts)
        assert pooled.families[family].counts[0.050].extra == sum(entry.extra for entry in counts)
