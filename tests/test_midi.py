"""MIDI files: what a reader that others wrote finds in them."""

from __future__ import annotations

import os
import runpy
from collections import defaultdict
from pathlib import Path

import mido
import pretty_midi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mix2midi.drums import PIECES
from mix2midi.errors import OptionError, OutputError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import MidiLayout, load_note_map, read_midi_notes, write_midi
from tests.readers import read_symusic

GOLDEN = Path(__file__).parent / "golden"
song = runpy.run_path(str(GOLDEN / "make_midi.py"))["song"]

NOTES = sorted(piece.note for piece in PIECES)

drum_notes = st.builds(
    DrumNote,
    st.floats(0, 600, allow_nan=False),
    st.sampled_from(NOTES),
    st.integers(1, 127),
    st.floats(0, 1),
)
drum_parts = st.lists(drum_notes, max_size=60).map(sorted)
tempos_bpm = st.floats(5, 990)
writing_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def transcription_of(notes: list[DrumNote], tempo_bpm: float = 120.0) -> Transcription:
    return Transcription(notes, duration_s=notes[-1].onset_s + 1 if notes else 1.0, tempo_bpm=tempo_bpm)


def onsets_by_note(onsets: list[tuple[float, int]]) -> dict[int, list[float]]:
    by_note = defaultdict(list)
    for onset_s, note in sorted(onsets):
        by_note[note].append(onset_s)
    return by_note


def pretty_midi_onsets(path: Path) -> list[tuple[float, int]]:
    midi = pretty_midi.PrettyMIDI(str(path))
    return [(note.start, note.pitch) for drums in midi.instruments for note in drums.notes]


def symusic_onsets(path: Path) -> list[tuple[float, int]]:
    score = read_symusic(path, "second")
    return [(note.start, note.pitch) for track in score.tracks for note in track.notes]


def mix2midi_onsets(path: Path) -> list[tuple[float, int]]:
    return [(onset_s, note) for onset_s, note, _ in read_midi_notes(path)]


def assert_same_onsets(read: list[tuple[float, int]], notes: list[DrumNote], tolerance_s: float) -> None:
    """Every note is read where it was put, and nothing else is; hits of one drum on one tick count as one."""
    found, expected = onsets_by_note(read), onsets_by_note([(note.onset_s, note.note) for note in notes])
    assert found.keys() == expected.keys()
    for note, onsets_s in expected.items():
        for onset_s in onsets_s:
            assert min(abs(onset_s - other) for other in found[note]) <= tolerance_s
        for onset_s in found[note]:
            assert min(abs(onset_s - other) for other in onsets_s) <= tolerance_s


@pytest.mark.parametrize("read", [pretty_midi_onsets, symusic_onsets, mix2midi_onsets])
@given(notes=drum_parts, tempo_bpm=tempos_bpm, ppq=st.sampled_from([24, 96, 480, 960]))
@writing_files
def test_every_reader_finds_every_onset_within_half_a_tick(tmp_path, read, notes, tempo_bpm, ppq):
    path = tmp_path / "song.mid"
    write_midi(transcription_of(notes, tempo_bpm), path, layout=MidiLayout(ppq=ppq))
    half_tick_s = round(60e6 / tempo_bpm) / 1e6 / ppq / 2
    # symusic keeps seconds as 32-bit floats: 0.03 ms at ten minutes.
    slack_s = 4e-5 if read is symusic_onsets else 1e-9
    assert_same_onsets(read(path), notes, half_tick_s + slack_s)


@given(notes=drum_parts, tempo_bpm=tempos_bpm)
@writing_files
def test_no_drum_overlaps_itself_and_every_note_ends(tmp_path, notes, tempo_bpm):
    path = tmp_path / "song.mid"
    write_midi(transcription_of(notes, tempo_bpm), path)
    sounding: set[int] = set()
    for message in mido.MidiFile(path).tracks[1]:
        if message.type == "note_on":
            assert message.note not in sounding
            sounding.add(message.note)
        elif message.type == "note_off":
            sounding.remove(message.note)
    assert not sounding


