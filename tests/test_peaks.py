"""Heat map to notes, on heat maps drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.drums import PIECES, PIECES_BY_KEY
from mix2midi.errors import OptionError
from mix2midi.transcription import Picking, pick_notes
from mix2midi.transcription.curves import find_peaks
from mix2midi.transcription.peaks import CURVES
from tests.heat_maps import HOP, RATE_HZ, ROWS, drawn


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from([piece.key for piece in PIECES]),
    frame=st.floats(5, 390),
    height=st.floats(0.55, 1.0),
    velocity=st.floats(0.0, 1.0),
)
def test_one_hit_comes_back(key: str, frame: float, height: float, velocity: float) -> None:
    (note,) = pick_notes(drawn([(key, frame, height)], velocity=velocity))
    assert note.note == PIECES_BY_KEY[key].note
    assert note.onset_s == pytest.approx(frame * HOP / RATE_HZ, abs=0.0003), "a bump is found between frames"
    assert note.velocity == np.clip(round(velocity * 127), 1, 127)
    assert 0.5 <= note.confidence <= 1.0


def test_below_the_threshold_is_nothing() -> None:
    assert pick_notes(drawn([("snare", 100, 0.45)])) == []
    lower = Picking(thresholds=dict.fromkeys(CURVES, 0.4))
    assert len(pick_notes(drawn([("snare", 100, 0.45)]), lower)) == 1


def test_first_and_last_frame_can_be_peaks() -> None:
    notes = pick_notes(drawn([("kick", 0, 0.9), ("snare", 399, 0.9)]))
    assert [note.note for note in notes] == [36, 38]
    assert notes[0].onset_s == 0.0


def test_flams_stay_two_and_jitter_becomes_one() -> None:
    flam_frames = 0.030 * RATE_HZ / HOP
    assert len(pick_notes(drawn([("snare", 100, 0.7), ("snare", 100 + flam_frames, 0.9)]))) == 2
    (note,) = pick_notes(drawn([("snare", 100, 0.7), ("snare", 104, 0.9)]))
    assert note.onset_s == pytest.approx(104 * HOP / RATE_HZ, abs=0.001), "the higher peak stays"


def test_pieces_of_a_family_compete() -> None:
    (note,) = pick_notes(drawn([("closed_hat", 100, 0.9), ("open_hat", 100, 0.3)]))
    assert note.name == "closed hi-hat"


def test_the_piece_with_the_higher_peak_wins_though_another_is_there_for_longer() -> None:
    heat_map = drawn([("closed_hat", 100, 0.9)])
    heat_map.onset[ROWS["open_hat"], 95:106] = 0.8
    (note,) = pick_notes(heat_map)
    assert note.name == "closed hi-hat"


@settings(deadline=None)
@given(
    values=st.lists(st.integers(0, 40), min_size=1, max_size=200),
    height=st.integers(1, 40),
    distance=st.integers(1, 12),
)
def test_peaks_are_those_of_scipy(values: list[int], height: int, distance: int) -> None:
    from scipy import signal

    # Flat tops stay flat; else no two peaks are equal, as SciPy does not say which of them it keeps.
    stretch = np.cumsum(np.diff(values, prepend=-1) != 0)
    curve = (np.array(values) + 1e-4 * stretch).astype(np.float32)
    expected = signal.find_peaks(np.pad(curve, 1), height=height, distance=distance)[0] - 1
    assert find_peaks(curve, height, distance).tolist() == expected.tolist()


def test_doubt_between_cymbals_is_one_cymbal_not_none() -> None:
    (note,) = pick_notes(drawn([("crash", 100, 0.4), ("ride", 100, 0.35)]))
    assert note.name == "crash"
    assert note.confidence == pytest.approx(1 - 0.6 * 0.65, abs=0.02)


def test_drums_of_different_families_do_not_disturb_each_other() -> None:
    hits = [("kick", 100.0, 0.9), ("snare", 101.0, 0.9), ("closed_hat", 100.0, 0.9), ("low_tom", 102.0, 0.9)]
    notes = pick_notes(drawn(hits))
    assert len(notes) == 4
    assert notes == sorted(notes)


def test_picking_survives_storage_and_refuses_nonsense() -> None:
    picking = Picking(thresholds={**dict.fromkeys(CURVES, 0.5), "toms": 0.33})
    assert Picking.from_dict(picking.to_dict()) == picking
    with pytest.raises(OptionError, match="unknown settings volume"):
        Picking.from_dict({"volume": 11})
    with pytest.raises(OptionError, match="thresholds must name exactly"):
        Picking(thresholds={"kick": 0.5})
    with pytest.raises(OptionError, match="certainty names only"):
        Picking(certainty={"drums": [(0.5, 0.5)]})
    with pytest.raises(OptionError, match="velocity_scale"):
        Picking(velocity_scale=0.0)
    with pytest.raises(OptionError, match="between 0 and 1"):
        Picking(thresholds=dict.fromkeys(CURVES, 1.5))
