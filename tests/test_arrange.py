"""Musical time and dynamics composed: from hits to what the file gets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import (
    ArrangeOptions,
    BeatOptions,
    QuantizeOptions,
    TimeSignature,
    VelocityOptions,
    arrange,
    read_midi_notes,
    write_midi,
)
from mix2midi.postprocess.tempo_map import TickClock

KICK, SNARE, HAT = 36, 38, 42


def rock(tempo_bpm: float = 110.0, bars: int = 8, first_s: float = 0.6) -> list[DrumNote]:
    rng = np.random.default_rng(2)
    hits: list[tuple[float, int, int]] = [(beat, KICK if beat % 2 == 0 else SNARE, 100) for beat in range(4 * bars)]
    hits += [(half / 2, HAT, 70) for half in range(8 * bars)]
    return sorted(
        DrumNote(first_s + b * 60 / tempo_bpm + rng.normal(0, 0.005), n, v + int(rng.integers(-9, 9)))
        for b, n, v in hits
    )


times_of_songs = st.builds(
    BeatOptions,
    st.one_of(st.none(), st.floats(40, 250)),
    st.one_of(st.none(), st.sampled_from(["4/4", "3/4", "6/8", "7/8"]).map(TimeSignature.parse)),
    st.one_of(st.none(), st.floats(0, 5)),
)


@given(beats=times_of_songs, tempo=st.sampled_from(["map", "constant"]))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_onsets_are_the_same_to_a_tick_under_every_choice_of_time(tmp_path, beats, tempo):
    notes = rock(bars=3)
    arranged = arrange(notes, 8.0, ArrangeOptions(tempo=tempo, beats=beats))
    assert arranged.notes == notes
    write_midi(Transcription(arranged.notes, 8.0), tmp_path / "song.mid", tempo_map=arranged.tempo_map)
    tick_s = max(event.microseconds for event in arranged.tempo_map.tempos) / 1e6 / 960
    written_s = [onset_s for onset_s, _, _ in read_midi_notes(tmp_path / "song.mid")]
    assert np.abs(np.array(written_s) - [note.onset_s for note in notes]).max() <= tick_s / 2 + 1e-9


def drifting(first_s: float, bars: int = 12) -> list[DrumNote]:
    """A band without a click: its tempo comes and goes by a few per cent."""
    straight = rock(bars=bars, first_s=0.0)
    return sorted(
        replace(note, onset_s=first_s + max(0.0, note.onset_s + 0.12 * np.sin(note.onset_s / 4.0))) for note in straight
    )


@pytest.mark.parametrize("first_s", [0.0, 0.02, 0.15, 0.6, 1.3, 9.0])
@pytest.mark.parametrize("make", [rock, drifting])
def test_quantised_hits_lie_on_lines_of_the_written_grid_to_the_tick(tmp_path, make, first_s):
    """What a DAW shows after `--quantize`: hits on its lines, not a few ticks beside them."""
    played = make(first_s=max(first_s, 0.02)) if make is rock else make(first_s=first_s)
    played = sorted(replace(note, onset_s=max(note.onset_s, 0.0)) for note in played)
    arranged = arrange(played, played[-1].onset_s + 1.0, ArrangeOptions(quantize=QuantizeOptions("1/8")))
    write_midi(Transcription(arranged.notes, 40.0), tmp_path / "song.mid", tempo_map=arranged.tempo_map)
    clock = TickClock(arranged.tempo_map, 960)
    bar = clock.tick_of_quarter(arranged.tempo_map.signatures[-1].quarter)  # of the first whole bar
    ticks = np.array([clock.tick(onset_s) for onset_s, _, _ in read_midi_notes(tmp_path / "song.mid")])
    assert arranged.quantized is not None
    assert np.count_nonzero((ticks - bar) % 480) == arranged.quantized.between_lines <= 2
    assert arranged.quantized.bars_by_grid.keys() == {"1/8"}


@given(beats=times_of_songs, first_s=st.floats(0.01, 12.0))
@settings(deadline=None, max_examples=30)
def test_beats_are_where_the_file_has_them(beats, first_s):
    """Whatever reads the beats, such as the JSON file, sees the same bars as a reader of the MIDI file."""
    notes = rock(bars=3, first_s=max(first_s, 0.03))
    arranged = arrange(notes, notes[-1].onset_s + 1.0, ArrangeOptions(beats=beats))
    clock = TickClock(arranged.tempo_map, 960)
    signature = arranged.tempo_map.signatures[-1]
    inside = arranged.beats.times_s >= 0.0
    ticks = np.array([clock.tick(time_s) for time_s in arranged.beats.times_s[inside]])
    written_s = np.array([clock.seconds(tick) for tick in ticks])
    np.testing.assert_allclose(written_s, arranged.beats.times_s[inside], atol=1e-6)
    bar_ticks = clock.tick_of_quarter(Fraction(4 * signature.numerator, signature.denominator))
    downbeats = ticks[arranged.beats.position[inside] == 1]
    first_bar = clock.tick_of_quarter(signature.quarter)
    assert not ((downbeats[downbeats >= first_bar] - first_bar) % bar_ticks).any()


def test_a_constant_tempo_is_that_of_the_song_and_not_of_the_silence_before_it():
    notes = [DrumNote(10.0 + 0.5 * beat, KICK if beat % 2 == 0 else SNARE, 100) for beat in range(40)]
    constant, by_map = (arrange(notes, 31.0, ArrangeOptions(tempo=tempo)) for tempo in ("constant", "map"))
    assert constant.tempo_bpm == pytest.approx(120.0, abs=0.05)
    assert by_map.tempo_bpm == pytest.approx(120.0, abs=0.05)


def test_quantised_onsets_do_not_depend_on_how_the_file_keeps_time():
    by_map, constant = (
        arrange(rock(), 19.0, ArrangeOptions(tempo=tempo, quantize=QuantizeOptions("1/16"))).notes
        for tempo in ("map", "constant")
    )
    assert by_map == constant


def test_hits_of_a_song_that_starts_beside_the_line_are_quantised_to_the_lines_of_its_constant_tempo():
    notes = [DrumNote(0.012 + 0.5 * beat, KICK if beat % 2 == 0 else SNARE, 100) for beat in range(40)]
    moved = arrange(notes, 21.0, ArrangeOptions(tempo="constant", quantize=QuantizeOptions("1/16"))).notes
    assert [note.onset_s for note in moved] == pytest.approx(list(0.5 * np.arange(40)), abs=1e-6)


def test_a_constant_tempo_that_is_given_is_written_to_the_letter():
    arranged = arrange(rock(), 19.0, ArrangeOptions(tempo="constant", beats=BeatOptions(tempo_bpm=112.0)))
    assert len(arranged.tempo_map.tempos) == 1
    assert arranged.tempo_map.tempo_bpm == pytest.approx(112.0, rel=1e-6)


def test_a_constant_tempo_says_nothing_about_where_the_song_has_its_beats():
    project = ArrangeOptions(tempo="constant", beats=BeatOptions(tempo_bpm=150.0), quantize=QuantizeOptions("1/16"))
    arranged = arrange(rock(), 19.0, project)
    assert arranged.notes == arrange(rock(), 19.0, ArrangeOptions(quantize=QuantizeOptions("1/16"))).notes
    assert arranged.beats.tempo_bpm == pytest.approx(110.0, rel=0.01)
    assert arrange([], 3.0, project).beats.tempo_bpm == pytest.approx(150.0), "but where there is nothing to hear"


def test_a_downbeat_before_the_drums_enter_begins_a_bar():
    notes = rock(120.0, bars=16, first_s=20.3)
    arranged = arrange(notes, 54.0, ArrangeOptions(beats=BeatOptions(downbeat_s=4.3)))
    assert np.abs(arranged.beats.downbeats_s - 4.3).min() < 0.01
    assert np.abs(arranged.beats.downbeats_s - 20.3).min() < 0.01


def test_only_a_downbeat_that_bends_the_beats_is_said_to():
    heard = arrange(rock(), 19.0).beats.downbeats_s[2]
    project = ArrangeOptions(tempo="constant", beats=BeatOptions(tempo_bpm=150.0, downbeat_s=float(heard)))
    assert arrange(rock(), 19.0, project).bent_s < 0.005
    off = replace(project, beats=replace(project.beats, downbeat_s=float(heard) + 0.2))
    assert arrange(rock(), 19.0, off).bent_s > 0.02
    too_few = [DrumNote(1.0, KICK, 100), DrumNote(2.0, SNARE, 100)]
    assert arrange(too_few, 4.0, ArrangeOptions(beats=BeatOptions(downbeat_s=1.1))).bent_s == 0.0


def test_a_downbeat_on_the_first_hit_is_said_to_bend_the_beats_as_well():
    pick_up = rock()[2:]  # on the off-beat; the bar line on it lies a hair before it
    assert pick_up[0].onset_s == pytest.approx(0.6 + 0.5 * 60 / 110, abs=0.02)
    arranged = arrange(pick_up, 19.0, ArrangeOptions(beats=BeatOptions(downbeat_s=pick_up[0].onset_s)))
    assert np.abs(arranged.beats.downbeats_s - pick_up[0].onset_s).min() < 0.05
    assert arranged.bent_s > 0.02


def test_no_notes_get_an_even_grid():
    arranged = arrange([], 3.0, ArrangeOptions(quantize=QuantizeOptions()))
    assert arranged.notes == []
    assert arranged.tempo_map.tempo_bpm == pytest.approx(120)
    assert "too few" in arranged.beats.reason


def test_velocity_rules_follow_each_other(tmp_path):
    notes = [DrumNote(0.0, 38, 40), DrumNote(1.0, 38, 80)]
    model = [DrumNote(0.0, 38, 100), DrumNote(1.0, 38, 110)]
    write_midi(Transcription(model, 2.0), tmp_path / "model.mid")
    matched = VelocityOptions(match=tmp_path / "model.mid").apply(notes)
    assert 100 <= matched[0].velocity < matched[1].velocity <= 110
    ranged = VelocityOptions(match=tmp_path / "model.mid", curve=2.0, range=(1, 127)).apply(notes)
    assert [note.velocity for note in ranged] == [1, 127]
    assert [note.velocity for note in VelocityOptions(fixed=99).apply(notes)] == [99, 99]
    assert VelocityOptions().apply(notes) == notes


@pytest.mark.parametrize("values", [{"fixed": 0}, {"range": (100, 20)}, {"curve": 0.0}])
def test_impossible_velocities_are_refused_before_any_work(values):
    with pytest.raises(OptionError):
        VelocityOptions(**values)


def test_an_unknown_tempo_mode_is_refused():
    with pytest.raises(OptionError, match="'swing' is not known; choose one of map, constant"):
        ArrangeOptions(tempo="swing")
