"""Where a cymbal keeps the time, hats have to be surer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.drums import PIECES_BY_KEY
from mix2midi.notes import DrumNote
from mix2midi.transcription import pick_notes
from mix2midi.transcription.timekeeper import cymbal_share, hats_threshold
from tests.heat_maps import drawn

Hits = list[tuple[str, float, float]]


def strokes(key: str, count: int, height: float = 0.9, first_frame: int = 10) -> Hits:
    return [(key, first_frame + 40.0 * number, height) for number in range(count)]


def hats_of(hits: Hits) -> list[DrumNote]:
    notes = pick_notes(drawn(hits, frames=2000))
    return [note for note in notes if note.note == PIECES_BY_KEY["closed_hat"].note]


DOUBTFUL_HATS = strokes("closed_hat", 4, height=0.6, first_frame=30)
SURE_HATS = strokes("closed_hat", 4, height=0.9, first_frame=30)


def test_doubtful_hats_between_rides_are_none() -> None:
    assert hats_of([*strokes("ride", 40), *DOUBTFUL_HATS]) == []


def test_sure_hats_between_rides_stay() -> None:
    assert len(hats_of([*strokes("ride", 40), *SURE_HATS])) == 4


def test_doubtful_hats_among_hats_stay() -> None:
    assert len(hats_of([*strokes("closed_hat", 40), *DOUBTFUL_HATS, *strokes("crash", 4)])) == 44


def test_cymbals_struck_once_a_second_keep_no_time() -> None:
    crashes = [("crash", 10.0 + 345.0 * number, 0.9) for number in range(6)]
    assert len(hats_of([*crashes, *DOUBTFUL_HATS])) == 4


def test_the_other_drums_do_not_change() -> None:
    doubtful = [("kick", 30.0, 0.6), ("snare", 70.0, 0.6), ("mid_tom", 110.0, 0.6), ("crash", 150.0, 0.6)]
    notes = pick_notes(drawn([*strokes("ride", 40), *doubtful], frames=2000))
    assert {PIECES_BY_KEY[key].note for key, _, _ in doubtful} <= {note.note for note in notes}


def test_the_share_is_that_of_hits_of_both() -> None:
    assert cymbal_share(drawn([*strokes("ride", 30), *strokes("closed_hat", 10)], frames=2000)) == pytest.approx(0.75)
    assert cymbal_share(drawn(strokes("kick", 40), frames=2000)) == 0.0


@given(threshold=st.floats(0.01, 0.99), low=st.floats(0.0, 1.0), high=st.floats(0.0, 1.0))
def test_more_cymbals_never_make_hats_easier(threshold: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert threshold <= hats_threshold(threshold, low) <= hats_threshold(threshold, high) < 1.0
    assert hats_threshold(threshold, 0.3) == threshold
