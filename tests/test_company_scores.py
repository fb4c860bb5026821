"""Scores and parts that the company of the drums plays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.errors import OptionError
from mix2midi.training.company import parts
from mix2midi.training.company.score import Chord, Score, list_midi, random_score, score_from_midi
from tests.company import one_chord_score, rng


def test_chords_of_a_midi_file_are_found_in_any_key(sources_dir: Path) -> None:
    archive = sources_dir / "songs.zip"
    assert list_midi(archive) == ("a/song.mid",)
    score = score_from_midi(archive, "a/song.mid", rng(3), 10.0, "ballads")
    roots = [chord.root for chord in score.chords for _ in range(int(chord.length_beats // 2))]
    key = (roots[0] - 5) % 12 if roots[0] == roots[2] else roots[0]
    steps = {(after - before) % 12 for before, after in zip(roots, roots[1:], strict=False)}
    assert steps == {0, 2, 5}, f"F G C C moves by 2, 5, 0 and 5 semitones, in key {key}"
    assert all(chord.intervals == (0, 4, 7) for chord in score.chords)
    assert score.source == "ballads"
    assert 60 <= score.tempo_bpm <= 200


def test_an_archive_that_is_no_zip_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    with pytest.raises(OptionError, match=r"broken\.zip"):
        list_midi(broken)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme", "nothing here")
    with pytest.raises(OptionError, match="no .mid file"):
        list_midi(tmp_path / "empty.zip")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), duration_s=st.floats(5.0, 60.0))
def test_scores_and_parts_stay_within_the_clip(seed: int, duration_s: float) -> None:
    score = random_score(rng(seed), duration_s)
    assert score.chords[0].start_beat == 0.0
    assert sum(chord.length_beats for chord in score.chords) == pytest.approx(score.n_beats)
    makers = (parts.bass_part, parts.pad_part, parts.stab_part, parts.arpeggio_part, parts.comp_part, parts.lead_part)
    for part in makers:
        for note in part(score, rng(seed)):
            assert 0.0 <= note.start_beat < score.n_beats
            assert note.length_beats > 0
            assert 12 <= note.pitch <= 120
            assert 0.0 <= note.strength <= 1.0
    for style in (parts.riff_strokes, parts.strum_strokes, parts.picked_strokes):
        assert all(0.0 <= stroke.start_beat < score.n_beats for stroke in style(score, rng(seed)))


@settings(max_examples=30, deadline=None)
@given(beats=st.lists(st.floats(0.0, 16.0), min_size=2, max_size=8), swing=st.floats(0.5, 0.7))
def test_swing_keeps_the_order_of_beats_and_whole_beats_in_place(beats: list[float], swing: float) -> None:
    chord = Chord(0.0, 16.0, 0, (0, 4, 7))
    score = Score(100.0, 4, 16, (chord,), (), (), swing)
    times_s = [score.seconds(beat) for beat in sorted(beats)]
    assert times_s == sorted(times_s)
    assert score.seconds(7.0) == pytest.approx(7 * 0.6)
    assert score.seconds(7.5) == pytest.approx((7 + swing) * 0.6)


def test_power_chords_follow_the_harmony() -> None:
    for stroke in parts.riff_strokes(one_chord_score(), rng(1)):
        assert stroke.pitches[0] % 12 == 9
        assert all((pitch - stroke.pitches[0]) % 12 in (0, 7) for pitch in stroke.pitches)
