"""The picture of a transcription: what it shows, and that it can be drawn of anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from mix2midi.audio import AudioArray
from mix2midi.drums import FAMILIES, PIECES
from mix2midi.notes import Beat, DrumNote, Transcription
from mix2midi.pipeline.plot import _draw_grid, draw_transcription
from mix2midi.pipeline.plot_data import (
    EXCERPT_S,
    Span,
    choose_span,
    compare_notes,
    frame_range,
    pool_columns,
    rows_to_draw,
    target_onset,
    waveform_envelope,
)
from mix2midi.scores import Reference
from mix2midi.transcription import HeatMap
from tests.songs import RATE_HZ, hits

HOP_LENGTH = 128
PIECE_ROWS = {piece.key: row for row, piece in enumerate(PIECES)}


def blank(duration_s: float) -> HeatMap:
    frames = int(duration_s * RATE_HZ) // HOP_LENGTH + 1
    onset = np.zeros((len(PIECES), frames), dtype=np.float32)
    family_onset = np.zeros((len(FAMILIES), frames), dtype=np.float32)
    return HeatMap(onset, onset.copy(), family_onset, np.zeros_like(family_onset), HOP_LENGTH, RATE_HZ)


def at(*onsets_s: float, note: int = 38) -> list[DrumNote]:
    return [DrumNote(onset_s, note, 90) for onset_s in onsets_s]


# Which part is shown

durations = st.floats(0.01, 4000.0)


@settings(deadline=None)
@given(duration_s=durations, first=st.floats(0.0, 1.0))
def test_part_lies_in_the_song(duration_s: float, first: float) -> None:
    notes = at(first * duration_s)
    span = choose_span(duration_s, notes)
    assert 0.0 <= span.start_s < span.end_s <= duration_s + 1e-6
    assert span.holds(notes[0].onset_s) or notes[0].onset_s >= span.end_s - 1e-6
    if duration_s > 30.0:
        assert span.end_s - span.start_s == pytest.approx(EXCERPT_S)
    else:
        assert span == Span(0.0, duration_s)


def test_part_that_is_asked_for_ends_with_the_song() -> None:
    assert choose_span(100.0, [], (10.0, 20.0)) == Span(10.0, 20.0)
    assert choose_span(15.0, [], (10.0, 20.0)) == Span(10.0, 15.0)


# What is in it


@settings(deadline=None, max_examples=50)
@given(frames=st.integers(1, 3000), columns=st.integers(1, 900), seed=st.integers(0, 99))
def test_no_peak_is_lost_between_columns(frames: int, columns: int, seed: int) -> None:
    rows = np.zeros((3, frames), dtype=np.float32)
    peak = np.random.default_rng(seed).integers(frames)
    rows[1, peak] = 0.8
    pooled = pool_columns(rows, columns)
    assert pooled.shape[1] <= columns
    assert pooled.max(axis=1).tolist() == pytest.approx([0.0, 0.8, 0.0])
    assert abs(pooled[1].argmax() / pooled.shape[1] - peak / frames) <= 2 / pooled.shape[1]


def test_waveform_is_that_of_the_part() -> None:
    ramp = np.linspace(0.0, 1.0, 4 * RATE_HZ, dtype=np.float32)
    times_s, (low, high) = waveform_envelope(AudioArray(ramp, RATE_HZ), Span(1.0, 3.0), RATE_HZ, 200)
    assert len(times_s) <= 200
    assert (times_s[0], low[0]) == (1.0, pytest.approx(0.25, abs=1e-4))
    assert high[-1] == pytest.approx(0.75, abs=1e-4)
    assert (low <= high).all()


def test_drums_that_are_heard_or_true_have_a_row() -> None:
    heat_map = blank(3.0)
    heat_map.onset[PIECE_ROWS["cowbell"], 500] = 0.9
    keys = [heat_map.pieces[row] for row in rows_to_draw(heat_map, Span(0.0, 3.0), at(1.0, note=51))]
    assert keys == ["kick", "snare", "closed_hat", "ride", "cowbell"]
    keys = [heat_map.pieces[row] for row in rows_to_draw(heat_map, Span(2.0, 3.0), [])]
    assert keys == ["kick", "snare", "closed_hat"]


def test_target_has_its_bumps_where_the_notes_are() -> None:
    heat_map, span = blank(3.0), Span(1.0, 3.0)
    start, end = frame_range(heat_map, span)
    target = target_onset(heat_map, span, [*at(0.5, 1.5), *at(2.0, note=36)])
    assert target.shape == (len(PIECES), end - start)
    assert {PIECES[row].key for row in np.flatnonzero(target.max(axis=1))} == {"kick", "snare"}
    snare_s = (start + target[PIECE_ROWS["snare"]].argmax()) * HOP_LENGTH / RATE_HZ
    assert snare_s == pytest.approx(1.5, abs=HOP_LENGTH / RATE_HZ)


notes = st.lists(st.builds(DrumNote, st.floats(0.0, 3.0), st.sampled_from([36, 38, 42, 46]), st.just(80)), max_size=15)


@settings(deadline=None)
@given(ours=notes, theirs=notes, knows_pieces=st.booleans())
def test_every_note_is_hit_or_extra_and_every_true_one_hit_or_missed(
    ours: list[DrumNote], theirs: list[DrumNote], knows_pieces: bool
) -> None:
    compared = compare_notes(ours, Reference(theirs, knows_pieces=knows_pieces))
    assert sorted([*compared.hits, *compared.extras]) == sorted(ours)
    assert len(compared.hits) + len(compared.misses) == len(theirs)


def test_open_hat_is_a_closed_one_only_where_nobody_knows_better() -> None:
    ours, theirs = at(1.0, note=46), at(1.01, note=42)
    assert compare_notes(ours, Reference(theirs)).hits == []
    assert compare_notes(ours, Reference(theirs, knows_pieces=False)).hits == ours


# The picture itself


@pytest.mark.parametrize("title", ["song", "$x^2$ {a_b}", "größe 日本", "caf\udce9"])
def test_any_title_can_be_drawn(title: str, tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    draw_transcription(target, AudioArray(hits(), RATE_HZ), blank(1.5), Transcription(at(0.5), 1.5, title=title))
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("duration_s", [0.01, 0.2, 45.0])
def test_any_length_can_be_drawn(duration_s: float, tmp_path: Path) -> None:
    song = AudioArray(np.zeros(round(duration_s * RATE_HZ), dtype=np.float32), RATE_HZ)
    transcription = Transcription([], duration_s)
    for number, reference in enumerate((None, Reference([]), Reference(at(0.0, duration_s / 2)))):
        target = tmp_path / f"{number}.png"
        draw_transcription(target, song, blank(duration_s), transcription, reference=reference)
        assert target.read_bytes().startswith(b"\x89PNG")


def test_comparison_changes_the_picture(tmp_path: Path) -> None:
    import matplotlib.image

    song, heat_map = AudioArray(hits(), RATE_HZ), blank(1.5)
    transcription = Transcription(at(0.3, 0.9), 1.5)
    pictures = []
    for true in (at(0.3, 0.9), at(0.3), at(0.3, 0.9, 1.2)):
        draw_transcription(tmp_path / "p.png", song, heat_map, transcription, reference=Reference(true))
        pictures.append(matplotlib.image.imread(tmp_path / "p.png"))
    shapes = {picture.shape for picture in pictures}
    assert len(shapes) == 1
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_grid_and_what_was_played_are_drawn(tmp_path: Path) -> None:
    song = AudioArray(hits(), RATE_HZ)
    beats = [Beat(0.1 + 0.5 * number, number % 4 + 1) for number in range(3)]
    sizes = []
    for shown, played in (([], []), (beats, []), (beats, at(0.13, 0.62))):
        transcription = Transcription(at(0.1, 0.6), 1.5, beats=shown)
        draw_transcription(tmp_path / "song.png", song, blank(1.5), transcription, played=played)
        sizes.append((tmp_path / "song.png").stat().st_size)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize(
    ("first_s", "position", "numbers"), [(0.0, 1, "1 2"), (0.0, 3, "2 3"), (0.1, 1, "2 3"), (0.1, 4, "3 4")]
)
def test_bars_have_the_numbers_of_the_file(first_s: float, position: int, numbers: str) -> None:
    """A part of a beat and a pick-up are bars there, see `mix2midi.postprocess.grid`."""
    ax = Figure().add_subplot()
    beats = [Beat(first_s + 0.5 * number, (number + position - 1) % 4 + 1) for number in range(8)]
    _draw_grid(ax, beats, 3, Span(0.0, 4.0))
    assert " ".join(text.get_text() for text in ax.texts) == numbers
