"""Evaluation: what is scored, and what a whole evaluation reports."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mix2midi import postprocess
from mix2midi.cli import app
from mix2midi.errors import AudioError, ModelError, OptionError
from mix2midi.files import PROGRAM
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline import Converter
from mix2midi.pipeline.evaluate import evaluate_songs, write_evaluation
from mix2midi.pipeline.references import find_songs, read_reference, strange_notes
from mix2midi.pipeline.score_tables import ScoreTable, score_tables
from mix2midi.pipeline.time_scores import TimeScores
from mix2midi.scores import Counts, Reference
from tests.annotated import write_audio, write_midi, write_text
from tests.networks import write_tiny_weights


@pytest.fixture
def songs(tmp_path):
    for name, notes in {"one": [(0.5, 36, 90), (1.0, 46, 50)], "two": [(0.5, 38, 70)]}.items():
        write_audio(tmp_path / f"{name}.wav")
        write_midi(tmp_path / f"{name}_reference.mid", notes)
    return find_songs([tmp_path])


def only_kicks(path):
    return Transcription([DrumNote(0.51, 36, 80)], duration_s=2.0, separator="none", title=path.stem)


class TestSongs:
    def test_a_song_that_is_named_twice_counts_once(self, songs, tmp_path):
        again = find_songs([tmp_path, tmp_path, songs[0].audio])
        assert [song.audio for song in again] == [song.audio for song in songs]

    def test_suffixes_of_references_may_be_capitals(self, songs, tmp_path):
        songs[0].reference.rename(songs[0].reference.with_suffix(".MID"))
        assert [song.audio for song in find_songs([tmp_path])] == [song.audio for song in songs]

    def test_accents_may_be_apart_from_their_letters(self, tmp_path):
        audio = write_audio(tmp_path / "Caf\u00e9.wav")
        write_midi(tmp_path / "Cafe\u0301.mid", [(0.5, 36, 90)])  # as macOS writes it into an archive
        assert [song.audio for song in find_songs([tmp_path])] == [audio]

    def test_notes_of_another_map_are_said(self, tmp_path):
        strangers = [DrumNote(0.5 * n, 24 + n % 2, 80) for n in range(10)]
        postprocess.write_midi(Transcription(strangers, 5.0), tmp_path / "a.mid")
        said = strange_notes(read_reference(tmp_path / "a.mid"))
        assert "10 of 10 notes" in said and "24, 25" in said
        drums = Reference([DrumNote(0.1 * n, 36, 80) for n in range(40)] + [DrumNote(4.0, 99, 80)])
        assert strange_notes(drums) == "", "one shaker among forty kicks is no other map"


class TestEvaluation:
    def test_counts_are_pooled_over_songs(self, songs):
        evaluation = evaluate_songs(songs, only_kicks)
        assert evaluation.pooled.overall.counts[0.050] == Counts(matched=1, missed=2, extra=1)
        assert [entry.song.name for entry in evaluation.songs] == ["one", "two"]

    def test_songs_are_told_before_they_are_transcribed(self, songs):
        told: list[str] = []

        def transcribe(path):
            assert told[-1] == path.stem
            return only_kicks(path)

        evaluate_songs(songs, transcribe, on_start=lambda song: told.append(song.name))
        assert told == ["one", "two"]

    def test_a_bad_reference_is_found_before_work_begins(self, songs):
        songs[-1].reference.write_bytes(b"")
        with pytest.raises(OptionError, match=r"two_reference\.mid"):
            evaluate_songs(songs, lambda path: pytest.fail("transcribed before all references were read"))

    def test_a_song_that_cannot_be_read_does_not_cost_the_others(self, songs, tmp_path):
        def transcribe(path):
            if path.stem == "one":
                raise AudioError(f"{path}: is no audio")
            return only_kicks(path)

        evaluation = evaluate_songs(songs, transcribe)
        assert [entry.song.name for entry in evaluation.songs] == ["two"]
        assert [failure.message for failure in evaluation.failures] == [f"{songs[0].audio}: is no audio"]
        assert evaluation.to_dict()["failures"][0]["audio"] == str(songs[0].audio)
        with pytest.raises(AudioError, match="is no audio"):
            evaluate_songs(songs[:1], transcribe)

    def test_an_unexpected_error_costs_one_song_and_what_is_wrong_for_all_ends_the_run(self, songs):
        def transcribe(path):
            if path.stem == "one":
                raise error
            return only_kicks(path)

        error: Exception = MemoryError()
        evaluation = evaluate_songs(songs, transcribe)
        assert [entry.song.name for entry in evaluation.songs] == ["two"]
        assert "unexpected MemoryError" in evaluation.failures[0].message
        for error in (ModelError("no weights"), OptionError("no such device")):
            with pytest.raises(type(error)):
                evaluate_songs(songs, transcribe)

    def test_a_run_that_is_stopped_leaves_what_was_scored(self, songs, tmp_path, monkeypatch):
        def convert(self, path, on_progress):
            if path.stem == "two":
                raise KeyboardInterrupt
            return SimpleNamespace(transcription=only_kicks(path))

        monkeypatch.setattr(Converter, "convert", convert)
        scores = tmp_path / "scores.json"
        result = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--stem-only", "--json", str(scores)])
        assert result.exit_code == 130
        left = json.loads(scores.read_text(encoding="utf-8"))
        assert [song["name"] for song in left["songs"]] == ["one"] and left["songs_left"] == 1

    def test_the_command_lists_what_failed_and_replaces_nothing_of_the_users(self, songs, tmp_path):
        weights = write_tiny_weights(tmp_path / "tiny.safetensors")
        words = ["evaluate", str(tmp_path), "--stem-only", "--weights", str(weights)]
        before = songs[1].audio.read_bytes()
        (tmp_path / "notes.json").write_text("{}")
        for target, trouble in ((songs[1].audio, "is a song or reference"), (tmp_path / "notes.json", "not made by")):
            result = CliRunner().invoke(app, [*words, "--json", str(target)])
            assert result.exit_code == 1 and trouble in result.stderr
        assert songs[1].audio.read_bytes() == before
        songs[0].audio.write_bytes(b"no audio at all")
        for _ in range(2):  # its own file is replaced
            result = CliRunner().invoke(app, [*words, "--json", str(tmp_path / "scores.json")])
            assert result.exit_code == 1 and str(songs[0].audio) in result.stderr
        scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
        assert [song["name"] for song in scores["songs"]] == ["two"]

    def test_json_has_no_undefined_numbers(self, songs, tmp_path):
        evaluation = evaluate_songs(songs, only_kicks, settings={"separator": "none"})
        write_evaluation(evaluation, tmp_path / "scores.json")
        result = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
        assert result == evaluation.to_dict()
        assert result["pooled"]["all"]["windows_ms"]["50"]["f"] == 0.4
        assert result["pooled"]["classes"]["toms"]["windows_ms"]["50"]["f"] is None
        assert result["pooled"]["classes"]["kick"]["bias_ms"] == pytest.approx(10.0)
        assert result["pooled"]["classes"]["kick"]["calibration_error"] == 0.5, "two sure kicks, and one was right"
        assert result["pooled"]["classes"]["toms"]["calibration_error"] is None
        assert result["songs"][0]["pieces"]["open_hat"]["reference"] == 1
        assert result["settings"] == {"separator": "none"}

    def test_tables(self, songs):
        by_song, by_class, by_piece = score_tables(evaluate_songs(songs, only_kicks))
        assert by_song.rows[0][:4] == ["one", "2", "0.667", "0.667"]
        assert by_song.rows[-1][:4] == ["all", "3", "0.400", "0.400"]
        assert by_class.rows[0][-5:-3] == ["+10.0", "10.0"]
        assert [row[0] for row in by_piece.rows] == ["kick", "snare", "open hat", "all"]
        lines = by_class.to_markdown().splitlines()
        assert lines[1] == "| --- |" + " ---: |" * (len(by_class.header) - 1)
        assert len({line.count("|") for line in lines}) == 1

    def test_a_bar_in_a_name_ends_no_cell_of_markdown(self):
        table = ScoreTable("F", ["song", "hits"], [["live | take 2", "3"]])
        assert table.to_markdown().splitlines()[-1] == r"| live \| take 2 | 3 |"

    def test_tables_leave_out_what_the_reference_does_not_know(self, tmp_path):
        write_audio(tmp_path / "drums.wav")
        write_text(tmp_path / "class.txt", "0.5 KD\n")
        tables = score_tables(evaluate_songs(find_songs([tmp_path], "drums.wav"), only_kicks))
        assert len(tables) == 2
        assert "velocity error" not in tables[1].header

    def test_rich_table_has_all_cells(self, songs):
        table = score_tables(evaluate_songs(songs, only_kicks))[0]
        printed = io.StringIO()
        Console(width=200, file=printed).print(table.to_rich())
        assert all(cell in printed.getvalue() for row in table.rows for cell in row)

    def test_musical_time_counts_every_song_and_leaves_out_what_is_not_defined(self, songs):
        right = TimeScores(1.0, 1.0, 120.0, 120.0, "4/4", "4/4", same_sixteenth=1.0)
        silent = TimeScores(0.0, 0.0, 60.0, 120.0, "4/4", "4/4", same_sixteenth=float("nan"))
        evaluation = evaluate_songs([songs[0], songs[0]], only_kicks)
        timed = [replace(entry, time=time) for entry, time in zip(evaluation.songs, (right, silent), strict=True)]
        table = score_tables(replace(evaluation, songs=timed))[-1]
        assert [row[0] for row in table.rows] == ["one", "one", "all"]
        assert (table.rows[-1][1], table.rows[-1][-1]) == ("0.500", "1.000")

    def test_names_of_songs_are_no_markup(self, tmp_path):
        write_audio(tmp_path / "[live] a.wav")
        write_midi(tmp_path / "[live] a.mid", [(0.5, 36, 90)])
        printed = io.StringIO()
        table = score_tables(evaluate_songs(find_songs([tmp_path]), only_kicks))[0]
        Console(width=200, file=printed).print(table.to_rich())
        assert "[live] a" in printed.getvalue()


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path):
        weights = str(write_tiny_weights(tmp_path / "tiny.safetensors"))
        return lambda *words: CliRunner().invoke(app, ["evaluate", *map(str, words), "--weights", weights])

    def test_tables_and_json(self, run, songs, tmp_path):
        result = run(tmp_path, "--stem-only", "--json", tmp_path / "scores.json")
        assert result.exit_code == 0
        assert "drums alone" in result.stdout
        scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
        assert [song["name"] for song in scores["songs"]] == ["one", "two"]
        assert scores["settings"]["weights"] == "tiny.safetensors"

    def test_markdown(self, run, songs, tmp_path):
        lines = run(tmp_path, "--stem-only", "--markdown").stdout.splitlines()
        assert lines[2].startswith("| song | hits | F 50 ms | F 20 ms | F 10 ms |")

    def test_quiet(self, run, songs, tmp_path):
        assert run(tmp_path, "--separator", "none", "--quiet").output == ""

    def test_a_transcription_taken_for_the_truth_is_said(self, run, songs, tmp_path):
        assert run(tmp_path, "--stem-only", "--quiet").stderr == ""
        songs[0].reference.rename(tmp_path / "one.mid")
        result = run(tmp_path, "--stem-only")
        assert result.exit_code == 0
        assert "one.mid: made by mix2midi itself" in result.stderr
        assert run(tmp_path, "--stem-only", "--quiet").stderr == ""

    def test_audio_that_is_left_out_is_said_on_one_line(self, run, songs, tmp_path):
        left_out = [write_audio(tmp_path / "more" / f"{name}.wav") for name in "abcde"]
        (tmp_path / "one.drums.wav").write_text(PROGRAM)  # a stem that an earlier run saved
        result = run(tmp_path, "--stem-only")
        assert result.exit_code == 0
        names = ", ".join(map(str, left_out[:3]))
        assert result.stderr.startswith(f"mix2midi: {names} and 2 more: left out, without a reference")
        assert result.stderr.count("\n") == 1
        assert run(tmp_path, "--stem-only", "--quiet").stderr == ""

    def test_audio_of_another_name_than_is_asked_for_is_not_left_out(self, run, tmp_path):
        for name in ("drums.wav", "mix.wav"):
            write_text(write_audio(tmp_path / "Rock" / name).with_name("class.txt"), "0.5 KD\n")
        write_audio(tmp_path / "raw" / "take.wav")
        assert run(tmp_path, "--stem-only", "--input", "drums.wav").stderr == ""

    def test_trouble_is_one_line(self, run, songs, tmp_path):
        for words in ((tmp_path / "nowhere",), (tmp_path, "--json", tmp_path / "no folder" / "scores.json")):
            result = run(*words, "--stem-only")
            assert result.exit_code == 1
            assert result.stderr.startswith("mix2midi: ")
            assert result.stderr.count("\n") == 1
            assert result.stdout == ""
