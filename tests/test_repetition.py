"""What repeats itself in a song, on heat maps drawn by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.drums import FAMILIES
from mix2midi.errors import OptionError
from mix2midi.transcription import HeatMap, Picking, pick_notes
from mix2midi.transcription.repetition import recall_repetitions
from tests.test_peaks import HOP, RATE_HZ, ROWS, drawn

FPS = RATE_HZ / HOP
BAR = 690  # frames, 2 s
SHARES = dict.fromkeys(FAMILIES, 0.5)
Hit = tuple[str, float, float]


def groove(bars: int, height: float = 0.9) -> list[Hit]:
    """The same bar again and again: hats on eighths, kick on 1 and 3, snare on 2 and 4."""
    eighth = BAR / 8
    hits: list[Hit] = []
    for bar in range(bars):
        start = 40 + bar * BAR
        hits += [("closed_hat", start + n * eighth, height) for n in range(8)]
        hits += [("kick", start + n * eighth, height) for n in (0, 4)]
        hits += [("snare", start + n * eighth, height) for n in (2, 6)]
    return hits


def song(hits: list[Hit], bars: int = 12) -> HeatMap:
    return drawn(hits, frames=bars * BAR + 80)


def count(heat_map: HeatMap, note: int, shares: dict[str, float]) -> int:
    return sum(hit.note == note for hit in pick_notes(heat_map, Picking(caution={}, repetition=shares)))


def test_a_doubtful_hit_is_believed_where_the_other_bars_have_it() -> None:
    hits = groove(12)
    covered = next(i for i, (key, frame, _) in enumerate(hits) if key == "snare" and frame > 5 * BAR)
    hits[covered] = ("snare", hits[covered][1], 0.35)
    assert count(song(hits), 38, {}) == 23
    assert count(song(hits), 38, SHARES) == 24


def test_a_rattle_is_not_believed_where_no_other_bar_has_a_hit() -> None:
    rattle = ("snare", 40 + 5 * BAR + 3 * BAR / 8, 0.6)  # on an eighth with a hat alone
    heat_map = song([*groove(12), rattle])
    assert count(heat_map, 38, {}) == 25
    assert count(heat_map, 38, SHARES) == 24


def test_a_sure_hit_out_of_the_ordinary_stays() -> None:
    crash = ("crash", 40 + 6 * BAR, 0.97)
    assert count(song([*groove(12), crash]), 49, SHARES) == 1


def test_the_piece_is_told_by_the_other_bars_too() -> None:
    eighth = BAR / 8
    hits = [(key, frame, height) for key, frame, height in groove(12)]
    hits += [("kick", 40 + bar * BAR + 5 * eighth, 0.9) for bar in range(12)]  # no half bar is like the other
    last = [i for i, (key, frame, _) in enumerate(hits) if key == "closed_hat" and (frame - 40) % BAR > 6.5 * eighth]
    assert len(last) == 12
    for i in last:
        hits[i] = ("open_hat", hits[i][1], 0.9)
    doubtful = hits[last[4]][1]
    hits[last[4]] = ("open_hat", doubtful, 0.5)
    hits.append(("closed_hat", doubtful, 0.6))
    assert count(song(hits), 46, {}) == 11
    assert count(song(hits), 46, SHARES) == 12


def test_onsets_stay_where_they_are() -> None:
    rng = np.random.default_rng(3)
    hits = [(key, frame + rng.uniform(-2, 2), rng.uniform(0.7, 0.95)) for key, frame, _ in groove(12)]
    plain = pick_notes(song(hits), Picking(caution={}))
    recalled = pick_notes(song(hits), Picking(caution={}, repetition=SHARES))
    assert [note.note for note in plain] == [note.note for note in recalled]
    moved_s = np.abs([a.onset_s - b.onset_s for a, b in zip(plain, recalled, strict=True)])
    assert moved_s.max() < 0.0005


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 1.0))
def test_activations_stay_activations(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    keys = list(ROWS)
    hits = [(str(rng.choice(keys)), float(rng.uniform(0, 3000)), float(rng.uniform(0.0, 1.0))) for _ in range(60)]
    heat_map = drawn(hits, frames=3000)
    recalled = recall_repetitions(heat_map, dict.fromkeys(FAMILIES, share))
    for before, after in ((heat_map.onset, recalled.onset), (heat_map.family_onset, recalled.family_onset)):
        assert before.shape == after.shape and before.dtype == after.dtype
        assert np.isfinite(after).all() and after.min() >= 0.0 and after.max() <= 1.0
    percussion = ROWS["cowbell"]
    assert np.array_equal(heat_map.onset[percussion], recalled.onset[percussion])


def test_what_is_like_nothing_else_is_left_alone() -> None:
    lonely = drawn([("kick", 100, 0.6), ("snare", 500, 0.45), ("crash", 1400, 0.7)], frames=2000)
    recalled = recall_repetitions(lonely, SHARES)
    assert np.abs(recalled.onset.astype(float) - lonely.onset.astype(float)).max() < 0.05


@pytest.mark.parametrize("shares", [{}, {"kick": 0.0}])
def test_without_shares_nothing_is_computed(shares: dict[str, float]) -> None:
    heat_map = song(groove(2), bars=2)
    assert recall_repetitions(heat_map, shares) is heat_map


def test_silence_and_single_hits_have_nothing_to_recall() -> None:
    silence, single = drawn([], frames=400), drawn([("kick", 100, 0.9)], frames=400)
    assert recall_repetitions(silence, SHARES) is silence
    assert recall_repetitions(single, SHARES) is single


def test_only_the_named_families_move() -> None:
    hits = groove(12)
    recalled = recall_repetitions(song(hits), {"kick": 0.4})
    assert np.array_equal(recalled.onset[ROWS["snare"]], song(hits).onset[ROWS["snare"]])


def test_blocks_of_instants_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    heat_map = song([(key, frame, rng.uniform(0.2, 0.95)) for key, frame, _ in groove(12)])
    whole = recall_repetitions(heat_map, SHARES)
    monkeypatch.setattr("mix2midi.transcription.repetition._BLOCK", 7)
    assert np.allclose(recall_repetitions(heat_map, SHARES).onset, whole.onset, atol=1e-6)


def test_half_precision_is_kept() -> None:
    heat_map = song(groove(4), bars=4)
    half = replace(
        heat_map, onset=heat_map.onset.astype(np.float16), family_onset=heat_map.family_onset.astype(np.float16)
    )
    assert recall_repetitions(half, SHARES).onset.dtype == np.float16


@pytest.mark.parametrize("shares", [{"kick": 1.5}, {"kick": -0.1}, {"drums": 0.4}])
def test_bad_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="repetition"):
        Picking(repetition=shares)
