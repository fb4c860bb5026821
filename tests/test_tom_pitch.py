"""Strokes of one tom get one name: on toms of known pitch, and a heat map that wavers between names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.audio import AudioArray
from mix2midi.drums import FAMILIES, PIECES, PIECES_BY_KEY, TOMS
from mix2midi.notes import DrumNote
from mix2midi.transcription import HeatMap, name_toms

RATE_HZ, HOP = 44100, 128
HIGH, MID, LOW = (PIECES_BY_KEY[key].note for key in TOMS)
KEYS = {PIECES_BY_KEY[key].note: key for key in TOMS}


def song(
    strokes: list[tuple[float, int, float]], others: Sequence[tuple[float, int]] = ()
) -> tuple[list[DrumNote], HeatMap, AudioArray]:
    """Toms at (seconds, note that the network gives, Hz), and other drums that make no sound here."""
    end_s = max(time_s for time_s, *_ in strokes) + 1.0
    samples = np.zeros(int(end_s * RATE_HZ), dtype=np.float32)
    onset = np.zeros((len(PIECES), int(end_s * RATE_HZ) // HOP + 1), dtype=np.float16)
    for time_s, note, pitch_hz in strokes:
        seconds = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
        start = round(time_s * RATE_HZ)
        samples[start : start + len(seconds)] += 0.3 * np.exp(-8 * seconds) * np.sin(2 * np.pi * pitch_hz * seconds)
        frame = round(time_s * RATE_HZ / HOP)
        for row, piece in enumerate(PIECES):
            if piece.key in TOMS:
                onset[row, frame] = 0.55 if piece.key == KEYS[note] else 0.35
    notes = [DrumNote(time_s, note, 90, 0.8) for time_s, note, _ in strokes]
    notes += [DrumNote(time_s, note, 100) for time_s, note in others]
    families = np.zeros((len(FAMILIES), onset.shape[1]), dtype=np.float16)
    heat_map = HeatMap(onset, np.zeros_like(onset), families, families, HOP, RATE_HZ)
    return sorted(notes), heat_map, AudioArray(samples, RATE_HZ)


def names(strokes: list[tuple[float, int, float]], others: Sequence[tuple[float, int]] = ()) -> list[int]:
    return [note.note for note in name_toms(*song(strokes, others)) if note.note in KEYS]


def test_a_name_that_wavers_becomes_what_most_strokes_are_called() -> None:
    heard = [HIGH, HIGH, LOW, HIGH, MID, HIGH, HIGH, LOW]
    assert names([(0.5 * k, note, 150.0) for k, note in enumerate(heard, 1)]) == [HIGH] * 8


def test_three_pitches_are_three_toms_from_low_to_high() -> None:
    fill = [(0.25 * k, LOW, pitch_hz) for k, pitch_hz in enumerate([180.0, 130.0, 85.0] * 5, 1)]
    fill[0] = (0.25, HIGH, 180.0)  # of the highest the network has a notion
    fill[1] = (0.5, MID, 130.0)
    found = names(fill)
    assert found[2::3] == [LOW] * 5
    assert len(set(found[0::3])) == len(set(found[1::3])) == 1
    assert KEYS[found[0]] == "high_tom"
    assert KEYS[found[1]] == "mid_tom"


def test_a_higher_pitch_never_gets_a_lower_name() -> None:
    upside_down = [(0.25 * k, LOW if k % 2 else HIGH, 180.0 if k % 2 else 85.0) for k in range(1, 17)]
    order = [TOMS.index(KEYS[note]) for note in names(upside_down)]
    assert order[0] <= order[1]


def test_partials_of_one_tom_are_no_second_one() -> None:
    heard = [(0.5 * k, HIGH, 150.0 if k % 2 else 172.0) for k in range(1, 13)]
    assert names(heard) == [HIGH] * 12


def test_few_strokes_keep_their_names() -> None:
    assert names([(0.5, LOW, 150.0), (1.0, HIGH, 150.0), (1.5, MID, 150.0)]) == [LOW, HIGH, MID]


def test_strokes_at_no_common_pitch_keep_their_names() -> None:
    scattered = [(0.5 * k, note, 70.0 * 1.25**k) for k, note in enumerate([LOW, HIGH, MID, LOW, HIGH, MID], 1)]
    assert names(scattered) == [LOW, HIGH, MID, LOW, HIGH, MID]


def test_strokes_that_all_have_company_decide_nothing() -> None:
    heard = [HIGH, HIGH, LOW, HIGH, MID, HIGH, HIGH, LOW]
    strokes = [(0.5 * k, note, 150.0) for k, note in enumerate(heard, 1)]
    assert names(strokes, [(time_s + 0.003, 36) for time_s, *_ in strokes]) == heard


def test_what_still_sounds_is_not_taken_for_the_stroke() -> None:
    low = [(0.4 * k, LOW, 85.0) for k in range(1, 9)]
    high = [(time_s + 0.2, LOW if k % 4 == 0 else HIGH, 170.0) for k, (time_s, *_) in enumerate(low)]
    notes, heat_map, source = song(sorted(low + high))
    samples = next(source.blocks(RATE_HZ, mono=True))[0]
    seconds = np.arange(len(samples)) / RATE_HZ
    rumble = np.sin(2 * np.pi * 85.0 * seconds).astype(np.float32)
    named = name_toms(notes, heat_map, AudioArray(samples + 0.4 * rumble, RATE_HZ))
    assert [note.note for note in named[1::2]] == [HIGH] * 8


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_a_stroke_at_the_very_start(seconds: float) -> None:
    assert names([(seconds + 0.5 * k, HIGH if k else LOW, 150.0) for k in range(8)]) == [HIGH] * 8


STROKES = st.lists(
    st.tuples(st.integers(0, 40).map(lambda k: k / 10), st.sampled_from(list(KEYS)), st.floats(50.0, 400.0)),
    min_size=1,
    max_size=16,
)


@settings(max_examples=60, deadline=None)
@given(STROKES, st.lists(st.tuples(st.floats(0.0, 4.0), st.sampled_from([36, 38, 42, 49])), max_size=8))
def test_nothing_but_the_names_of_toms_changes(
    strokes: list[tuple[float, int, float]], others: list[tuple[float, int]]
) -> None:
    notes, heat_map, source = song(strokes, others)
    named = name_toms(notes, heat_map, source)
    assert named == sorted(named)

    def unnamed(part: list[DrumNote]) -> list[DrumNote]:
        return sorted(replace(note, note=LOW) if note.note in KEYS else note for note in part)

    assert unnamed(named) == unnamed(notes)
