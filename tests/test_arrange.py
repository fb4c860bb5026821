"""Musical time and dynamics composed: from hits to what the file gets."""

from __future__ import annotations

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


def test_quantised_hits_lie_on_lines_of_the_written_grid(tmp_path):
    arranged = arrange(rock(), 19.0, ArrangeOptions(quantize=QuantizeOptions("1/8")))
    write_midi(Transcription(arranged.notes, 19.0), tmp_path / "song.mid", tempo_map=arranged.tempo_map)
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(str(tmp_path / "song.mid"))
    eighths = np.array([midi.time_to_tick(note.start) / 480 for note in midi.instruments[0].notes])
    # The written grid is within 5 ms of the beats that hits were moved to: 0.02 eighths at 110 BPM.
    assert np.abs(eighths - np.rint(eighths)).max() < 0.02
    assert arranged.quantized is not None
    assert arranged.quantized.bars_by_grid.keys() == {"1/8"}


def test_quantised_onsets_do_not_depend_on_how_the_file_keeps_time():
    by_map, constant = (
        arrange(rock(), 19.0, ArrangeOptions(tempo=tempo, quantize=QuantizeOptions("1/16"))).notes
        for tempo in ("map", "constant")
    )
    assert by_map == constant


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
