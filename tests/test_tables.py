"""CSV and JSON: what another program reads from them."""

from __future__ import annotations

import csv
import json
import os
import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mix2midi.drums import PIECES
from mix2midi.errors import OutputError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import write_csv, write_json

GOLDEN = Path(__file__).parent / "golden"
song = runpy.run_path(str(GOLDEN / "make_midi.py"))["song"]

drum_parts = st.lists(
    st.builds(
        DrumNote,
        st.floats(0, 7200),
        st.sampled_from([piece.note for piece in PIECES] + [70]),
        st.integers(1, 127),
        st.floats(0, 1),
    ),
    max_size=40,
).map(sorted)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@given(notes=drum_parts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_both_tables_hold_every_note_in_order(tmp_path, notes):
    transcription = Transcription(notes, duration_s=7201.0)
    write_csv(transcription, tmp_path / "notes.csv")
    write_json(transcription, tmp_path / "notes.json")
    from_csv = read_csv(tmp_path / "notes.csv")
    from_json = json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))["notes"]
    for rows in (from_csv, from_json):
        assert [float(row["onset_s"]) for row in rows] == pytest.approx([note.onset_s for note in notes], abs=1e-6)
        assert [(int(row["note"]), row["name"]) for row in rows] == [(note.note, note.name) for note in notes]
        assert [int(row["velocity"]) for row in rows] == [note.velocity for note in notes]
        assert [float(row["confidence"]) for row in rows] == pytest.approx([n.confidence for n in notes], abs=1e-4)


def test_json_states_the_facts_of_the_song(tmp_path):
    write_json(song(), tmp_path / "song.json")
    facts = json.loads((tmp_path / "song.json").read_text(encoding="utf-8"))
    del facts["notes"]
    assert facts == {
        "program": "Made with mix2midi",
        "title": "Zwölf “Takte”",
        "duration_s": 33.25,
        "tempo_bpm": 97.3,
        "time_signature": "6/8",
        "separator": "htdemucs",
        "device": "cpu",
        "beats": [{"time_s": 0.3, "position": 6}, {"time_s": 0.608325, "position": 1}],
    }


def test_no_notes_leave_the_heading(tmp_path):
    write_csv(Transcription([], 1.0), tmp_path / "notes.csv")
    assert (tmp_path / "notes.csv").read_text() == "onset_s,note,name,velocity,confidence\n"


@pytest.mark.parametrize(("write", "name"), [(write_csv, "bars.csv"), (write_json, "bars.json")])
def test_text_is_that_of_the_golden_file(tmp_path, write, name):
    write(song(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_lines_end_on_windows_as_they_do_elsewhere(tmp_path, monkeypatch, write):
    """Python's own implementation of files asks `os.linesep` how lines end, as the one in C is built to know it."""
    monkeypatch.setattr("io.open", pytest.importorskip("_pyio").open)
    monkeypatch.setattr(os, "linesep", "\r\n")
    write(song(), tmp_path / "table")
    assert b"\r" not in (tmp_path / "table").read_bytes()


def test_a_title_with_bytes_that_are_no_text_is_written(tmp_path):
    title = os.fsdecode(b"caf\xe9")
    write_json(Transcription([], 1.0, title=title), tmp_path / "song.json")
    assert json.loads((tmp_path / "song.json").read_text(encoding="utf-8"))["title"] == title


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_a_missing_folder_is_named(tmp_path, write):
    with pytest.raises(OutputError, match="there is no folder"):
        write(song(), tmp_path / "nowhere" / "table")
