"""Swing: read from what is played, kept where it is asked for, and not heard where there is none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.notes import DrumNote
from mix2midi.postprocess import Beats, QuantizeOptions, TimeSignature, quantize
from mix2midi.postprocess.lines import STRAIGHT, Swing, bar_lines
from mix2midi.postprocess.swing import estimate_swing
from tests.grooves import BEAT_S, HAT, KICK, SNARE, groove, steady


def test_swung_sixteenths_need_no_hits_that_swing():
    few = [DrumNote(0.0, KICK, 90), DrumNote(0.16, SNARE, 90), DrumNote(0.25, KICK, 90), DrumNote(1.0, KICK, 90)]
    moved = quantize(few, steady(), QuantizeOptions("1/16", swing=67.0)).notes
    assert [note.onset_s for note in moved] == pytest.approx([0.0, 0.67 * BEAT_S / 2, 0.25, 1.0])


@pytest.mark.parametrize("signature", ["7/8", "5/8", "4/4", "3/4"])
def test_swing_begins_anew_in_bars_of_an_odd_number_of_eighths(signature):
    bar = TimeSignature.parse(signature)
    eighths = int(bar.bar_quarters * 2)
    counted = 2 if bar.denominator == 4 else 1  # eighths of a beat
    place = [eighth // 2 + (2 / 3 if eighth % 2 else 0.0) for eighth in range(eighths)]
    notes = [
        DrumNote((number * eighths / 2 + quarter) * 2 / counted * BEAT_S, HAT, 80)
        for number in range(10)
        for quarter in place
    ]
    swing = quantize(notes, steady(signature, count=200), QuantizeOptions("1/8", swing="auto")).swing
    assert swing.percent == pytest.approx(66.7, abs=1.5)


@pytest.mark.parametrize("percent", [50, 55, 60, 62, 66.7, 70, 74])
def test_swing_is_read_from_the_hats(percent):
    quantized = quantize(groove(percent / 100 * BEAT_S), steady(), QuantizeOptions("1/8", swing="auto"))
    assert quantized.swing.percent == pytest.approx(percent, abs=1.5)
    phases = {round(note.onset_s / BEAT_S % 1, 3) for note in quantized.notes if note.note == HAT}
    assert phases == {0.0, round(quantized.swing.percent / 100, 3)}


def test_hats_swing_and_the_kick_stays_straight_unless_they_play_together():
    rng = np.random.default_rng(5)
    beats_s = np.arange(32) * BEAT_S
    notes = groove(0.62 * BEAT_S)
    notes += [DrumNote(float(t), KICK, 80) for t in beats_s[::2] + 0.5 * BEAT_S + rng.normal(0, 0.004, 16)]
    notes += [DrumNote(float(t), SNARE, 80) for t in beats_s[1::8] + 0.62 * BEAT_S + rng.normal(0, 0.004, 4)]
    quantized = quantize(sorted(notes), steady(), QuantizeOptions("1/8", swing="auto"))
    off = {
        drum: {round(note.onset_s / BEAT_S % 1, 3) for note in quantized.notes if note.note == drum} - {0.0}
        for drum in (KICK, SNARE, HAT)
    }
    assert off[KICK] == {0.5}
    assert off[HAT] == off[SNARE] == {round(quantized.swing.percent / 100, 3)}


@pytest.mark.parametrize("seed", range(3))
def test_drags_before_the_backbeats_do_not_keep_a_song_off_the_grid_that_is_asked_for(seed):
    rng = np.random.default_rng(seed)
    beat_s, bars = 0.6, 12
    hits = [(bar * 4 + half / 2, HAT, 90) for bar in range(bars) for half in range(8)]
    hits += [(bar * 4 + beat, KICK, 105) for bar in range(bars) for beat in (0, 1.75, 2, 2.5)]
    for backbeat in range(1, 4 * bars, 2):
        hits += [(backbeat - early_s / beat_s, SNARE, 45) for early_s in (0.04, 0.08)] + [(backbeat, SNARE, 112)]
    notes = sorted(DrumNote(max(0.0, b * beat_s + rng.normal(0, 0.004)), drum, v) for b, drum, v in hits)
    beats = Beats(beat_s * np.arange(56, dtype=np.float64), np.arange(56) % 4 + 1)
    quantized = quantize(notes, beats, QuantizeOptions("1/16", swing="auto"))
    sixteenths = np.array([note.onset_s for note in quantized.notes if note.note == KICK]) / beat_s * 4
    np.testing.assert_allclose(sixteenths, np.rint(sixteenths), atol=1e-6)


@pytest.mark.parametrize("apart_s", [0.035, 0.05])
def test_drags_are_no_swing(apart_s):
    straight = groove(0.25 * BEAT_S)
    strokes = [note for note in straight if note.note == SNARE]
    drags = [DrumNote(n.onset_s - early * apart_s, SNARE, 40) for n in strokes for early in (1, 2)]
    kicks = [DrumNote(note.onset_s + 0.75 * BEAT_S, KICK, 90) for note in strokes]
    for grid in ("1/16", "auto"):
        quantized = quantize(sorted([*straight, *drags, *kicks]), steady(), QuantizeOptions(grid, swing="auto"))
        assert quantized.swing.percent == 50
        phases = {round(note.onset_s / BEAT_S % 1, 3) for note in quantized.notes if note.note == KICK}
        assert phases == {0.0, 0.75}


def test_straight_sixteenths_do_not_swing():
    assert quantize(groove(0.25 * BEAT_S), steady(), QuantizeOptions(swing="auto")).swing.percent == 50
    quarters = np.arange(0, 64, 0.25)
    swing = estimate_swing(quarters, np.full(len(quarters), 0.5))
    assert swing is not None
    assert swing.percent == 50


def test_a_players_scatter_is_no_swing():
    quarters = np.arange(0, 16, 0.5)
    for seed in range(12):
        played = quarters + np.random.default_rng(seed).normal(0, 0.008, len(quarters)) / BEAT_S
        assert estimate_swing(played, np.full(len(played), BEAT_S)) == STRAIGHT


@pytest.mark.parametrize("step", [0.5, 1.0])
def test_notes_a_little_before_the_beat_are_no_swing(step):
    rng = np.random.default_rng(0)
    quarter_s = 0.375
    quarters = np.arange(1, 128, step)
    played = quarters + rng.normal(-0.006, 0.008, len(quarters)) / quarter_s
    swing = estimate_swing(played, np.full(len(played), quarter_s))
    assert swing in (None, STRAIGHT)  # without second notes nothing is known


def test_swung_sixteenths_are_told_from_swung_eighths():
    quarters = np.concatenate([np.arange(0, 32, 0.5), np.arange(0, 32, 0.5) + 0.31])
    swing = estimate_swing(np.sort(quarters), np.full(len(quarters), 0.6))
    assert swing == Swing(62.0, Fraction(1, 4))


@pytest.mark.parametrize("percent", [58, 62])
def test_swung_eighths_with_notes_half_way_between_them_are_no_swung_sixteenths(percent):
    second = percent / 100
    quarters = [beat + place for beat in range(32) for place in ((0.0, second), (0.0, second / 2, second))[beat % 2]]
    swing = estimate_swing(np.array(quarters), np.full(len(quarters), BEAT_S))
    assert swing == Swing(percent, Fraction(1, 2))


def test_too_few_hits_tell_no_swing():
    assert estimate_swing(np.array([0.0, 1.0, 2.0, 2.66]), np.full(4, 0.5)) is None


@given(percent=st.floats(50, 75), grid=st.sampled_from(["1/8", "1/16", "1/32"]), step=st.sampled_from([2, 4]))
def test_lines_rise_whatever_the_swing(percent, grid, step):
    lines = bar_lines(grid, 4.0, Swing(percent, Fraction(1, step)))
    assert lines[0] == 0
    assert (np.diff(lines) > 0).all()
    assert lines[-1] < 4
