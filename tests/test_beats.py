"""Beats and bars heard in a drum part."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from mix2midi.errors import ModelError, OptionError
from mix2midi.notes import DrumNote
from mix2midi.postprocess import BeatOptions, Beats, TimeSignature, read_midi_notes, track_beats
from mix2midi.postprocess.beat_roll import BEAT_FPS, ROWS, drum_roll
from mix2midi.postprocess.beat_smoothing import smooth_beats
from mix2midi.postprocess.beat_weights import load_beat_weights, save_beat_weights

KICK, SNARE, HAT, CRASH = 36, 38, 42, 49


def rock(tempo_bpm: float = 104.0, bars: int = 12, first_s: float = 0.0, scatter_s: float = 0.004) -> list[DrumNote]:
    """Kick on one and three, snare on two and four, eighths on the hat, now and then a crash on one."""
    rng = np.random.default_rng(8)
    beat_s = 60 / tempo_bpm
    hits: list[tuple[float, int, int]] = [(beat, KICK if beat % 2 == 0 else SNARE, 105) for beat in range(4 * bars)]
    hits += [(half / 2, HAT, 80 - 20 * (half % 2)) for half in range(8 * bars)]
    hits += [(bar * 4 + 2.5, KICK, 90) for bar in range(bars)] + [(bar * 4, CRASH, 110) for bar in range(0, bars, 4)]
    return sorted(DrumNote(max(0.0, first_s + b * beat_s + rng.normal(0, scatter_s)), n, v) for b, n, v in hits)


def f_measure(reference_s: np.ndarray, found_s: np.ndarray) -> float:
    from mir_eval.beat import f_measure as measure

    return float(measure(reference_s, found_s))


@pytest.mark.parametrize("tempo_bpm", [76, 93.3, 120, 141, 168, 190, 205])
@pytest.mark.parametrize("first_s", [0.0, 1.37])
def test_a_plain_rock_beat_has_its_tempo_and_its_bars(tempo_bpm, first_s):
    notes = rock(tempo_bpm, first_s=first_s)
    beats = track_beats(notes, notes[-1].onset_s + 1)
    assert beats.tempo_bpm == pytest.approx(tempo_bpm, rel=0.01)
    assert str(beats.signature) == "4/4"
    true_bars_s = first_s + np.arange(12) * 240 / tempo_bpm
    found_s = beats.downbeats_s[beats.downbeats_s > first_s - 0.1]
    assert f_measure(true_bars_s, found_s[: len(true_bars_s)]) > 0.9


@pytest.mark.parametrize("tempo_bpm", [92, 112, 128])
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_a_loop_of_a_few_bars_has_its_tempo(tempo_bpm, bars):
    notes = rock(tempo_bpm, bars=bars)
    beats = track_beats(notes, bars * 240 / tempo_bpm)
    assert not beats.reason
    assert beats.tempo_bpm == pytest.approx(tempo_bpm, rel=0.03)
    assert beats.downbeats_s[0] == pytest.approx(0.0, abs=0.04)


def test_a_bar_longer_than_the_decoder_holds_is_refused():
    assert BeatOptions(signature=TimeSignature(15, 8)).signature is not None
    with pytest.raises(OptionError, match="16/8 is too long to follow; at most 15 beats"):
        BeatOptions(signature=TimeSignature(16, 8))


def test_beats_are_where_the_hits_are_not_on_a_raster():
    notes = rock(101.7, scatter_s=0.0)
    beats = track_beats(notes, notes[-1].onset_s + 1)
    true_s = np.arange(48) * 60 / 101.7
    assert np.abs(beats.times_s[:, None] - true_s).min(axis=0).max() < 0.004


@pytest.mark.parametrize("bridge", [0.75, 0.9, 1.25, 1.33])
def test_a_bridge_at_another_tempo_is_followed(bridge):
    hits = [(note.onset_s * 2, note) for note in rock(120, bars=24)]
    true_s = np.concatenate([[0.0], np.cumsum(0.5 / np.repeat([1.0, bridge, 1.0], 32))])
    notes = [DrumNote(float(np.interp(at, np.arange(97), true_s)), note.note, note.velocity) for at, note in hits]
    beats = track_beats(notes, notes[-1].onset_s + 0.3)
    assert f_measure(true_s[:96], beats.times_s) > 0.97


@pytest.mark.parametrize("known_bar", [None, 500])
def test_a_song_longer_than_the_stretch_that_its_meter_is_heard_in(known_bar):
    beat_s, bars = 60 / 97, 540
    hits: list[tuple[float, int, int]] = [(beat, KICK if beat % 3 == 0 else SNARE, 100) for beat in range(3 * bars)]
    hits += [(half / 2, HAT, 60) for half in range(6 * bars)]
    notes = sorted(DrumNote(30.0 + beat * beat_s, note, velocity) for beat, note, velocity in hits)
    bars_s = 30.0 + np.arange(1, bars) * 3 * beat_s
    downbeat_s = None if known_bar is None else float(bars_s[known_bar])
    beats = track_beats(notes, 1040.0, BeatOptions(downbeat_s=downbeat_s))
    assert str(beats.signature) == "3/4"
    assert np.abs(beats.downbeats_s[:, None] - bars_s).min(axis=0).max() < 0.05


def test_beats_cover_the_song_and_count_on():
    notes = rock(first_s=7.0)
    beats = track_beats(notes, 60.0)
    assert 0 <= beats.times_s[0] < 0.7
    assert 60 <= beats.times_s[-1] < 61
    assert (np.diff(beats.times_s) > 0).all()
    assert (np.diff(beats.position) % beats.signature.numerator == 1).all()


def test_what_the_user_knows_is_followed():
    notes = rock(120)
    beats = track_beats(notes, 30.0, BeatOptions(tempo_bpm=60, signature=TimeSignature(3, 4), downbeat_s=4.0))
    assert beats.tempo_bpm == pytest.approx(60, rel=0.06)
    assert str(beats.signature) == "3/4"
    assert np.abs(beats.downbeats_s - 4.0).min() < 0.05


@pytest.mark.parametrize(
    ("hats_per_beat", "snares", "meter"), [(2, (1, 2), "3/4"), (1, (3,), "6/8")], ids=["waltz", "six eighths"]
)
@pytest.mark.parametrize("counted_bpm", [130.0, 152.0, 170.0])
def test_fast_bars_of_three_are_no_bars_of_six(hats_per_beat, snares, meter, counted_bpm):
    """Beats of the same tempo: quarters of a waltz with eighths on the hat, or eighths of 6/8 with its hat on each."""
    beats_per_bar, bars, beat_s = (3, 32, 60.0 / counted_bpm) if meter == "3/4" else (6, 20, 60.0 / counted_bpm)
    hits = [(bar * beats_per_bar, KICK, 110) for bar in range(bars)]
    hits += [(bar * beats_per_bar + snare, SNARE, 100) for bar in range(bars) for snare in snares]
    hits += [(step / hats_per_beat, HAT, 80) for step in range(bars * beats_per_bar * hats_per_beat)]
    notes = sorted(DrumNote(beat * beat_s, note, velocity) for beat, note, velocity in hits)
    beats = track_beats(notes, notes[-1].onset_s + 1.0)
    assert str(beats.signature) == meter
    assert f_measure(np.arange(bars) * beats_per_bar * beat_s, beats.downbeats_s[beats.downbeats_s > -0.1]) > 0.9


@pytest.mark.parametrize("signature", ["2/4", "5/4", "7/8", "6/8", "2/2", "12/8", "1/4"])
def test_every_time_signature_can_be_asked_for(signature):
    notes = rock()
    beats = track_beats(notes, 30.0, BeatOptions(signature=TimeSignature.parse(signature)))
    assert str(beats.signature) == signature
    assert set(beats.position) == set(range(1, beats.signature.numerator + 1))


@pytest.mark.parametrize("signature", ["2/2", "4/2", "2/1", "6/4"])
@pytest.mark.parametrize("tempo_bpm", [90.0, 112.0, 140.0])
def test_a_longer_beat_that_is_asked_for_does_not_change_the_tempo(signature, tempo_bpm):
    beats = track_beats(rock(tempo_bpm), 30.0, BeatOptions(signature=TimeSignature.parse(signature)))
    assert beats.tempo_bpm == pytest.approx(tempo_bpm, rel=0.01), "quarters a minute"
    assert beats.times_s[0] < 60.0 / tempo_bpm * beats.signature.beat_quarters
    assert beats.times_s[-1] > 30.0
    if beats.signature.bar_quarters == 4:
        in_quarters = track_beats(rock(tempo_bpm), 30.0)
        assert np.isin(beats.downbeats_s[:-2].round(6), in_quarters.downbeats_s.round(6)).all()


def test_half_notes_are_counted_in_a_song_of_hardly_a_beat():
    options = BeatOptions(signature=TimeSignature(2, 2))
    beats = track_beats([DrumNote(0.1, SNARE, 90)], 0.3, options)
    assert len(beats.times_s) >= 2
    assert str(beats.signature) == "2/2"


@pytest.mark.parametrize("eighths", [5, 7, 9])
@pytest.mark.parametrize("eighth_bpm", [175.0, 210.0, 250.0])
def test_eighths_that_are_asked_for_are_counted_and_no_quarters(eighths, eighth_bpm):
    bars, eighth_s = 24, 60.0 / eighth_bpm
    hits = [(bars_before * eighths + step, HAT, 80) for bars_before in range(bars) for step in range(eighths)]
    hits += [(bar * eighths, KICK, 110) for bar in range(bars)]
    hits += [(bar * eighths + step, SNARE, 100) for bar in range(bars) for step in range(3, eighths, 3)]
    notes = sorted(DrumNote(eighth * eighth_s, note, velocity) for eighth, note, velocity in hits)
    signature = TimeSignature(eighths, 8)
    beats = track_beats(notes, notes[-1].onset_s + 1.0, BeatOptions(signature=signature))
    assert beats.tempo_bpm == pytest.approx(eighth_bpm / 2, rel=0.01), "quarters a minute"
    assert np.diff(beats.downbeats_s) == pytest.approx(eighths * eighth_s, rel=0.05)


@pytest.mark.parametrize("times_s", [[], [3.0], [1.0, 1.01, 2.0]])
def test_too_few_hits_give_an_even_grid_and_say_so(times_s):
    beats = track_beats([DrumNote(time_s, SNARE, 90) for time_s in times_s], 10.0)
    assert beats.tempo_bpm == pytest.approx(120)
    assert beats.times_s[0] == 0
    assert "too few" in beats.reason


def test_an_even_grid_follows_what_is_known():
    beats = track_beats([], 10.0, BeatOptions(tempo_bpm=90, signature=TimeSignature(6, 8), downbeat_s=1.0))
    assert beats.tempo_bpm == pytest.approx(90)
    assert np.diff(beats.times_s) == pytest.approx(1 / 3)
    assert beats.downbeats_s == pytest.approx([1.0, 3.0, 5.0, 7.0, 9.0])


@pytest.mark.parametrize("tempo_bpm", [5, 30, 400, 990])
def test_extreme_tempos_are_taken_at_their_word(tempo_bpm):
    beats = track_beats(rock(), 30.0, BeatOptions(tempo_bpm=tempo_bpm))
    assert beats.tempo_bpm == pytest.approx(tempo_bpm, rel=0.1)


def test_one_drum_alone_and_a_very_short_song_are_no_trouble():
    for notes, duration_s in (([DrumNote(k * 0.05, HAT, 90) for k in range(8)], 0.4), (rock(bars=1)[:6], 0.6)):
        beats = track_beats(notes, duration_s)
        assert len(beats.times_s) >= 2
        assert (beats.position == 1).any()


@pytest.mark.parametrize("downbeat_s", [-1.0, float("nan"), float("inf")])
def test_a_downbeat_outside_the_song_is_refused(downbeat_s):
    with pytest.raises(OptionError, match="is not in the song"):
        BeatOptions(downbeat_s=downbeat_s)


def test_a_downbeat_after_the_song_is_refused():
    with pytest.raises(OptionError, match=r"a downbeat at 31 s is after the song's end at 30\.00 s"):
        track_beats(rock(), 30.0, BeatOptions(downbeat_s=31.0))


def test_positions_in_quarters_and_seconds_are_inverse_and_go_on_outside():
    beats = Beats(np.array([1.0, 1.5, 2.1, 2.8]), np.array([4, 1, 2, 3]))
    times_s = np.array([0.0, 1.0, 1.25, 1.5, 2.1, 2.45, 2.8, 3.5])
    assert beats.quarters(times_s) == pytest.approx([-3, -1, -0.5, 0, 1, 1.5, 2, 3])
    assert beats.seconds(beats.quarters(times_s)) == pytest.approx(times_s)


def test_smoothing_evens_out_a_raster_and_follows_a_drifting_tempo():
    lengths_s = 0.5 * np.linspace(1.0, 1.05, 63)
    true_s = np.concatenate([[0.5], 0.5 + np.cumsum(lengths_s)])
    raster_s = np.round(true_s * BEAT_FPS) / BEAT_FPS
    rng = np.random.default_rng(3)
    notes = [DrumNote(float(t + rng.normal(0, 0.005)), SNARE, 100) for t in true_s]
    smooth_s = smooth_beats(raster_s, notes)
    assert np.abs(smooth_s - true_s).max() < 0.009
    assert np.abs(np.diff(smooth_s, 2)).max() < 0.004


@pytest.mark.parametrize("bridge", [0.8, 0.9, 1.1, 1.25])
def test_smoothing_leaves_a_jump_of_the_tempo_where_it_is(bridge):
    lengths_s = 0.5 / np.repeat([1.0, bridge, 1.0], 32)
    true_s = np.concatenate([[0.5], 0.5 + np.cumsum(lengths_s)])
    rng = np.random.default_rng(3)
    notes = [DrumNote(float(t + rng.normal(0, 0.005)), SNARE, 100) for t in true_s]
    smooth_s = smooth_beats(np.round(true_s * BEAT_FPS) / BEAT_FPS, notes)
    assert np.abs(smooth_s - true_s).max() < 0.015
    steady = np.r_[1:28, 36:60, 68:94]
    assert np.abs(np.diff(smooth_s, 2))[steady].max() < 0.004


def test_smoothing_follows_a_ritardando():
    lengths_s = 0.5 / np.concatenate([np.ones(40), np.linspace(1.0, 0.6, 12)])
    true_s = np.concatenate([[0.5], 0.5 + np.cumsum(lengths_s)])
    notes = [DrumNote(float(t), SNARE, 100) for t in true_s]
    off_s = np.abs(smooth_beats(np.round(true_s * BEAT_FPS) / BEAT_FPS, notes) - true_s)
    assert off_s.max() < 0.04  # by as much as a beat grows
    assert np.median(off_s[40:]) < 0.012


def test_a_song_played_to_a_click_gets_even_beats_of_a_whole_tempo():
    true_s = 0.3 + np.arange(100) * 60 / 113
    rng = np.random.default_rng(3)
    notes = sorted(DrumNote(float(t + rng.normal(0, 0.012)), SNARE, 100) for t in true_s)
    smooth_s = smooth_beats(np.round(true_s * BEAT_FPS) / BEAT_FPS, notes)
    assert np.diff(smooth_s) == pytest.approx(60 / 113, abs=1e-9)
    assert np.abs(smooth_s - true_s).max() < 0.006


def test_smoothing_ignores_a_hit_that_is_off():
    true_s = np.arange(20, dtype=np.float64) * 0.5
    notes = [DrumNote(float(t + (0.05 if k == 10 else 0.0)), SNARE, 100) for k, t in enumerate(true_s)]
    assert np.abs(smooth_beats(true_s, notes) - true_s).max() < 0.004


def test_a_roll_keeps_the_time_of_a_hit_between_frames():
    roll = drum_roll(np.array([0.105]), np.array([1]), np.array([127.0]), 20)
    assert roll.shape == (len(ROWS), 20)
    assert roll[1].sum() == pytest.approx(1.0)
    assert (roll[1] * np.arange(20)).sum() / BEAT_FPS == pytest.approx(0.105)
    assert drum_roll(np.array([-1.0, 9.0]), np.array([0, 0]), np.array([90.0, 90.0]), 20).sum() == 0


def test_weights_survive_a_round_trip(tmp_path):
    import torch

    network = load_beat_weights()
    save_beat_weights(network, tmp_path / "beats.safetensors", {"recipe": "test"})
    again = load_beat_weights(tmp_path / "beats.safetensors")
    roll = torch.rand(1, len(ROWS), 300)
    assert torch.equal(network(roll), again(roll))


def test_damaged_foreign_and_missing_weights_are_named(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 40)
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "foreign.safetensors")
    for name, message in (("broken", "damaged"), ("foreign", "not weights of this version"), ("none", "no such")):
        with pytest.raises(ModelError, match=rf"{name}\.safetensors: .*{message}|{name}\.safetensors: {message}"):
            load_beat_weights(tmp_path / f"{name}.safetensors")


def test_weights_that_do_not_fit_their_description_are_refused(tmp_path):
    network = load_beat_weights()
    metadata = {"format": "mix2midi-beats-1", "config": '{"channels": 3}', "notes": "{}"}
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    save_file(state, tmp_path / "odd.safetensors", metadata=metadata)
    with pytest.raises(ModelError, match=r"odd\.safetensors: weights do not fit"):
        load_beat_weights(tmp_path / "odd.safetensors")


def test_real_songs(shared_dir):
    for song in ("Punk", "80sRock"):
        folder = shared_dir / "data" / "mdb-dev" / song
        table = np.loadtxt(folder / "beats.txt")
        notes = [DrumNote(*note) for note in read_midi_notes(folder / "plusplus.mid")]
        beats = track_beats(notes, float(table[-1, 0]) + 0.1)
        found_s = beats.times_s[beats.times_s < table[-1, 0] + 0.1]
        assert f_measure(table[:, 0], found_s) > 0.9


def test_less_than_a_bar_is_taken_for_four_quarters() -> None:
    hits = [DrumNote(0.5 * beat, drum, 90) for beat in range(3) for drum in (KICK, SNARE, HAT)]
    assert str(track_beats(hits, 1.45).signature) == "4/4"
