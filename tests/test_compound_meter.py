"""Bars of six eighths whose beats were heard as something else."""

from __future__ import annotations

import numpy as np
import pytest

from mix2midi.notes import DrumNote
from mix2midi.postprocess import BeatOptions, Beats, track_beats
from mix2midi.postprocess.compound_meter import hear_six_eighths

KICK, SNARE, HAT, TOM = 36, 38, 42, 45
BARS, START_S = 16, 1.0


def played(kick: str, snare: str, hat: str, step_s: float, bars: int = BARS) -> list[DrumNote]:
    """Bars written with a character for each step, some of them ending with a fill."""
    rng = np.random.default_rng(3)
    hits = []
    for bar in range(bars):
        for step in range(len(hat)):
            is_fill = bar % 4 == 3 and step >= len(hat) - 2
            lines = ((TOM, "x" * len(hat)),) if is_fill else ((KICK, kick), (SNARE, snare), (HAT, hat))
            hits += [(bar * len(hat) + step, note) for note, line in lines if line[step] == "x"]
    scatter_s = rng.normal(0.0, 0.004, len(hits))
    return sorted(
        DrumNote(START_S + step * step_s + late_s, note, int(rng.integers(85, 110)))
        for (step, note), late_s in zip(hits, scatter_s, strict=True)
    )


def heard(notes: list[DrumNote], tempo_bpm: float | None = None, downbeat_s: float | None = None) -> Beats:
    return track_beats(notes, notes[-1].onset_s + 1.0, BeatOptions(tempo_bpm, downbeat_s=downbeat_s))


def bar_lines(beats: Beats, notes: list[DrumNote]) -> np.ndarray:
    return beats.downbeats_s[(beats.downbeats_s > START_S - 0.1) & (beats.downbeats_s < notes[-1].onset_s)]


@pytest.mark.parametrize("kick", ["x.....", "x....x", "x.x..."])
@pytest.mark.parametrize("quarter_bpm", [75.0, 90.0, 98.0, 105.0, 120.0])
def test_a_ballad_in_six_eighths_is_one_at_any_tempo(kick, quarter_bpm):
    eighth_s = 30 / quarter_bpm
    notes = played(kick, "...x..", "xxxxxx", eighth_s)
    beats = heard(notes)
    # Two bars of six eighths are one of four beats of three, which is as good.
    meter, bpm, bar_s = (
        ("6/8", quarter_bpm, 6 * eighth_s)
        if str(beats.signature) == "6/8"
        else ("4/4", quarter_bpm / 1.5, 12 * eighth_s)
    )
    assert str(beats.signature) == meter
    assert beats.tempo_bpm == pytest.approx(bpm, rel=0.01)
    lines_s = bar_lines(beats, notes)
    assert len(lines_s) >= BARS // 2 - 1
    assert np.abs((lines_s - START_S + bar_s / 2) % bar_s - bar_s / 2).max() < 0.05


@pytest.mark.parametrize(
    ("kick", "snare", "hat"),
    [("x..x..", "....x.", "xxxxxx"), ("x.....", "..x.x.", "x.x.x."), ("x.....", "....x.", "xxxxxx")],
)
@pytest.mark.parametrize("quarter_bpm", [90.0, 120.0, 150.0])
def test_three_quarters_stay_three_quarters(kick, snare, hat, quarter_bpm):
    assert str(heard(played(kick, snare, hat, 30 / quarter_bpm)).signature) == "3/4"


@pytest.mark.parametrize("quarter_bpm", [75.0, 100.0, 150.0, 180.0])
def test_rock_in_four_has_no_backbeat_of_six(quarter_bpm):
    notes = played("x...xx..", "..x...x.", "xxxxxxxx", 30 / quarter_bpm)
    beats_s = np.arange(START_S, notes[-1].onset_s, 60 / quarter_bpm)
    assert hear_six_eighths(beats_s, notes)[1] is None


@pytest.mark.parametrize(("eighths", "first"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_eighths_are_made_of_beats_and_the_bar_begins_with_the_kick(eighths, first):
    notes = played("x.....", "...x..", "xxxxxx", 0.3)
    beats_s = np.arange(START_S - first * 0.3, notes[-1].onset_s, eighths * 0.3)
    eighths_s, found = hear_six_eighths(beats_s, notes)
    assert found == first
    np.testing.assert_allclose(np.diff(eighths_s), 0.3)


@pytest.mark.parametrize(
    "notes",
    [
        played("x.....", "...x..", "xxxxxx", 0.3, bars=3),
        played("x.....", "......", "xxxxxx", 0.3),
        played("......", "...x..", "xxxxxx", 0.3),
        played("...x..", "...x..", "xxxxxx", 0.3),
        played("x.....", "xx.x.x", "xxxxxx", 0.3),
    ],
    ids=["few bars", "no snare", "no kick", "together", "snare everywhere"],
)
def test_without_a_clear_backbeat_the_beats_stay(notes):
    beats_s = np.arange(START_S, notes[-1].onset_s, 0.3)
    found_s, first = hear_six_eighths(beats_s, notes)
    assert first is None
    assert found_s is beats_s


def test_what_is_known_of_the_song_is_kept():
    notes = played("x.....", "...x..", "xxxxxx", 60 / 210)
    told = heard(notes, tempo_bpm=105.0)
    assert told.tempo_bpm == pytest.approx(105.0, rel=0.01)
    assert str(told.signature) == "6/8"
    fourth_s = START_S + 3 * 60 / 210
    moved = heard(notes, downbeat_s=fourth_s)
    assert str(moved.signature) == "6/8"
    assert np.abs(moved.downbeats_s - fourth_s).min() < 0.03


@pytest.mark.parametrize("beat_bpm", [70.0, 81.0, 90.0])
def test_a_shuffle_counts_its_swung_beats_and_no_eighths(beat_bpm):
    beats = heard(played("x.....", "...x..", "x.xx.x", 20 / beat_bpm, bars=24))
    assert str(beats.signature) == "4/4"
    assert beats.tempo_bpm == pytest.approx(beat_bpm, rel=0.01)
