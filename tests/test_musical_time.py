"""Musical time, velocities and the MIDI file, as asked for on the command line and from Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from mix2midi import MidiOptions, convert
from mix2midi.errors import NoteMapError, OptionError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline import Conversion, Converter, Failure, Outputs, plan_jobs, run_jobs
from mix2midi.postprocess import read_midi_notes, write_midi
from mix2midi.transcription import HeatMap
from tests.readers import midicsv_events, midicsv_onsets, music21_onsets, pretty_midi_onsets, symusic_onsets
from tests.songs import files_in, hits, missing, one_line, run, write_song

KICK, SNARE, HAT = 36, 38, 42
DURATION_S = 12.0


def waltz() -> list[DrumNote]:
    """Kick on one, snare on two and three, hats in eighths; 97 BPM, played by a human."""
    rng = np.random.default_rng(4)
    played = [(0.4 + beat * 60 / 97, KICK if beat % 3 == 0 else SNARE, 100) for beat in range(18)]
    played += [(0.4 + half * 30 / 97, HAT, 60) for half in range(36)]
    return sorted(DrumNote(t + rng.normal(0, 0.006), n, v + int(rng.integers(-12, 12))) for t, n, v in played)


@pytest.fixture
def song(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A song in which the transcriber hears `waltz`."""

    def hear(heat_map: HeatMap, picking: object) -> list[DrumNote]:
        return waltz()

    monkeypatch.setattr("mix2midi.pipeline.converter.pick_notes", hear)
    return write_song(tmp_path / "song.wav", hits(DURATION_S, channels=1))


@pytest.fixture
def converter(tiny_weights: Path) -> Converter:
    return Converter(stem_only=True, weights=tiny_weights, device="cpu")


@pytest.fixture
def command(song: Path, tiny_weights: Path) -> Callable[..., list[str]]:
    """The words of a quick run over the song."""
    return lambda *words: [
        str(song),
        "--stem-only",
        "--device",
        "cpu",
        "--weights",
        str(tiny_weights),
        *map(str, words),
    ]


def meta(path: Path, kind: str) -> list[mido.MetaMessage]:
    return [message for track in mido.MidiFile(path).tracks for message in track if message.type == kind]


# Onsets do not depend on how the file keeps time

