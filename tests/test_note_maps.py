"""Note maps of drum libraries."""

from __future__ import annotations

import csv

import pytest

from mix2midi.drums import PIECES
from mix2midi.errors import NoteMapError, OptionError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import MidiLayout, load_note_map, note_map_names, read_midi_notes, write_midi
from mix2midi.postprocess.note_maps import NEAREST

LIBRARIES = ["superior-drummer-3", "ezdrummer-3", "addictive-drums-2", "ssd-5"]


def test_the_maps_that_are_promised_are_there():
    assert set(note_map_names()) == {"gm", "td-17", *LIBRARIES}


@pytest.mark.parametrize("name", ["gm", "td-17", *LIBRARIES])
def test_every_map_can_be_read_and_says_how_sure_it_is(name):
    note_map = load_note_map(name)
    assert note_map.verified is (name in ("gm", "td-17"))
    assert {"kick", "snare", "closed_hat", "open_hat", "crash", "ride"} <= set(note_map.notes)


def test_general_midi_leaves_notes_as_they_are():
    assert {piece.note: load_note_map("gm").note(piece.note) for piece in PIECES} == {p.note: p.note for p in PIECES}


@pytest.mark.parametrize("name", LIBRARIES)
def test_library_maps_are_those_of_the_measured_table(shared_dir, name):
    lines = (shared_dir / "data" / "drum-maps.csv").read_text().splitlines()
    rows = {int(row["gm_note"]): row for row in csv.DictReader(line for line in lines if not line.startswith("#"))}
    note_map = load_note_map(name)
    for piece in PIECES:
        figure = int(rows[piece.note][name])
        if figure:
            assert note_map.note(piece.note) == figure
        else:
            with pytest.raises(OptionError, match=f"has no {piece.label} .the nearest it has is"):
                note_map.note(piece.note)


def test_a_missing_drum_is_named_with_the_nearest_and_no_file_is_written(tmp_path):
    notes = [DrumNote(0.0, 36, 90), DrumNote(1.0, 56, 90)]
    with pytest.raises(OptionError, match="EZdrummer 3 has no cowbell .the nearest it has is ride bell, 53."):
        write_midi(Transcription(notes, 2.0), tmp_path / "song.mid", note_map=load_note_map("ezdrummer-3"))
    assert not list(tmp_path.iterdir())


def test_a_drum_that_is_none_of_ours_has_no_nearest():
    with pytest.raises(OptionError, match="has no note 70 .and nothing like it."):
        load_note_map("gm").note(70)


def test_notes_are_written_through_the_map(tmp_path):
    notes = [DrumNote(0.0, 36, 90), DrumNote(0.5, 42, 80), DrumNote(1.0, 46, 70)]
    write_midi(Transcription(notes, 2.0), tmp_path / "song.mid", note_map=load_note_map("superior-drummer-3"))
    assert [note for _, note, _ in read_midi_notes(tmp_path / "song.mid")] == [36, 22, 24]


def test_two_drums_on_one_note_never_overlap_even_in_two_tracks(tmp_path):
    notes = [DrumNote(0.0, 49, 90), DrumNote(0.02, 52, 80), DrumNote(0.5, 49, 50), DrumNote(0.5, 52, 60)]
    write_midi(
        Transcription(notes, 2.0),
        tmp_path / "song.mid",
        note_map=load_note_map("ezdrummer-3"),
        layout=MidiLayout(tracks="per-drum"),
    )
    assert [(round(t, 2), n, v) for t, n, v in read_midi_notes(tmp_path / "song.mid")] == [
        (0.0, 86, 90),
        (0.02, 86, 80),
        (0.5, 86, 60),
    ]


def test_a_map_of_ones_own(tmp_path):
    (tmp_path / "my kit.yaml").write_text("name: Mine\nnotes:\n  kick: 0\n  snare: 127\n  ride: 051\n")
    note_map = load_note_map(str(tmp_path / "my kit.yaml"))
    assert (note_map.name, note_map.note(36), note_map.note(40), note_map.verified) == ("Mine", 0, 127, True)
    assert note_map.note(51) == 51, "and not 41, as YAML's own numbers have it"


def test_all_drums_that_a_map_lacks_are_named_at_once(tmp_path):
    (tmp_path / "two.yaml").write_text("name:\nnotes: {kick: 36, snare: 38}\n")
    notes = [DrumNote(float(n), note, 90) for n, note in enumerate((36, 38, 42, 49, 42))]
    with pytest.raises(
        NoteMapError, match=r"two has no closed hi-hat .*, crash .*: use a map of your own with them"
    ) as caught:
        write_midi(Transcription(notes, 6.0), tmp_path / "song.mid", note_map=load_note_map(str(tmp_path / "two.yaml")))
    assert str(caught.value).count("closed hi-hat") == 1 and not (tmp_path / "song.mid").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a note map"),
        ("notes: {kick: 36, snare: 38, kick: 35}", "kick is there twice"),
        ("verified: perhaps\nnotes: {kick: 36}", "verified: 'perhaps' is neither true nor false"),
        ("- 36", "not a note map"),
        ("notes: 36", "not a note map"),
        ("notes: {kick: [}", "cannot be read as a note map"),
        ("notes: {kik: 36}", "kik is no drum; drums are kick, snare"),
        ("notes: {kick: 128}", "kick: '128' is no MIDI note"),
        ("notes: {kick: C1}", "kick: 'C1' is no MIDI note"),
        ("notes: {kick: true}", "kick: 'true' is no MIDI note"),
        ("notes: {}", "not a note map"),
        ("notes: {kick: 2024-99-99}", "kick: '2024-99-99' is no MIDI note"),
        ("[" * 5000, "cannot be read as a note map"),
        ("name: &a [x, x]\nverified: [*a, *a]\nnotes: {kick: 36}", "references are not for note maps"),
    ],
)
def test_a_file_that_is_no_map_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "kit.yaml").write_text(content)
    with pytest.raises(OptionError, match=rf"kit\.yaml: .*{message}|{message}") as caught:
        load_note_map(str(tmp_path / "kit.yaml"))
    assert "\n" not in str(caught.value)


def test_an_unknown_map_is_answered_with_those_there_are():
    with pytest.raises(
        OptionError, match="'tama' is not known; choose one of addictive-drums-2, .*, or name a YAML file"
    ):
        load_note_map("tama")


def test_every_drum_has_a_list_of_stand_ins():
    keys = {piece.key for piece in PIECES}
    assert set(NEAREST) == keys
    for key, others in NEAREST.items():
        assert key not in others
        assert set(others) <= keys
