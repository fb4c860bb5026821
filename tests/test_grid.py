"""The written grid: tempo maps from beats, and the files that carry them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import (
    BeatOptions,
    Beats,
    MidiLayout,
    TempoMap,
    TimeSignature,
    read_midi_notes,
    tempo_map_from_beats,
    track_beats,
    write_midi,
)
from mix2midi.postprocess.grid import lay_grid
from mix2midi.postprocess.tempo_map import TickClock
from tests.readers import (
    midicsv_events,
    midicsv_onsets,
    music21_onsets,
    pretty_midi_onsets,
    read_symusic,
    symusic_onsets,
)

SIGNATURES = ["4/4", "3/4", "2/4", "5/4", "6/8", "7/8", "2/2"]


def make_beats(
    signature: str = "4/4",
    tempo_bpm: float = 120.0,
    first_s: float = 0.0,
    position: int = 1,
    count: int = 64,
    jitter=(),
) -> Beats:
    """Counted beats at a tempo in beats per minute; `jitter` scales single beats."""
    time_signature = TimeSignature.parse(signature)
    lengths = np.full(count - 1, 60 / tempo_bpm)
    lengths[: len(jitter)] *= np.array(jitter[: count - 1])
    times_s = first_s + np.concatenate([[0.0], np.cumsum(lengths)])
    return Beats(times_s, (np.arange(count) + position - 1) % time_signature.numerator + 1, time_signature)


beats_of_songs = st.builds(
    make_beats,
    st.sampled_from(SIGNATURES),
    st.floats(56, 214),
    st.floats(0, 5),
    st.integers(1, 2),
    st.integers(8, 60),
    st.lists(st.floats(0.8, 1.25), max_size=60),
)
onsets_s = st.lists(st.floats(0, 60), min_size=1, max_size=30).map(sorted)
files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def grid_of(tempo_map: TempoMap, end_s: float) -> tuple[list[float], list[float]]:
    """Seconds of all beats and of the bar lines that a sequencer draws."""
    clock = TickClock(tempo_map, 960)
    ends = [event.quarter for event in tempo_map.signatures[1:]]
    quarter, beats_s, bars_s = Fraction(0), [], []
    for event, end in zip(tempo_map.signatures, [*ends, Fraction(10**6)], strict=True):
        step, number = Fraction(4, event.denominator), 0
        while quarter < end and clock.seconds(clock.tick_of_quarter(quarter)) < end_s:
            beats_s.append(clock.seconds(clock.tick_of_quarter(quarter)))
            if number % event.numerator == 0:
                bars_s.append(beats_s[-1])
            quarter, number = quarter + step, number + 1
    return beats_s, bars_s


def distance(times_s: np.ndarray, grid_s: list[float]) -> np.ndarray:
    """From each time to the nearest line."""
    return np.abs(np.asarray(times_s)[:, None] - np.asarray(grid_s)[None, :]).min(axis=1)


@given(beats=beats_of_songs)
@settings(deadline=None)
def test_the_grid_keeps_within_5_ms_of_the_beats_and_bars_begin_on_downbeats(beats):
    tempo_map = tempo_map_from_beats(beats)
    beats_s, bars_s = grid_of(tempo_map, beats.times_s[-1] + 1)
    counted = beats.times_s > 0.025
    assert distance(beats.times_s[counted], beats_s).max(initial=0) < 0.0051
    assert distance(beats.downbeats_s[beats.downbeats_s > 0.025], bars_s).max(initial=0) < 0.0051
    assert distance(beats.times_s[:1], beats_s).max() <= 0.0251


@given(beats=beats_of_songs, first_onset_s=st.floats(0, 20))
@settings(deadline=None)
def test_beats_after_the_first_hit_are_on_the_grid_wherever_it_is(beats, first_onset_s):
    beats_s, bars_s = grid_of(tempo_map_from_beats(beats, first_onset_s=first_onset_s), beats.times_s[-1] + 1)
    after = beats.times_s > max(first_onset_s, 0.025)
    assert distance(beats.times_s[after], beats_s).max(initial=0) < 0.0051
    assert distance(beats.times_s[after & (beats.position == 1)], bars_s).max(initial=0) < 0.0051


@given(beats=beats_of_songs)
@settings(deadline=None)
def test_tempo_events_lie_on_beats(beats):
    tempo_map = tempo_map_from_beats(beats)
    clock = TickClock(tempo_map, 960)
    beats_s, _ = grid_of(tempo_map, beats.times_s[-1] + 1)
    for event in tempo_map.tempos:
        assert distance(np.array([clock.seconds(clock.tick_of_quarter(event.quarter))]), beats_s).max() < 1e-9


@pytest.mark.parametrize("tempo_bpm", [57.3, 93.0, 120.0, 133.37, 201.9])
@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_steady_song_from_its_first_beat_gets_one_tempo(tempo_bpm, signature):
    beats = make_beats(signature, tempo_bpm, count=2000)
    tempo_map = tempo_map_from_beats(beats)
    quarter_bpm = tempo_bpm * float(beats.signature.beat_quarters)
    assert len(tempo_map.tempos) == 1
    assert tempo_map.tempo_bpm == pytest.approx(quarter_bpm, rel=1e-4)
    assert [(event.numerator, event.denominator) for event in tempo_map.signatures] == [
        (beats.signature.numerator, beats.signature.denominator)
    ]


def test_a_steady_song_after_a_pause_gets_a_tempo_for_the_pause_and_one_for_the_song():
    tempo_map = tempo_map_from_beats(make_beats(first_s=1.93))
    assert len(tempo_map.tempos) == 2
    assert 80 < tempo_map.tempo_bpm < 160
    assert [(float(event.quarter), event.numerator) for event in tempo_map.signatures] == [(0, 4)]


def test_a_pick_up_gets_a_bar_of_its_own():
    tempo_map = tempo_map_from_beats(make_beats(position=3))
    assert [(float(event.quarter), event.numerator, event.denominator) for event in tempo_map.signatures] == [
        (0, 2, 4),
        (2, 4, 4),
    ]


@pytest.mark.parametrize(
    ("first_s", "bar"), [(0.1, (1, 16)), (0.05, (1, 32)), (0.026, (1, 32)), (0.25, (1, 8)), (0.35, (1, 4))]
)
def test_a_start_off_the_beat_is_filled_with_part_of_one(first_s, bar):
    tempo_map = tempo_map_from_beats(make_beats(first_s=first_s))
    first = tempo_map.signatures[0]
    assert (first.numerator, first.denominator) == bar
    assert 60 <= tempo_map.tempo_bpm <= 400


def test_the_beat_that_a_start_is_part_of_lies_before_the_file_whatever_the_tempo_is_later():
    grid = lay_grid(make_beats(first_s=0.25, jitter=(1.0,) * 30 + (1.3,) * 30))
    assert len(grid.tempo_map.tempos) > 1
    np.testing.assert_allclose(grid.beats.times_s[:3], [-0.25, 0.25, 0.75], atol=1e-6)


@given(
    lead_in_beats=st.floats(0.1, 2.95),
    first_hit=st.sampled_from([0.125, 0.25, 0.375, 0.5, 0.75, 0.875, 1.5, 2.25]),
    tempo_bpm=st.floats(60, 200),
    position=st.integers(1, 4),
)
@settings(deadline=None)
def test_hits_before_the_first_beat_lie_on_its_lines(lead_in_beats, first_hit, tempo_bpm, position):
    assume(lead_in_beats > first_hit)
    beat_s = 60.0 / tempo_bpm
    beats = make_beats(tempo_bpm=tempo_bpm, first_s=lead_in_beats * beat_s, position=position)
    first_onset_s = beats.times_s[0] - first_hit * beat_s
    grid = lay_grid(beats, first_onset_s=first_onset_s)
    clock = TickClock(grid.tempo_map, 960)
    line_s = [clock.seconds(tick) for tick in range(0, 960 * 4, 960 // 8)]  # the file's thirty-seconds
    assert distance(np.array([first_onset_s]), line_s).max() < 0.0255
    if (lead_in_beats - first_hit) * beat_s > 0.026:
        assert distance(np.array([first_onset_s]), line_s).max() < 0.001
        of_beats_s = list(grid.beats.seconds(grid.beats.quarters(grid.beats.times_s[:1]) + np.arange(24) / 8))
        assert distance(np.array([first_onset_s]), of_beats_s).max() < 0.001, "what is quantised stays there"
    assert distance(beats.times_s, grid_of(grid.tempo_map, beats.times_s[-1] + 1)[0]).max() < 0.0051
    assert grid.tempo_map.tempo_bpm <= 3.01 * max(tempo_bpm, 100)
    assert len(grid.tempo_map.tempos) <= 3


def test_hits_long_before_a_first_beat_that_is_shorter_than_the_next_ones_leave_time_for_the_lead_in():
    beats = make_beats(tempo_bpm=213.0, first_s=3.0, count=8, jitter=(1.043, 1.0625))
    tempo_map = tempo_map_from_beats(beats, first_onset_s=0.0)
    assert min(event.microseconds for event in tempo_map.tempos) > 0
    assert distance(beats.times_s, grid_of(tempo_map, beats.times_s[-1] + 1)[0]).max() < 0.0051


@pytest.mark.parametrize("first_s", [0.003, 0.006, 0.012, 0.024])
@pytest.mark.parametrize("count", [9, 17, 400])
def test_a_start_beside_the_first_line_does_not_change_the_tempo(first_s, count):
    """As loops have it that an encoder or a microphone delayed."""
    grid = lay_grid(make_beats(tempo_bpm=120.0, first_s=first_s, count=count))
    assert grid.tempo_map.tempos[-1].microseconds == 500_000
    assert len(grid.tempo_map.tempos) == (1 if first_s <= 0.005 else 2)
    assert grid.tempo_bpm == pytest.approx(120.0, abs=1e-3)


@given(beats=beats_of_songs, first_onset_s=st.floats(0, 20))
@settings(deadline=None)
def test_tempos_follow_each_other_in_time(beats, first_onset_s):
    quarters = [event.quarter for event in lay_grid(beats, first_onset_s=first_onset_s).tempo_map.tempos]
    assert all(a < b for a, b in zip(quarters, quarters[1:], strict=False))


def test_a_ritardando_costs_few_events():
    beats = make_beats(count=65, jitter=tuple(np.linspace(1.0, 1.25, 64)))
    assert 2 <= len(tempo_map_from_beats(beats).tempos) <= 20


def test_constant_is_one_tempo_and_one_signature():
    beats = make_beats("3/4", 99.0, first_s=1.234, jitter=(1.1, 0.9, 1.05))
    tempo_map = tempo_map_from_beats(beats, mode="constant")
    assert len(tempo_map.tempos) == len(tempo_map.signatures) == 1
    assert tempo_map.tempo_bpm == pytest.approx(beats.tempo_bpm, rel=1e-5)
    assert (tempo_map.signatures[0].numerator, tempo_map.signatures[0].denominator) == (3, 4)


def test_an_unknown_mode_is_named():
    with pytest.raises(OptionError, match="'rubato' is not known; choose one of map, constant"):
        tempo_map_from_beats(make_beats(), mode="rubato")


@pytest.mark.parametrize("mode", ["map", "constant"])
@given(beats=beats_of_songs, times_s=onsets_s, ppq=st.sampled_from([96, 480, 960]))
@files
def test_onsets_are_the_same_to_a_tick_under_every_tempo_map(tmp_path, mode, beats, times_s, ppq):
    notes = [DrumNote(time_s, 35 + index, 90) for index, time_s in enumerate(times_s)]
    tempo_map = tempo_map_from_beats(beats, first_onset_s=times_s[0], mode=mode)
    write_midi(Transcription(notes, 61.0), tmp_path / "song.mid", tempo_map=tempo_map, layout=MidiLayout(ppq=ppq))
    slowest_tick_s = max(event.microseconds for event in tempo_map.tempos) / 1e6 / ppq
    for read in (lambda path: [note[0] for note in read_midi_notes(path)], pretty_midi_onsets, symusic_onsets):
        # symusic keeps seconds as 32-bit floats.
        slack_s = 1e-5 if read is symusic_onsets else 1e-9
        assert np.abs(np.array(read(tmp_path / "song.mid")) - times_s).max() <= slowest_tick_s / 2 + slack_s


@pytest.fixture
def song_with_a_map(tmp_path) -> tuple[Path, list[DrumNote], TempoMap]:
    beats = make_beats("3/4", 97.3, first_s=0.8, position=3, count=40, jitter=tuple(np.linspace(1.0, 1.2, 39)))
    notes = [DrumNote(float(time_s), 38, 64 + index) for index, time_s in enumerate(beats.times_s[:36])]
    tempo_map = tempo_map_from_beats(beats, first_onset_s=notes[0].onset_s)
    write_midi(Transcription(notes, 30.0, title="Walzer"), tmp_path / "song.mid", tempo_map=tempo_map)
    return tmp_path / "song.mid", notes, tempo_map


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("read", [pretty_midi_onsets, symusic_onsets, midicsv_onsets, music21_onsets])
def test_readers_that_others_wrote_agree_on_times(song_with_a_map, read):
    path, notes, _ = song_with_a_map
    # music21 rounds to fractions of a quarter that can be written as notes.
    tolerance_s = 0.002 if read is music21_onsets else 0.0006
    assert read(path) == pytest.approx([note.onset_s for note in notes], abs=tolerance_s)


def test_readers_that_others_wrote_agree_on_tempo_and_signature(song_with_a_map):
    path, _, tempo_map = song_with_a_map
    tempos = [60e6 / event.microseconds for event in tempo_map.tempos]
    signatures = [(event.numerator, event.denominator) for event in tempo_map.signatures]
    pretty, score = pretty_midi.PrettyMIDI(str(path)), read_symusic(path)
    assert len(tempos) > 3
    assert len(signatures) == 2
    assert pretty.get_tempo_changes()[1] == pytest.approx(tempos)
    assert [tempo.qpm for tempo in score.tempos] == pytest.approx(tempos, rel=1e-5)
    assert [(c.numerator, c.denominator) for c in pretty.time_signature_changes] == signatures
    assert [(c.numerator, c.denominator) for c in score.time_signatures] == signatures


def test_midicsv_agrees_on_tempo_signature_and_names(song_with_a_map):
    path, _, tempo_map = song_with_a_map
    events = midicsv_events(path)
    assert [int(row[3]) for row in events if row[2] == "Tempo"] == [event.microseconds for event in tempo_map.tempos]
    signatures = [(int(row[3]), 2 ** int(row[4])) for row in events if row[2] == "Time_signature"]
    assert signatures == [(event.numerator, event.denominator) for event in tempo_map.signatures]
    assert [row[3].strip('"') for row in events if row[2] == "Title_t"] == ["Walzer", "Drums"]


NOTES = [DrumNote(0.5, 36, 90), DrumNote(0.5, 42, 80), DrumNote(1.0, 38, 70), DrumNote(1.5, 42, 60)]


def test_format_0_holds_everything_in_one_track(tmp_path):
    write_midi(Transcription(NOTES, 2.0, title="Song"), tmp_path / "song.mid", layout=MidiLayout(format=0))
    midi = mido.MidiFile(tmp_path / "song.mid")
    assert (midi.type, len(midi.tracks), midi.tracks[0].name) == (0, 1, "Song")
    assert [note[0] for note in read_midi_notes(tmp_path / "song.mid")] == [0.5, 0.5, 1.0, 1.5]
    assert pretty_midi_onsets(tmp_path / "song.mid") == pytest.approx([0.5, 0.5, 1.0, 1.5])


def test_a_track_for_each_drum(tmp_path):
    write_midi(Transcription(NOTES, 2.0, title="Song"), tmp_path / "song.mid", layout=MidiLayout(tracks="per-drum"))
    midi = mido.MidiFile(tmp_path / "song.mid")
    names = {track.name: [m.note for m in track if m.type == "note_on"] for track in midi.tracks}
    assert names == {"Song": [], "Kick": [36], "Snare": [38], "Closed hi-hat": [42, 42]}
    assert len(read_midi_notes(tmp_path / "song.mid")) == 4


def test_another_channel(tmp_path):
    write_midi(Transcription(NOTES, 2.0), tmp_path / "song.mid", layout=MidiLayout(channel=1))
    assert {m.channel for m in mido.MidiFile(tmp_path / "song.mid").tracks[1] if not m.is_meta} == {0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "format 2 is not written"),
        ({"ppq": 100}, "multiple of 24"),
        ({"ppq": 0}, "multiple of 24"),
        ({"ppq": 24000}, "multiple of 24"),
        ({"channel": 0}, "channel 0 does not exist"),
        ({"channel": 17}, "channel 17 does not exist"),
        ({"tracks": "two"}, "'two' is not known; choose one of one, per-drum"),
        ({"format": 0, "tracks": "per-drum"}, "format 0 has a single track"),
    ],
)
def test_impossible_layouts_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        MidiLayout(**values)


@pytest.mark.parametrize("text", ["4", "4/", "/4", "0/4", "4/3", "33/4", "a/b", "-3/4", ""])
def test_time_signatures_that_are_none_are_refused(text):
    with pytest.raises(OptionError, match="give one like 4/4"):
        TimeSignature.parse(text)


def test_the_lead_in_of_the_slowest_song_can_be_stored(tmp_path: Path) -> None:
    beats = track_beats([DrumNote(17.5, 36, 90)], 30.0, BeatOptions(tempo_bpm=5.0, downbeat_s=17.5))
    tempo_map = tempo_map_from_beats(beats, first_onset_s=17.5)
    write_midi(Transcription([DrumNote(17.5, 36, 90)], 30.0), tmp_path / "slow.mid", tempo_map=tempo_map)
    assert read_midi_notes(tmp_path / "slow.mid")[0][0] == pytest.approx(17.5, abs=0.01)