TIMES = [
    MidiOptions(),
    MidiOptions(tempo="constant"),
    MidiOptions(tempo="constant", tempo_bpm=133.0),
    MidiOptions(tempo_bpm=97.0),
    MidiOptions(time_signature="6/8", downbeat_s=1.93),
    MidiOptions(tempo_bpm=60.0, time_signature="7/8", format=0, ppq=96),
    MidiOptions(tempo="constant", tracks="per-drum", channel=1, ppq=480),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("read", [pretty_midi_onsets, symusic_onsets, midicsv_onsets])
def test_every_reader_finds_onsets_where_they_were_heard(song, converter, tmp_path, read):
    heard_s = [note.onset_s for note in waltz()]
    for number, midi in enumerate(TIMES):
        path = tmp_path / f"{number}.mid"
        conversion = converter.convert(song, Outputs(midi=path), midi=midi)
        assert [note.onset_s for note in conversion.transcription.notes] == heard_s
        tick_s = max(message.tempo for message in meta(path, "set_tempo")) / 1e6 / midi.ppq
        slack_s = 1e-5 if read is symusic_onsets else 1e-9  # symusic keeps seconds as 32-bit floats
        assert read(path) == pytest.approx(heard_s, abs=tick_s / 2 + slack_s), midi


@pytest.mark.filterwarnings("default")
def test_music21_finds_onsets_where_they_were_heard(song, converter, tmp_path):
    # It makes chords of drums in one track, and rounds to fractions of a quarter that can be written as notes.
    midi = MidiOptions(tracks="per-drum")
    notes = converter.convert(song, Outputs(midi=tmp_path / "song.mid"), midi=midi).transcription.notes
    assert music21_onsets(tmp_path / "song.mid") == pytest.approx([note.onset_s for note in notes], abs=0.004)


def test_midicsv_finds_what_the_summary_says(song, command, tmp_path):
    said = run(*command("--tempo", "constant", "--bpm", "98", "--time-signature", "3/4")).stdout
    assert not missing(said, ["tempo      98.0 BPM, 3/4\n", "bars       "])
    events = midicsv_events(tmp_path / "song.mid")
    assert [int(row[3]) for row in events if row[2] == "Tempo"] == [round(60e6 / 98)]
    assert [(int(row[3]), 2 ** int(row[4])) for row in events if row[2] == "Time_signature"] == [(3, 4)]


# Beats


def test_summary_and_json_say_where_the_beats_are(song, command, tmp_path):
    said = run(*command("--json")).stdout
    stored = json.loads((tmp_path / "song.json").read_text())
    assert (stored["time_signature"], stored["tempo_bpm"]) == ("3/4", pytest.approx(97, rel=0.01))
    downbeats_s = [beat["time_s"] for beat in stored["beats"] if beat["position"] == 1]
    true_s = 0.4 + np.arange(6) * 180 / 97
    assert np.abs(np.array(downbeats_s)[:, None] - true_s).min(axis=0) == pytest.approx(0, abs=0.03)
    assert stored["beats"][-1]["time_s"] <= stored["duration_s"]
    assert f"bars       {len(downbeats_s)}, the first at {downbeats_s[0]:.2f} s\n" in said
    assert "BPM, 3/4" in said


def test_bar_lines_of_the_file_are_those_of_the_song(song, converter, tmp_path):
    import pretty_midi

    transcription = converter.convert(song, Outputs(midi=tmp_path / "song.mid")).transcription
    found_s = pretty_midi.PrettyMIDI(str(tmp_path / "song.mid")).get_downbeats()
    for beat in transcription.beats:
        if beat.position == 1 and 0.4 <= beat.time_s < 11:
            assert np.abs(found_s - beat.time_s).min() < 0.006


def test_what_the_user_knows_is_followed(song, converter):
    known = MidiOptions(tempo_bpm=97.0, time_signature="2/4", downbeat_s=0.4 + 60 / 97)
    transcription = converter.convert(song, midi=known).transcription
    assert transcription.time_signature == "2/4"
    assert {beat.position for beat in transcription.beats} == {1, 2}
    downbeats_s = np.array([beat.time_s for beat in transcription.beats if beat.position == 1])
    assert np.abs(downbeats_s - known.downbeat_s).min() < 0.05


def test_too_few_hits_are_said(song, command, monkeypatch):
    monkeypatch.setattr("mix2midi.pipeline.converter.pick_notes", lambda *_: waltz()[:2])
    said = run(*command("--bpm", "90", "--time-signature", "3/4")).stdout
    assert "tempo      90.0 BPM, 3/4 (a guess: 1 onset is too few to hear a beat)\n" in said


# Quantising


def test_quantised_hits_are_on_the_written_grid_and_the_summary_says_which(song, command, tmp_path):
    result = run(*command("--quantize", "1/8"))
    assert "grid       1/8 in 6 bars, straight\n" in result.stdout
    ticks = [int(row[1]) for row in midicsv_events(tmp_path / "song.mid") if row[2] == "Note_on_c" and row[5] != "0"]
    # Tempo events keep the grid within 5 ms of the beats: 16 ticks of 480 at 97 BPM.
    ticks = [tick - ticks[0] for tick in ticks]
    assert max(min(tick % 480, -tick % 480) for tick in ticks) <= 16


def test_strength_and_swing_are_said(song, command):
    said = run(*command("--quantize", "1/16", "--strength", "50", "--swing", "62")).stdout
    assert not missing(said, ["1/16 in 6 bars", "swing 62 % of ", "strength 50 %"])


def test_strength_is_how_far_hits_move(song, converter):
    def onsets_s(strength: float | None) -> np.ndarray:
        midi = MidiOptions(quantize="1/8", strength=strength)
        return np.array([note.onset_s for note in converter.convert(song, midi=midi).transcription.notes])

    played, half, full = onsets_s(0), onsets_s(50), onsets_s(None)
    assert played == pytest.approx([note.onset_s for note in waltz()])
    assert half == pytest.approx((played + full) / 2)
    assert np.abs(full - played).max() > 0.004


def test_flams_are_kept_unless_told_otherwise(song, converter, monkeypatch):
    flam = sorted([*waltz(), DrumNote(0.4 + 4 * 60 / 97 - 0.03, SNARE, 30)])
    monkeypatch.setattr("mix2midi.pipeline.converter.pick_notes", lambda *_: flam)

    def gap_s(*, keep_flams: bool) -> float:
        midi = MidiOptions(quantize="1/32", keep_flams=keep_flams)
        notes = converter.convert(song, midi=midi).transcription.notes
        times_s = sorted(note.onset_s for note in notes if note.note == SNARE)
        return float(np.diff(times_s).min())

    played_s = float(np.diff(sorted(note.onset_s for note in flam if note.note == SNARE)).min())
    assert gap_s(keep_flams=True) == pytest.approx(played_s, abs=0.002)
    assert gap_s(keep_flams=False) != pytest.approx(played_s, abs=0.002)


# Velocities


def velocities(path: Path) -> list[int]:
    return [velocity for _, _, velocity in read_midi_notes(path)]


def test_velocities_as_asked_for(song, command, tmp_path):
    def written(*words: object) -> list[int]:
        assert run(*command(*words)).exit_code == 0
        return velocities(tmp_path / "song.mid")

    heard = written()
    assert sorted(heard) == sorted(note.velocity for note in waltz())
    assert set(written("--velocity", "fixed:99")) == {99}
    ranged = written("--velocity-range", 20, 110)
    assert (min(ranged), max(ranged)) == (20, 110)
    assert all(soft >= before for soft, before in zip(written("--velocity-curve", "0.5"), heard, strict=True))
    groove = [DrumNote(float(k), drum, 30 + k) for k in range(10) for drum in (KICK, SNARE, HAT)]
    write_midi(Transcription(groove, 11.0), tmp_path / "groove.mid")
    matched = written("--velocity", f"match:{tmp_path / 'groove.mid'}")
    assert min(matched) >= 30
    assert max(matched) <= 39


# The file


def test_layout_and_note_map(song, command, tmp_path):
    assert run(*command("--tracks", "per-drum", "--ppq", "480", "--channel", "3")).exit_code == 0
    midi = mido.MidiFile(tmp_path / "song.mid")
    assert (midi.type, midi.ticks_per_beat) == (1, 480)
    assert {track.name for track in midi.tracks[1:]} == {"Kick", "Snare", "Closed hi-hat"}
    assert {message.channel for track in midi.tracks for message in track if message.type == "note_on"} == {2}
    assert run(*command("--format", "0", "--note-map", "superior-drummer-3", "--csv")).exit_code == 0
    midi = mido.MidiFile(tmp_path / "song.mid")
    assert (midi.type, len(midi.tracks)) == (0, 1)
    assert {note for _, note, _ in read_midi_notes(tmp_path / "song.mid")} == {36, 38, 22}
    assert ",42,closed hi-hat," in (tmp_path / "song.csv").read_text(), "tables keep General MIDI"


def test_a_drum_that_the_library_lacks_fails_this_song_alone(song, converter, tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text("name: Small\nnotes: {kick: 36, snare: 38, ride: 51}\n")
    midi = MidiOptions(note_map=str(tmp_path / "small.yaml"))
    with pytest.raises(NoteMapError, match="Small has no closed hi-hat .the nearest it has is ride, 51."):
        converter.convert(song, Outputs(tmp_path / "x.mid"), midi=midi)
    other = write_song(tmp_path / "other.wav")
    parts = iter([waltz(), [note for note in waltz() if note.note != HAT]])
    monkeypatch.setattr("mix2midi.pipeline.converter.pick_notes", lambda *_: next(parts))
    first, second = run_jobs(converter, plan_jobs([song, other], None, ["csv"])[0], midi=midi)
    assert isinstance(first, Failure)
    assert isinstance(second, Conversion)
    assert not missing(first.message, [song, "Small has no closed hi-hat"])
    assert files_in(tmp_path) == ["other.csv", "other.mid", "other.wav", "small.yaml", "song.csv", "song.wav"]


# What is asked for in vain


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--tempo", "rubato"], ["'rubato'", "map, constant"]),
        (["--bpm", "0"], ["0 BPM is out of range"]),
        (["--bpm", "nan"], ["nan BPM is out of range"]),
        (["--bpm", "fast"], ["--bpm", "number"]),
        (["--bpm", "990", "--time-signature", "1/32"], ["990 BPM in 1/32 are 7920 beats a minute", "at most 2000"]),
        (["--time-signature", "waltz"], ["'waltz'", "3/4"]),
        (["--downbeat", "-1"], ["-1 s is not in the song"]),
        (["--downbeat", "99"], ["song.wav", "12.0 s", "99 s"]),
        (["--quantize", "1/7"], ["'1/7'", "1/16", "auto"]),
        (["--quantize", "1/16", "--strength", "101"], ["101", "0 to 100"]),
        (["--quantize", "1/16", "--swing", "90"], ["90", "50 (straight) to 75"]),
        (["--quantize", "1/16", "--swing", "much"], ["'much'", "auto"]),
        (["--swing", "60"], ["swing of 60", "--quantize 1/16"]),
        (["--strength", "60"], ["strength of 60", "--quantize 1/16"]),
        (["--no-keep-flams"], ["flams", "--quantize 1/16"]),
        (["--velocity", "loud"], ["'loud'", "fixed:100", "match:groove.mid"]),
        (["--velocity", "fixed"], ["'fixed'", "fixed:100"]),
        (["--velocity", "model:3"], ["'model:3'"]),
        (["--velocity", "fixed:200"], ["200 is out of range"]),
        (["--velocity", "fixed:loud"], ["'fixed:loud'", "fixed:100"]),
        (["--velocity", "fixed:99", "--velocity-range", "20", "110"], ["fixed velocity of 99", "leave out"]),
        (["--velocity", "fixed:99", "--velocity-curve", "2"], ["fixed velocity of 99", "leave out"]),
        (["--velocity", "match:none.mid"], ["none.mid", "no such MIDI file"]),
        (["--velocity-range", "100", "20"], ["100 to 20 runs backwards"]),
        (["--velocity-curve", "0"], ["0", "0.1 to 10"]),
        (["--note-map", "tama"], ["'tama'", "gm", "superior-drummer-3", "td-17"]),
        (["--tracks", "two"], ["'two'", "one, per-drum"]),
        (["--format", "2"], ["format 2", "0 or 1"]),
        (["--format", "0", "--tracks", "per-drum"], ["format 0 has a single track"]),
        (["--ppq", "100"], ["multiple of 24"]),
        (["--channel", "0"], ["channel 0", "1 to 16"]),
    ],
)
def test_trouble_is_one_line_before_any_work(words, parts, song, command, monkeypatch):
    def work(*_: object) -> None:
        raise AssertionError("a model was loaded for nothing")

    monkeypatch.setattr("mix2midi.pipeline.converter.Transcriber.load", work)
    one_line(run(*command(*words)), *parts)
    assert files_in(song.parent) == ["song.wav"]