@given(notes=drum_parts, tempo_bpm=tempos_bpm)
@writing_files
def test_velocities_are_kept(tmp_path, notes, tempo_bpm):
    path = tmp_path / "song.mid"
    write_midi(transcription_of(notes, tempo_bpm), path)
    loudest: dict[tuple[float, int], int] = {}
    tick_s = round(60e6 / tempo_bpm) / 1e6 / 960
    for note in notes:
        place = round(note.onset_s / tick_s), note.note
        loudest[place] = max(note.velocity, loudest.get(place, 0))
    written = {(round(onset_s / tick_s), note): velocity for onset_s, note, velocity in read_midi_notes(path)}
    assert written == loudest


def test_two_hits_on_one_tick_become_the_louder_one(tmp_path):
    write_midi(transcription_of([DrumNote(1.0, 38, 30), DrumNote(1.0, 38, 90)]), tmp_path / "song.mid")
    assert read_midi_notes(tmp_path / "song.mid") == [(1.0, 38, 90)]


def test_a_repeated_hit_cuts_the_note_before_it(tmp_path):
    write_midi(transcription_of([DrumNote(1.0, 38, 30), DrumNote(1.02, 38, 90)]), tmp_path / "song.mid")
    notes = pretty_midi.PrettyMIDI(str(tmp_path / "song.mid")).instruments[0].notes
    assert notes[0].end == pytest.approx(notes[1].start)
    assert notes[1].end - notes[1].start == pytest.approx(0.05, abs=0.001)


def test_structure_of_the_file(tmp_path):
    write_midi(song(), tmp_path / "song.mid")
    midi = mido.MidiFile(tmp_path / "song.mid", charset="utf-8")
    conductor, drums = midi.tracks
    assert (midi.type, midi.ticks_per_beat) == (1, 960)
    assert (conductor.name, drums.name) == ("Zwölf “Takte”", "Drums")
    assert [message.tempo for message in conductor if message.type == "set_tempo"] == [round(60e6 / 97.3)]
    signatures = [message for message in conductor if message.type == "time_signature"]
    assert [(message.numerator, message.denominator) for message in signatures] == [(4, 4)]
    assert {message.channel for message in drums if not message.is_meta} == {9}
    assert midi.length == pytest.approx(33.25, abs=0.001)


def test_readers_agree_on_tempo_and_drum_channel(tmp_path):
    write_midi(song(), tmp_path / "song.mid")
    pretty, score = pretty_midi.PrettyMIDI(str(tmp_path / "song.mid")), read_symusic(tmp_path / "song.mid")
    assert pretty.get_tempo_changes()[1] == pytest.approx([97.3], abs=0.001)
    assert [tempo.qpm for tempo in score.tempos] == pytest.approx([97.3], abs=0.001)
    assert [drums.is_drum for drums in pretty.instruments] == [True]
    assert [drums.is_drum for drums in score.tracks] == [True]


def test_an_empty_part_is_a_valid_file(tmp_path):
    write_midi(Transcription([], duration_s=2.0), tmp_path / "silence.mid")
    assert read_midi_notes(tmp_path / "silence.mid") == []
    assert mido.MidiFile(tmp_path / "silence.mid").length == pytest.approx(2.0)
    assert pretty_midi.PrettyMIDI(str(tmp_path / "silence.mid")).get_end_time() == 0.0
    assert read_symusic(tmp_path / "silence.mid").note_num() == 0


def test_bytes_are_those_of_the_golden_file(tmp_path):
    write_midi(song(), tmp_path / "bars.mid")
    assert (tmp_path / "bars.mid").read_bytes() == (GOLDEN / "bars.mid").read_bytes()


@pytest.mark.parametrize(
    "name", ["mit Leerzeichen.mid", 'it\'s "quoted".mid', "Füße.mid", "太鼓.mid", "x" * 251 + ".mid"]
)
def test_file_names(tmp_path, name):
    write_midi(Transcription(song().notes, 33.0, title=name), tmp_path / name)
    assert len(read_midi_notes(tmp_path / name)) == len(song().notes)
    assert os.listdir(tmp_path) == [name]


def test_a_title_with_bytes_that_are_no_text_is_written(tmp_path):
    write_midi(Transcription([], 1.0, title=os.fsdecode(b"caf\xe9")), tmp_path / "song.mid")
    assert mido.MidiFile(tmp_path / "song.mid", charset="utf-8").tracks[0].name == "caf?"


@pytest.mark.parametrize("tempo_bpm", [0.0, -120.0, 4.9, 991.0, float("nan"), float("inf")])
def test_a_tempo_that_midi_cannot_hold_is_refused(tmp_path, tempo_bpm):
    with pytest.raises(OptionError, match="BPM is out of range"):
        write_midi(Transcription([], 1.0, tempo_bpm=tempo_bpm), tmp_path / "song.mid")
    assert not list(tmp_path.iterdir())


