"""Transcriptions of other programs: which song each is of, and that they are scored as they are."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mix2midi.cli import app
from mix2midi.errors import OptionError
from mix2midi.pipeline.evaluate import evaluate_songs
from mix2midi.pipeline.others import find_transcriptions, read_transcription
from mix2midi.pipeline.references import find_songs
from tests.annotated import write_audio, write_midi, write_text

HITS = [(0.5, 36, 90), (1.0, 38, 60), (1.5, 36, 80), (2.0, 38, 100)]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    return folder


def test_scores_are_those_of_the_files(tmp_path, theirs):
    for name in ("one", "two"):
        write_audio(tmp_path / "songs" / f"{name}.wav")
        write_midi(tmp_path / "songs" / f"{name}_reference.mid", HITS)
    write_midi(theirs / "one.mid", HITS)
    write_midi(theirs / "sub" / "TWO.MIDI", [(0.53, 36, 90)])
    scores = tmp_path / "scores.json"
    words = ["evaluate", str(tmp_path / "songs"), "--transcriptions", str(theirs), "--json", str(scores)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert f"transcriptions {theirs}" in result.stdout and "separator" not in result.stdout
    one, two = json.loads(scores.read_text(encoding="utf-8"))["songs"]
    assert one["all"]["windows_ms"]["10"]["f"] == 1.0 and one["classes"]["snare"]["velocity_error"] == 0.0
    assert (two["all"]["windows_ms"]["50"]["matched"], two["all"]["windows_ms"]["20"]["matched"]) == (1, 0)
    assert one["all"]["calibration_error"] is None, "nobody said how sure the hits are"


def test_a_tempo_is_scored_where_the_notes_follow_it(tmp_path, theirs):
    audio = write_audio(tmp_path / "song.wav")
    write_midi(tmp_path / "song_reference.mid", HITS)
    assert read_transcription(write_midi(theirs / "song.mid", HITS), audio).beats
    off_grid = [(onset_s + 0.03, note, velocity) for onset_s, note, velocity in HITS]
    assert not read_transcription(write_midi(theirs / "late.mid", off_grid), audio).beats


def test_songs_may_be_called_by_their_folders(tmp_path, theirs):
    for name in ("Rock", "Punk"):
        write_audio(tmp_path / "mdb" / name / "drums.flac")
        write_text(tmp_path / "mdb" / name / "class.txt", "0.5 KD\n")
        write_midi(theirs / f"{name}.mid", HITS[:1])
    songs = find_songs([tmp_path / "mdb"], "drums.flac")
    files = find_transcriptions(theirs, songs)
    assert [files[song.audio].name for song in songs] == ["Punk.mid", "Rock.mid"]
    evaluation = evaluate_songs(songs, lambda audio: read_transcription(files[audio], audio))
    assert evaluation.pooled.f_measure() == 1.0


def test_of_files_of_one_name_that_in_the_same_folder_counts(tmp_path, theirs):
    for album in ("a", "b"):
        write_audio(tmp_path / "songs" / album / "1.wav")
        write_midi(tmp_path / "songs" / album / "1_reference.mid", HITS)
        write_midi(theirs / album / "1.mid", HITS)
    songs = find_songs([tmp_path / "songs"])
    files = find_transcriptions(theirs, songs)
    assert [files[song.audio] for song in songs] == [theirs / "a" / "1.mid", theirs / "b" / "1.mid"]


def test_what_is_missing_or_in_doubt_is_named(tmp_path, theirs):
    for album in ("a", "b"):
        write_audio(tmp_path / "songs" / album / "1.wav")
        write_midi(tmp_path / "songs" / album / "1_reference.mid", HITS)
    songs = find_songs([tmp_path / "songs"])
    with pytest.raises(OptionError, match="nowhere: no such folder"):
        find_transcriptions(tmp_path / "nowhere", songs)
    with pytest.raises(OptionError, match=r"no MIDI file for .*1\.wav"):
        find_transcriptions(theirs, songs)
    write_midi(theirs / "1.mid", HITS)
    with pytest.raises(OptionError, match="several songs"):
        find_transcriptions(theirs, songs)
    write_midi(theirs / "other" / "1.mid", HITS)
    with pytest.raises(OptionError, match="may both be its transcription"):
        find_transcriptions(theirs, songs[:1])


def test_options_of_a_transcriber_are_refused(tmp_path, theirs):
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--transcriptions", str(theirs), "--stem-only"])
    assert result.exit_code == 1 and "--transcriptions: nothing is transcribed" in result.stderr