def test_a_downbeat_is_of_one_song(song, command, tmp_path):
    write_song(tmp_path / "other.wav")
    one_line(run(tmp_path / "other.wav", *command("--downbeat", "1")), "--downbeat 1", "one song", "2 are given")


def test_python_refuses_the_same(song):
    with pytest.raises(OptionError, match="'1/7' is not known"):
        convert(song, midi=MidiOptions(quantize="1/7"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ppq": 480.0}, r"ppq 480\.0 is no whole number"),
        ({"channel": "10"}, "channel '10' is no whole number"),
        ({"time_signature": (3, 4)}, r"\(3, 4\).* give one like 4/4"),
        ({"velocity": 100}, "velocity 100 is not known"),
        ({"tempo_bpm": "120"}, "tempo_bpm '120' is no number"),
        ({"downbeat_s": "1"}, "downbeat_s '1' is no number"),
        ({"velocity_range": (1, 2, 3)}, r"\(1, 2, 3\) is not two whole numbers"),
        ({"velocity_range": 20}, "20 is not two whole numbers"),
        ({"keep_flams": "no"}, "keep_flams 'no' is neither True nor False"),
        ({"note_map": 3}, "note map '3' is not known"),
    ],
)
def test_python_has_words_for_values_of_another_type(values, words):
    with pytest.raises(OptionError, match=words):
        MidiOptions(**values)


