"""Quantising: what it promises for any performance, and what it does to typical ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.postprocess import Beats, QuantizeOptions, quantize
from mix2midi.postprocess.lines import GRID_STEPS
from tests.grooves import BEAT_S, CRASH, HAT, KICK, RIDE, SNARE, groove, steady

beats_of_songs = st.builds(steady, st.sampled_from(["4/4", "3/4", "6/8", "5/4"]), st.floats(0, 3))
performances = st.lists(
    st.builds(DrumNote, st.floats(0, 12), st.sampled_from([KICK, SNARE, HAT, RIDE, CRASH]), st.integers(1, 127)),
    min_size=1,
    max_size=40,
    unique_by=lambda note: (round(note.onset_s, 3), note.note),
).map(sorted)
fixed_swings = st.one_of(st.just(50.0), st.floats(50, 75))
options_of_users = st.one_of(
    st.builds(QuantizeOptions, st.sampled_from(sorted(GRID_STEPS)), keep_flams=st.booleans()),
    st.builds(QuantizeOptions, st.sampled_from(["1/8", "1/16", "1/32"]), swing=fixed_swings, keep_flams=st.booleans()),
    st.builds(QuantizeOptions, st.just("auto"), swing=st.sampled_from([50.0, 60.0, "auto"]), keep_flams=st.booleans()),
)
many = settings(deadline=None, max_examples=100)


def with_strength(options: QuantizeOptions, strength: float) -> QuantizeOptions:
    return QuantizeOptions(options.grid, strength, options.swing, options.keep_flams)


def by_drum(notes: list[DrumNote]) -> dict[int, list[DrumNote]]:
    drums = defaultdict(list)
    for note in sorted(notes):
        drums[note.note].append(note)
    return drums


@given(notes=performances, beats=beats_of_songs, options=options_of_users)
@many
def test_a_second_pass_changes_nothing(notes, beats, options):
    once = quantize(notes, beats, options).notes
    assert quantize(once, beats, options).notes == once


@given(notes=performances, beats=beats_of_songs, options=options_of_users)
@many
def test_strength_0_changes_nothing_at_all(notes, beats, options):
    assert quantize(notes, beats, with_strength(options, 0)).notes == notes


@given(notes=performances, beats=beats_of_songs, options=options_of_users, strength=st.floats(0, 100))
@many
def test_every_drum_keeps_its_hits_their_order_and_their_loudness(notes, beats, options, strength):
    before, after = by_drum(notes), by_drum(quantize(notes, beats, with_strength(options, strength)).notes)
    assert before.keys() == after.keys()
    for drum, hits in before.items():
        assert [hit.velocity for hit in after[drum]] == [hit.velocity for hit in hits]
        times_s = np.array([hit.onset_s for hit in after[drum]])
        assert (np.diff(times_s) > 0).all()
        assert times_s.min() >= 0


@given(notes=performances, beats=beats_of_songs, options=options_of_users)
@many
def test_no_hit_moves_by_more_than_half_a_step(notes, beats, options):
    if options.grid == "auto":
        half_s = 0.5 * BEAT_S / float(beats.signature.beat_quarters)  # quarters are the widest grid it chooses
    else:
        half_s = float(GRID_STEPS[options.grid]) / 2 * BEAT_S / float(beats.signature.beat_quarters)
    # A swung pair of steps has one that is up to half longer.
    half_s *= 1.5 if options.swing != 50 else 1.0
    before, after = by_drum(notes), by_drum(quantize(notes, beats, options).notes)
    for drum, hits in before.items():
        moved = [abs(a.onset_s - b.onset_s) for a, b in zip(after[drum], hits, strict=True)]
        assert max(moved) <= half_s + 1e-6


@given(notes=performances, beats=beats_of_songs, options=options_of_users, strength=st.floats(0, 100))
@many
def test_strength_is_the_part_of_the_way_that_is_gone(notes, beats, options, strength):
    full, part = (by_drum(quantize(notes, beats, with_strength(options, s)).notes) for s in (100, strength))
    for drum, hits in by_drum(notes).items():
        for hit, target, found in zip(hits, full[drum], part[drum], strict=True):
            expected_s = hit.onset_s + (target.onset_s - hit.onset_s) * strength / 100
            assert found.onset_s == pytest.approx(expected_s, abs=1e-9)


def test_a_hat_is_one_drum_whether_open_or_closed():
    """Played open and closed after it, it is not both at once: whichever comes last would ring or choke."""
    played = [DrumNote(0.945, 46, 90), DrumNote(1.03, 42, 80)]
    first, second = quantize(played, steady(), QuantizeOptions("1/8")).notes
    assert (first.note, second.note) == (46, 42)
    assert first.onset_s < second.onset_s


def test_the_input_is_not_changed():
    notes = [DrumNote(0.51, SNARE, 90), DrumNote(0.99, KICK, 90)]
    quantize(notes, steady())
    assert notes == [DrumNote(0.51, SNARE, 90), DrumNote(0.99, KICK, 90)]


def test_no_notes_are_no_trouble():
    assert quantize([], steady()).notes == []


@pytest.mark.parametrize(
    ("grid", "played_s", "expected_s"),
    [
        ("1/4", 0.62, 0.5),
        ("1/8", 0.62, 0.5),
        ("1/8", 0.64, 0.75),
        ("1/16", 0.61, 0.625),
        ("1/32", 0.57, 0.5625),
        ("1/8t", 0.65, 2 / 3),
        ("1/4t", 0.35, 1 / 3),
        ("1/16t", 0.59, 7 / 12),
        ("1/4d", 0.7, 0.75),
        ("1/8d", 0.7, 0.75),
        ("1/8d", 0.4, 0.375),
        ("1/16d", 0.2, 0.1875),
        ("1/8d", 1.96, 2.0),  # dotted grids begin anew with the bar
    ],
)
def test_hits_go_to_the_nearest_line(grid, played_s, expected_s):
    moved = quantize([DrumNote(played_s, SNARE, 90)], steady(), QuantizeOptions(grid))
    assert moved.notes[0].onset_s == pytest.approx(expected_s)


def test_hits_before_the_first_beat_and_after_the_last_are_moved_as_well():
    notes = [DrumNote(0.26, KICK, 90), DrumNote(5.26, KICK, 90)]
    moved = quantize(notes, steady(first_s=1.0, count=5), QuantizeOptions("1/8")).notes
    assert [note.onset_s for note in moved] == pytest.approx([0.25, 5.25])


def test_the_grid_follows_a_tempo_that_drifts():
    times_s = np.cumsum(np.concatenate([[0.0], 0.5 * np.linspace(1.0, 1.3, 31)]))
    beats = Beats(times_s, np.arange(32) % 4 + 1)
    notes = [DrumNote(float(time_s) + 0.02, SNARE, 90) for time_s in times_s]
    assert [note.onset_s for note in quantize(notes, beats).notes] == pytest.approx(list(times_s))


def test_the_hit_on_the_line_keeps_it_from_a_louder_one_beside_it():
    """A kick before the beat, however loud, does not push the one on the beat away."""
    played = [DrumNote(0.87, KICK, 127), DrumNote(1.003, KICK, 60), DrumNote(1.0, HAT, 80)]
    quantized = quantize(played, steady(), QuantizeOptions("1/4"))
    by_velocity = {note.velocity: note.onset_s for note in quantized.notes}
    assert by_velocity[60] == by_velocity[80] == pytest.approx(1.0)
    assert by_velocity[127] == pytest.approx(0.87, abs=0.01) and quantized.between_lines == 1


def test_hits_that_find_no_line_are_counted_and_those_played_with_them_stay():
    """Eighths on a grid of quarters: the hats between the lines stay, and the kick that sounds with one of them too."""
    hats = [DrumNote(0.25 * index, HAT, 80) for index in range(9)]
    kick = DrumNote(0.76, KICK, 100)
    quantized = quantize(sorted([*hats, kick]), steady(), QuantizeOptions("1/4"))
    assert quantized.between_lines == 5
    assert next(note.onset_s for note in quantized.notes if note.note == KICK) == pytest.approx(0.76)
    assert quantize(hats, steady(), QuantizeOptions("1/8")).between_lines == 0


def test_a_flam_keeps_its_grace_note():
    flam = [DrumNote(0.49, SNARE, 40), DrumNote(0.52, SNARE, 100)]
    moved = quantize(flam, steady(), QuantizeOptions("1/16")).notes
    assert [note.onset_s for note in moved] == pytest.approx([0.47, 0.5])


def test_a_flam_nearly_as_wide_as_its_cell_keeps_its_grace_note():
    flam = [DrumNote(0.48, SNARE, 40), DrumNote(0.505, SNARE, 100)]
    moved = quantize(flam, steady(), QuantizeOptions("1/32")).notes
    assert [note.onset_s for note in moved] == pytest.approx([0.475, 0.5])


def test_a_grace_note_nearer_to_another_line_goes_with_its_main_hit():
    flam = [DrumNote(0.425, SNARE, 40), DrumNote(0.465, SNARE, 100)]
    kept = quantize(flam, steady(), QuantizeOptions("1/16")).notes
    assert [note.onset_s for note in kept] == pytest.approx([0.46, 0.5])
    apart = quantize(flam, steady(), QuantizeOptions("1/16", keep_flams=False)).notes
    assert [note.onset_s for note in apart] == pytest.approx([0.375, 0.5])


def test_a_roll_faster_than_the_grid_keeps_all_its_hits():
    roll = [DrumNote(0.5 + 0.02 * k, SNARE, 60 + k) for k in range(25)]
    moved = quantize(roll, steady(), QuantizeOptions("1/4")).notes
    assert len({note.onset_s for note in moved}) == 25


def test_what_finds_no_line_is_squeezed_between_the_line_and_the_borders_of_its_cell():
    hits = [DrumNote(time_s, SNARE, 90) for time_s in (0.40, 0.48, 0.60)]
    moved = quantize(hits, steady(), QuantizeOptions("1/4")).notes
    expected_s = [0.25 + 0.15 * 0.25 / 0.23, 0.5, 0.75 - 0.15 * 0.25 / 0.27]
    assert [note.onset_s for note in moved] == pytest.approx(expected_s)


def test_the_start_of_the_song_is_the_border_of_its_first_cell():
    hits = [DrumNote(0.02, SNARE, 90), DrumNote(0.15, SNARE, 90)]
    moved = quantize(hits, steady(first_s=0.1), QuantizeOptions("1/4")).notes
    assert [note.onset_s for note in moved] == pytest.approx([0.02 * 0.1 / 0.15, 0.1])


@given(onset_s=st.floats(1e-6, 0.06))
def test_a_hit_that_goes_to_the_start_is_not_before_it(onset_s):
    beats = Beats(0.5 * np.arange(8, dtype=np.float64), np.arange(8) % 4 + 1)
    (note,) = quantize([DrumNote(onset_s, KICK, 90)], beats, QuantizeOptions("1/16")).notes
    assert note.onset_s >= 0.0


def test_a_song_that_starts_early_has_no_negative_times():
    moved = quantize([DrumNote(0.0, SNARE, 40), DrumNote(0.03, SNARE, 100)], steady(), QuantizeOptions("1/16")).notes
    assert moved[0].onset_s >= 0
    assert moved[0].onset_s < moved[1].onset_s


def test_what_was_played_together_is_not_torn_apart():
    # Half-way between two sixteenths, 6 ms apart.
    notes = [DrumNote(0.5595, KICK, 90), DrumNote(0.5655, SNARE, 90)]
    moved = quantize(notes, steady(), QuantizeOptions("1/16")).notes
    assert abs(moved[0].onset_s - moved[1].onset_s) <= 0.0061


def test_kick_and_snare_played_together_end_on_one_line():
    moved = quantize([DrumNote(0.49, KICK, 90), DrumNote(0.51, SNARE, 90)], steady(), QuantizeOptions("1/16")).notes
    assert moved[0].onset_s == moved[1].onset_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("second", "grid"), [(0.5, "1/8"), (1 / 3, "1/8t"), (0.25, "1/16"), (1 / 6, "1/16t"), (0.125, "1/32")]
)
def test_auto_finds_the_coarsest_grid_that_explains_a_bar(second, grid):
    quantized = quantize(groove(second * BEAT_S, scatter_s=0.005), steady())
    assert max(quantized.bars_by_grid, key=lambda name: quantized.bars_by_grid[name]) == grid


def test_auto_chooses_bar_by_bar():
    notes = groove(0.5 * BEAT_S, bars=4) + [
        DrumNote(note.onset_s + 8.0, note.note, note.velocity) for note in groove(BEAT_S / 3, bars=4)
    ]
    assert quantize(sorted(notes), steady()).bars_by_grid == {"1/8": 4, "1/8t": 4}


def test_auto_does_not_move_a_single_sixteenth_among_eighths():
    lone = DrumNote(2 * 4 * BEAT_S + 0.75 * BEAT_S, KICK, 90)
    moved = quantize(sorted([*groove(0.5 * BEAT_S, scatter_s=0.005), lone]), steady()).notes
    assert min(abs(note.onset_s - lone.onset_s) for note in moved if note.note == KICK) < 0.001


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grid": "1/7"}, r"grid '1/7' is not known; choose one of 1/4, 1/8, .*, auto"),
        ({"strength": 101}, "strength of 101 is out of range"),
        ({"strength": -1}, "strength of -1 is out of range"),
        ({"strength": float("nan")}, "strength of nan is out of range"),
        ({"swing": 49}, "swing of 49 is out of range"),
        ({"swing": 76}, "swing of 76 is out of range"),
        ({"swing": "some"}, "swing 'some' is not known"),
        ({"grid": "1/8t", "swing": 60.0}, "a grid of 1/8t cannot swing"),
    ],
)
def test_impossible_options_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        QuantizeOptions(**values)