def test_reading_a_kit_on_another_channel_with_tempo_changes(tmp_path):
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    track.append(mido.Message("note_on", channel=0, note=35, velocity=85, time=480))
    track.append(mido.MetaMessage("set_tempo", tempo=500_000, time=480))
    track.append(mido.Message("note_on", channel=0, note=35, velocity=0))
    track.append(mido.Message("note_on", channel=0, note=38, velocity=1, time=480))
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(tmp_path / "kit.mid")
    assert read_midi_notes(tmp_path / "kit.mid") == [(1.0, 35, 85), (2.5, 38, 1)]


def test_reading_prefers_channel_ten(tmp_path):
    track = mido.MidiTrack([mido.Message("note_on", channel=c, note=60 + c, velocity=9) for c in (0, 9)])
    mido.MidiFile(type=0, tracks=[track]).save(tmp_path / "band.mid")
    assert read_midi_notes(tmp_path / "band.mid") == [(0.0, 69, 9)]


@pytest.mark.parametrize("content", [b"", b"MThd", b"RIFF0000WAVEfmt ", (GOLDEN / "bars.mid").read_bytes()[:90]])
def test_what_is_no_midi_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "song.mid").write_bytes(content)
    with pytest.raises(OptionError, match=r"song\.mid: is not a MIDI file"):
        read_midi_notes(tmp_path / "song.mid")


def test_a_midi_file_of_somebody_else_is_not_called_damaged(tmp_path, monkeypatch):
    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "song.mid").touch()
    monkeypatch.setattr(mido, "MidiFile", closed)
    with pytest.raises(OptionError, match=r"song\.mid: cannot be read \(Permission denied\)"):
        read_midi_notes(tmp_path / "song.mid")


@pytest.mark.parametrize(("place", "value"), [(8, b"\x00\x02"), (12, b"\xe7\x28")], ids=["type 2", "SMPTE frames"])
def test_midi_without_one_song_in_beats_is_refused(tmp_path, place, value):
    content = bytearray((GOLDEN / "bars.mid").read_bytes())
    content[place : place + 2] = value
    (tmp_path / "song.mid").write_bytes(content)
    with pytest.raises(OptionError, match=r"song\.mid: MIDI of type 2 or in SMPTE time is not read"):
        read_midi_notes(tmp_path / "song.mid")


def test_a_missing_midi_file_is_named(tmp_path):
    with pytest.raises(OptionError, match=r"none\.mid: there is no such MIDI file"):
        read_midi_notes(tmp_path / "none.mid")


def test_real_drum_parts_survive_a_round_trip(tmp_path, shared_dir):
    sources = sorted(shared_dir.glob("data/mdb-dev/*/plusplus.mid"))
    assert len(sources) == 6
    for source in sources:
        notes = [DrumNote(*note) for note in read_midi_notes(source)]
        write_midi(transcription_of(notes, 133.7), tmp_path / "copy.mid")
        assert_same_onsets(pretty_midi_onsets(tmp_path / "copy.mid"), notes, 0.0003)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        write_midi(song(), tmp_path / "nowhere" / "song.mid")


@pytest.mark.parametrize(
    "note", [DrumNote(0.0, 200, 90), DrumNote(0.0, 38, 0), DrumNote(0.0, 38, 128), DrumNote(-0.1, 38, 90)]
)
def test_a_note_that_midi_cannot_hold_is_named(tmp_path, note):
    with pytest.raises(OptionError, match="cannot be stored in a MIDI file"):
        write_midi(Transcription([note], 1.0), tmp_path / "song.mid")
    assert not (tmp_path / "song.mid").exists()


def test_two_drums_that_a_library_plays_by_one_note_are_one_hit_where_they_were_hit_together(tmp_path):
    notes = [DrumNote(1.0, 42, 90), DrumNote(1.004, 54, 60), DrumNote(2.0, 42, 90), DrumNote(2.03, 42, 50)]
    path = tmp_path / "song.mid"
    write_midi(Transcription(notes, 3.0), path, note_map=load_note_map("superior-drummer-3"))
    assert [(round(t, 2), v) for t, _, v in read_midi_notes(path)] == [(1.0, 90), (2.0, 90), (2.03, 50)]