def test_numbers_of_numpy_are_numbers():
    values: dict[str, Any] = {"ppq": np.int64(480), "velocity_range": np.array([20, 110]), "tempo_bpm": np.float32(120)}
    assert MidiOptions(**values).to_layout().ppq == 480


def test_a_performance_without_notes_has_no_velocities_to_match(song, command, tmp_path):
    write_midi(Transcription([], 1.0), tmp_path / "empty.mid")
    one_line(run(*command("--velocity", f"match:{tmp_path / 'empty.mid'}")), "empty.mid", "has no notes")


def test_the_summary_names_the_note_map_and_who_vouches_for_it(song, command):
    assert (
        "note map   Toontrack Superior Drummer 3 (its users say so"
        in run(*command("--note-map", "superior-drummer-3")).stdout
    )
    assert "note map   General MIDI\n" in run(*command("--note-map", "gm")).stdout
    assert "note map" not in run(*command()).stdout


# Files that are there


def test_a_file_of_somebody_else_stays(song, command, tmp_path):
    true_part = mido.MidiFile(type=1, tracks=[mido.MidiTrack([mido.MetaMessage("track_name", name="by hand")])])
    true_part.save(tmp_path / "song.mid")
    before = (tmp_path / "song.mid").read_bytes()
    one_line(run(*command()), tmp_path / "song.mid", "not made by mix2midi", "-o", "--overwrite")
    assert (tmp_path / "song.mid").read_bytes() == before
    assert run(*command("--overwrite")).exit_code == 0
    assert len(velocities(tmp_path / "song.mid")) == len(waltz())


@pytest.mark.parametrize("name", ["song.csv", "song.json", "song.npz", "song.png"])
def test_so_do_other_files(name, song, command, tmp_path):
    (tmp_path / name).write_bytes(b"precious")
    one_line(run(*command("--csv", "--json", "--activations", "--plot")), tmp_path / name, "not made by mix2midi")
    assert (tmp_path / name).read_bytes() == b"precious"
    assert files_in(tmp_path) == sorted([name, "song.wav"])


def test_a_second_run_replaces_all_files_of_the_first(song, command, tmp_path):
    for words in ((), ("--velocity", "fixed:3")):
        result = run(*command("--csv", "--json", "--activations", "--plot", *words))
        assert result.exit_code == 0, result.stderr
    assert set(velocities(tmp_path / "song.mid")) == {3}
