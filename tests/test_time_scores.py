"""Scores of beats, bars, tempo and grid, and where their references come from."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import pytest

from mix2midi.errors import OptionError
from mix2midi.notes import Beat, DrumNote, Transcription
from mix2midi.pipeline.evaluate import evaluate_songs, write_evaluation
from mix2midi.pipeline.references import Song, find_songs, read_reference, read_true_beats
from mix2midi.pipeline.score_tables import score_tables
from mix2midi.pipeline.time_scores import score_time
from mix2midi.postprocess import Beats, TempoMap, arrange, read_midi_beats, tempo_map_from_beats, write_midi
from mix2midi.postprocess.tempo_map import SignatureEvent, TempoEvent
from tests.songs import write_song

NOTES = [DrumNote(k * 0.25, 38, 90) for k in range(40)]


def even(step_s: float = 0.5, first_s: float = 0.0, position: int = 1, count: int = 20, meter: int = 4) -> Beats:
    return Beats(first_s + step_s * np.arange(count, dtype=np.float64), (np.arange(count) + position - 1) % meter + 1)


def found(beats: Beats) -> Transcription:
    listed = [Beat(float(t), int(p)) for t, p in zip(beats.times_s, beats.position, strict=True)]
    return Transcription(NOTES, 10.0, beats.tempo_bpm, beats=listed, time_signature=str(beats.signature))


def test_the_same_beats_are_perfect():
    scores = score_time(even(), NOTES, found(even()))
    assert scores is not None
    assert (scores.beat_f, scores.downbeat_f, scores.same_sixteenth) == (1.0, 1.0, 1.0)
    assert scores.tempo_is_right
    assert scores.signature_is_right


def test_double_tempo_is_wrong_though_every_beat_is_hit():
    scores = score_time(even(), NOTES, found(even(0.25, count=40)))
    assert scores is not None
    assert scores.beat_f == pytest.approx(2 / 3, abs=0.02)
    assert not scores.tempo_is_right
    assert scores.tempo_bpm == pytest.approx(240)


def test_a_tempo_is_read_over_several_beats_since_each_is_annotated_to_10_ms():
    beats = even(60 / 110)
    scores = score_time(replace(beats, times_s=np.round(beats.times_s, 2)), NOTES, found(beats))
    assert scores is not None
    assert scores.true_tempo_bpm == pytest.approx(110.0, abs=0.2)
    assert scores.tempo_bpm == pytest.approx(110.0)


def test_bars_off_by_a_beat_cost_downbeats_only():
    scores = score_time(even(), NOTES, found(even(position=4)))
    assert scores is not None
    assert (scores.beat_f, scores.downbeat_f) == (1.0, 0.0)
    assert scores.same_sixteenth == 1.0


@pytest.mark.parametrize(("late_s", "f"), [(0.05, 1.0), (0.08, 0.0)])
def test_late_beats(late_s, f):
    scores = score_time(even(), NOTES, found(even(first_s=late_s, count=19)))
    assert scores is not None
    assert scores.beat_f == pytest.approx(f, abs=0.03)


def test_hits_between_the_sixteenths_of_another_tempo_are_on_other_ones():
    notes = [DrumNote(k * 0.125, 42, 90) for k in range(78)]
    scores = score_time(even(), notes, found(even(0.5 * 1.5, count=14)))
    assert scores is not None
    assert scores.same_sixteenth == pytest.approx(2 / 3, abs=0.05)


def test_a_faster_grid_leaves_hits_on_their_sixteenths_whatever_its_tempo():
    scores = score_time(even(60 / 110), NOTES, found(even(60 / 120, count=24)))
    assert scores is not None
    assert scores.same_sixteenth > 0.95
    assert scores.beat_f < 0.5
    assert not scores.tempo_is_right


def test_what_follows_the_last_true_beat_is_not_scored():
    scores = score_time(even(count=12), NOTES, found(even(count=20)))
    assert scores is not None
    assert scores.beat_f == 1.0


def test_beats_that_all_come_after_the_song_are_none_of_its_beats():
    scores = score_time(even(), NOTES, found(even(first_s=20.0)))
    assert scores is not None
    assert (scores.beat_f, scores.downbeat_f) == (0.0, 0.0)


def test_without_hits_nothing_is_known_of_the_grid():
    scores = score_time(even(), [], found(even()))
    assert scores is not None
    assert np.isnan(scores.same_sixteenth)


def test_no_beats_no_scores():
    assert score_time(even(), NOTES, Transcription(NOTES, 10.0)) is None


def test_beats_of_a_midi_file_are_those_it_was_written_with(tmp_path):
    beats = Beats(0.7 + np.cumsum(np.linspace(0.5, 0.6, 24)), (np.arange(24) + 2) % 4 + 1)
    notes = [DrumNote(float(t), 36, 90) for t in beats.times_s[:-1]]
    tempo_map = tempo_map_from_beats(beats, first_onset_s=notes[0].onset_s)
    write_midi(Transcription(notes, 14.0), tmp_path / "song.mid", tempo_map=tempo_map)
    read = read_midi_beats(tmp_path / "song.mid")
    assert read is not None
    assert str(read.signature) == "4/4"
    nearest = np.abs(read.times_s[:, None] - beats.times_s[None, :-1]).argmin(axis=0)
    assert read.times_s[nearest] == pytest.approx(beats.times_s[:-1], abs=0.006)
    assert (read.position[nearest] == beats.position[:-1]).all()


@pytest.mark.parametrize(("numerator", "denominator"), [(3, 4), (6, 8)])
def test_a_long_intro_in_another_signature_keeps_its_bars(tmp_path, numerator, denominator):
    second = Fraction(16 * numerator, denominator)  # after four bars
    signatures = [SignatureEvent(Fraction(0), numerator, denominator), SignatureEvent(second, 4, 4)]
    tempo_map = TempoMap([TempoEvent(Fraction(0), 500_000)], signatures)
    notes = [DrumNote(0.5 * beat, 36, 90) for beat in range(60)]
    write_midi(Transcription(notes, 31.0), tmp_path / "song.mid", tempo_map=tempo_map)
    read = read_midi_beats(tmp_path / "song.mid")
    assert read is not None
    assert str(read.signature) == "4/4"
    assert read.downbeats_s[:6] == pytest.approx([0.0, 1.5, 3.0, 4.5, 6.0, 8.0])


@pytest.mark.parametrize("first_s", [0.0, 0.2, 0.5, 1.0, 1.7])
def test_a_file_of_ours_scores_perfectly_against_itself(tmp_path, first_s):
    notes = [DrumNote(first_s + 0.5 * beat, 36 if beat % 2 == 0 else 38, 90) for beat in range(33)]
    arranged = arrange(notes, 18.0)
    write_midi(Transcription(arranged.notes, 18.0), tmp_path / "song.mid", tempo_map=arranged.tempo_map)
    read = read_midi_beats(tmp_path / "song.mid")
    assert read is not None
    scores = score_time(read, notes, replace(found(arranged.beats), notes=notes))
    assert scores is not None
    assert (scores.beat_f, scores.downbeat_f) == (1.0, 1.0)


def test_a_midi_file_whose_notes_do_not_follow_its_grid_says_nothing(tmp_path):
    rng = np.random.default_rng(3)
    notes = sorted(DrumNote(float(t), 36, 90) for t in rng.uniform(0, 60, 200))
    write_midi(Transcription(notes, 60.0), tmp_path / "song.mid", tempo_map=TempoMap.constant(120.0))
    assert read_midi_beats(tmp_path / "song.mid") is None
    write_midi(Transcription([], 60.0), tmp_path / "empty.mid")
    assert read_midi_beats(tmp_path / "empty.mid") is None


@pytest.fixture
def mdb_song(tmp_path: Path) -> Song:
    write_song(tmp_path / "Waltz" / "drums.wav")
    (tmp_path / "Waltz" / "class.txt").write_text("0.5 KD\n1.0 SD\n")
    (tmp_path / "Waltz" / "beats.txt").write_text("0.5 1\n1.0 2\n1.5 3\n2.0 1\n2.5 2\n")
    return find_songs([tmp_path], "drums.wav")[0]


def test_beats_beside_annotations(mdb_song):
    beats = read_true_beats(mdb_song)
    assert beats is not None
    assert str(beats.signature) == "3/4"
    assert beats.downbeats_s == pytest.approx([0.5, 2.0])
    other_take = replace(mdb_song, reference=mdb_song.audio.with_name("plusplus.mid"))
    write_midi(Transcription([DrumNote(0.061 + 0.371 * k, 36, 9) for k in range(40)], 20.0), other_take.reference)
    assert read_true_beats(other_take) is None


@pytest.mark.parametrize(
    ("bars", "signature"),
    [
        ([4, 4, 6, 4, 4], "4/4"),
        ([4, 5, 4, 4], "4/4"),
        ([4, 2, 2, 4, 4], "4/4"),
        ([6, 6, 6, 2], "6/8"),
        ([3, 3, 4, 3, 1], "3/4"),
        ([3, 2], "3/4"),
        ([5], "5/4"),
    ],
)
def test_annotated_beats_have_the_signature_of_most_bars(mdb_song, bars, signature):
    positions = [position for beats in bars for position in range(1, beats + 1)]
    lines = [f"{0.5 * number} {position}" for number, position in enumerate(positions, start=1)]
    mdb_song.audio.with_name("beats.txt").write_text("\n".join(lines))
    beats = read_true_beats(mdb_song)
    assert beats is not None
    assert str(beats.signature) == signature


@pytest.mark.parametrize("text", ["0.5 one\n", "0.5\n", "half 1\n", "nan 1\n", "0.5 1\n1.5 2\n1.0 3\n2.0 1\n"])
def test_damaged_beats_are_named(mdb_song, text):
    mdb_song.audio.with_name("beats.txt").write_text(text)
    with pytest.raises(OptionError, match=r"beats\.txt"):
        read_true_beats(mdb_song)


def test_annotations_are_found_whatever_the_case_of_their_names(mdb_song):
    for name in ("class.txt", "beats.txt"):
        path = mdb_song.audio.with_name(name)
        path.rename(path.with_name(name.capitalize()))
    song = find_songs([mdb_song.audio])[0]
    assert read_true_beats(song) is not None
    assert [note.note for note in read_reference(song.reference).notes] == [36, 38]


def test_evaluation_reports_time(mdb_song, tmp_path):
    true = Beats(0.5 + 0.5 * np.arange(5, dtype=np.float64), np.array([1, 2, 3, 1, 2]))
    heard = replace(found(true), time_signature="3/4")
    evaluation = evaluate_songs([mdb_song], lambda path: heard)
    write_evaluation(evaluation, tmp_path / "scores.json")
    time = json.loads((tmp_path / "scores.json").read_text())["songs"][0]["time"]
    assert (time["beat_f"], time["downbeat_f"], time["tempo_is_right"]) == (1.0, 1.0, True)
    assert (time["time_signature"], time["true_time_signature"]) == ("3/4", "3/4")
    table = score_tables(evaluation)[-1]
    assert table.rows[0] == ["Waltz", "1.000", "1.000", "120.0", "120.0", "3/4", "3/4", "1.000"]
    assert table.rows[-1][:4] == ["all", "1.000", "1.000", "1.000 right"]


def test_a_time_signature_that_nobody_counts_names_its_file(tmp_path: Path) -> None:
    midi = mido.MidiFile()
    signature = mido.MetaMessage("time_signature", numerator=33, denominator=64)
    hits = [mido.Message("note_on", channel=9, note=36, velocity=90, time=480) for _ in range(8)]
    midi.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000), signature, *hits]))
    midi.save(tmp_path / "odd.mid")
    with pytest.raises(OptionError, match=r"odd\.mid: time signature 33/64"):
        read_midi_beats(tmp_path / "odd.mid")


def test_more_beats_than_any_song_has_are_refused(tmp_path: Path) -> None:
    """They were counted one by one, for minutes and gigabytes."""
    midi = mido.MidiFile(ticks_per_beat=1)
    snare = mido.Message("note_on", channel=9, note=38, velocity=90, time=2**28 - 1)
    midi.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000), snare]))
    midi.save(tmp_path / "endless.mid")
    with pytest.raises(OptionError, match=r"endless\.mid: counts more than 1,000,000 beats"):
        read_midi_beats(tmp_path / "endless.mid")
