"""Company for the drums: scores, players, voices, recordings, the mix and the pool, on sources made here."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.errors import OptionError, OutputError
from mix2midi.training.company import guitar, parts, production, recordings, soundfont, synth, voices
from mix2midi.training.company.__main__ import main
from mix2midi.training.company.clips import KINDS, render_clip
from mix2midi.training.company.credits import credits_table
from mix2midi.training.company.pool import faults_of, read_index, render_company, write_index
from mix2midi.training.company.recipe import Recipe, Source, read_recipe
from mix2midi.training.company.score import (
    Chord,
    Note,
    Score,
    list_midi,
    random_score,
    score_from_midi,
)
from mix2midi.training.company.sieve import filter_pool
from mix2midi.training.company.syllables import cut_syllable, sing_syllable
from mix2midi.transcription.heat_map import HeatMap

RATE_HZ = 44100
SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")

needs_soundfont = pytest.mark.skipif(
    not (soundfont.has_fluidsynth() and SOUNDFONT.is_file()),
    reason="libfluidsynth or the soundfont TimGM6mb is not installed",
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_chord_score(n_beats: int = 8, tempo_bpm: float = 120.0) -> Score:
    chord = Chord(0.0, float(n_beats), 9, (0, 4, 7))
    return Score(tempo_bpm, 4, n_beats, (chord,), (Note(0.0, 1.0, 69, 1.0), Note(2.0, 1.0, 71, 1.0)), ())


def loudest_hz(audio: np.ndarray, low_hz: float = 20.0, high_hz: float = 20000.0) -> float:
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    inside = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    return float(frequency_hz[inside][np.argmax(power[inside])])


def power_between(audio: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    return float(power[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def tone(frequency_hz: float, duration_s: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(duration_s * RATE_HZ)) / RATE_HZ).astype(np.float32)


def spoken(pitch_hz: float, seed: int) -> np.ndarray:
    """A hissed consonant of 80 ms and a vowel of 300 ms."""
    hiss = 0.3 * rng(seed).standard_normal(int(0.08 * RATE_HZ))
    n_vowel = int(0.3 * RATE_HZ)
    pulses = np.zeros(n_vowel)
    pulses[:: round(RATE_HZ / pitch_hz)] = 1.0
    vowel = np.convolve(pulses, np.exp(-np.arange(200) / 40) * np.cos(np.arange(200) * 0.1))[:n_vowel]
    return np.concatenate([hiss, vowel / np.abs(vowel).max()]).astype(np.float32)


@pytest.fixture(scope="module")
def sources_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of MIDI, eight syllables and two recordings: one calm, one with a click every quarter second."""
    folder = tmp_path_factory.mktemp("sources")
    write_midi_zip(folder / "songs.zip")
    (folder / "voice").mkdir()
    for index in range(8):
        sf.write(folder / "voice" / f"{index}.wav", spoken(150 + 5 * index, index), RATE_HZ)
    calm = 0.2 * (tone(220, 20) + tone(331, 20))
    clicking = calm.copy()
    for start in range(0, len(calm) - 2000, RATE_HZ // 4):
        clicking[start : start + 2000] += 0.5 * rng(1).standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    (folder / "music").mkdir()
    sf.write(folder / "music" / "calm.wav", calm, RATE_HZ)
    sf.write(folder / "music" / "clicking.wav", np.clip(clicking, -1, 1), RATE_HZ)
    return folder


def write_midi_zip(path: Path) -> None:
    """One song of 32 bars: F, G, C, C as triads of two beats in the track PIANO, and a tune."""
    midi = mido.MidiFile(ticks_per_beat=480)
    for name in ("MELODY", "PIANO"):
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=name))
        for position in range(64):
            root = (53, 55, 48, 48)[position % 4]
            pitches = (root, root + 4, root + 7) if name == "PIANO" else (root + 24,)
            for pitch in pitches:
                track.append(mido.Message("note_on", note=pitch, velocity=80))
            for place, pitch in enumerate(pitches):
                track.append(mido.Message("note_off", note=pitch, time=0 if place else 960))
        midi.tracks.append(track)
    with zipfile.ZipFile(path, "w") as archive, archive.open("a/song.mid", "w") as opened:
        midi.save(file=opened)


RECIPE_TEXT = """
clip_s: 6
minutes: 0.4
kinds: {song: 1, rock: 1, electronic: 1, voices: 1, recording: 1}
sources:
  - {name: songs, kind: midi, files: songs.zip, author: me, licence: MIT}
  - {name: singer, kind: voice, files: voice/*.wav, author: me, licence: CC0}
  - {name: talker, kind: talk, files: voice/*.wav, author: me, licence: CC0}
  - {name: music, kind: recording, files: music/*.wav, author: me, title: Tones, licence: CC BY-SA-3.0}
"""


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE_TEXT, encoding="utf-8")
    return path


# Scores and parts


def test_chords_of_a_midi_file_are_found_in_any_key(sources_dir: Path) -> None:
    archive = sources_dir / "songs.zip"
    assert list_midi(archive) == ("a/song.mid",)
    score = score_from_midi(archive, "a/song.mid", rng(3), 10.0)
    roots = [chord.root for chord in score.chords for _ in range(int(chord.length_beats // 2))]
    key = (roots[0] - 5) % 12 if roots[0] == roots[2] else roots[0]
    steps = {(after - before) % 12 for before, after in zip(roots, roots[1:], strict=False)}
    assert steps == {0, 2, 5}, f"F G C C moves by 2, 5, 0 and 5 semitones, in key {key}"
    assert all(chord.intervals == (0, 4, 7) for chord in score.chords)
    assert score.source == "pop909"
    assert 60 <= score.tempo_bpm <= 200


def test_an_archive_that_is_no_zip_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    with pytest.raises(OptionError, match=r"broken\.zip"):
        list_midi(broken)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme", "nothing here")
    with pytest.raises(OptionError, match="no .mid file"):
        list_midi(tmp_path / "empty.zip")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), duration_s=st.floats(5.0, 60.0))
def test_scores_and_parts_stay_within_the_clip(seed: int, duration_s: float) -> None:
    score = random_score(rng(seed), duration_s)
    assert score.chords[0].start_beat == 0.0
    assert sum(chord.length_beats for chord in score.chords) == pytest.approx(score.n_beats)
    makers = (parts.bass_part, parts.pad_part, parts.stab_part, parts.arpeggio_part, parts.comp_part, parts.lead_part)
    for part in makers:
        for note in part(score, rng(seed)):
            assert 0.0 <= note.start_beat < score.n_beats
            assert note.length_beats > 0
            assert 12 <= note.pitch <= 120
            assert 0.0 <= note.strength <= 1.0
    for style in (parts.riff_strokes, parts.strum_strokes, parts.picked_strokes):
        assert all(0.0 <= stroke.start_beat < score.n_beats for stroke in style(score, rng(seed)))


@settings(max_examples=30, deadline=None)
@given(beats=st.lists(st.floats(0.0, 16.0), min_size=2, max_size=8), swing=st.floats(0.5, 0.7))
def test_swing_keeps_the_order_of_beats_and_whole_beats_in_place(beats: list[float], swing: float) -> None:
    chord = Chord(0.0, 16.0, 0, (0, 4, 7))
    score = Score(100.0, 4, 16, (chord,), (), (), swing)
    times_s = [score.seconds(beat) for beat in sorted(beats)]
    assert times_s == sorted(times_s)
    assert score.seconds(7.0) == pytest.approx(7 * 0.6)
    assert score.seconds(7.5) == pytest.approx((7 + swing) * 0.6)


def test_power_chords_follow_the_harmony() -> None:
    for stroke in parts.riff_strokes(one_chord_score(), rng(1)):
        assert stroke.pitches[0] % 12 == 9
        assert all((pitch - stroke.pitches[0]) % 12 in (0, 7) for pitch in stroke.pitches)


# Strings, amplifiers, synthesisers


@pytest.mark.parametrize("pitch", [28, 40, 57, 76])
def test_a_plucked_string_is_in_tune(pitch: int) -> None:
    strings = guitar.Strings(0.5, 4.0, 0.2, 0.13, 0.0)
    expected_hz = 440.0 * 2 ** ((pitch - 69) / 12)
    sound = guitar.pluck(strings, pitch, False, 2.0, 0)
    heard_hz = loudest_hz(sound, expected_hz * 0.8, expected_hz * 1.25)
    assert 1200 * abs(np.log2(heard_hz / expected_hz)) < 12


def test_palm_mutes_die_sooner_than_open_strings() -> None:
    strings = guitar.Strings(0.7, 4.0, 0.2, 0.13, 0.1)
    rests = [np.sum(guitar.pluck(strings, 40, muted, 1.0, 0)[RATE_HZ // 4 :] ** 2) for muted in (True, False)]
    assert rests[0] < 0.05 * rests[1]


def test_amplifiers_add_harmonics_and_high_gain_adds_more() -> None:
    direct = tone(110, 1.0)
    shares = []
    for gains_db in ((-12.0,), (12.0, 12.0)):
        amplifier = guitar.Amplifier(gains_db, (60.0,) * len(gains_db), 0.1, -90.0, 0.0)
        out = guitar.amplify(direct, amplifier, rng())
        shares.append(power_between(out, 150, 20000) / power_between(out, 20, 20000))
    assert shares[0] < 0.1 < shares[1]


def test_cabinets_pass_what_loudspeakers_pass() -> None:
    for seed in range(5):
        response = np.abs(np.fft.rfft(guitar.random_cabinet(rng(seed)), 8192))
        frequency_hz = np.fft.rfftfreq(8192, 1 / RATE_HZ)
        body = np.median(response[(frequency_hz > 200) & (frequency_hz < 3000)])
        assert np.max(response[frequency_hz > 12000]) < 0.1 * body
        assert np.max(response[(frequency_hz > 0) & (frequency_hz < 25)]) < 0.3 * body


def test_strokes_are_heard_where_they_are_written() -> None:
    score = one_chord_score()
    strokes = [parts.Stroke(2.0, 1.0, (45,), 1.0, False)]
    sound = guitar.play_strokes(score, strokes, guitar.Strings(0.7, 4.0, 0.2, 0.13, 0.1), rng())
    first_s = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())[0] / RATE_HZ
    assert first_s == pytest.approx(1.0, abs=0.02)
    assert len(sound) == 4 * RATE_HZ


@pytest.mark.parametrize("role", ["bass", "pluck", "pad", "lead"])
def test_synthesisers_play_the_written_pitch_on_the_beat(role: str) -> None:
    patch = synth.random_patch(rng(5), role)
    flat = synth.Patch(**{**patch.__dict__, "wave": "saw", "n_voices": 1, "click": 0.0, "bright_end": 2.0})
    sound = synth.play_patch(one_chord_score(), [Note(2.0, 2.0, 57, 1.0)], flat, rng())
    assert loudest_hz(sound, 150, 330) == pytest.approx(220.0, abs=2.0)
    assert not np.any(sound[: RATE_HZ - 1])


def test_the_side_chain_dips_on_every_beat() -> None:
    gain = synth.pumping_gain(one_chord_score(), rng(2))
    on_beats = gain[:: RATE_HZ // 2]
    assert np.all(on_beats < 0.65)
    assert np.all(gain[RATE_HZ // 2 - 200 :: RATE_HZ // 2] > on_beats[0] + 0.3)


# Voices


def test_a_sung_syllable_has_the_new_pitch_and_its_own_consonant() -> None:
    source = spoken(150, 4)
    syllable = cut_syllable(source)
    assert syllable is not None
    assert syllable.pitch == pytest.approx(69 + 12 * np.log2(150 / 440), abs=0.3)
    sound, n_before = sing_syllable(syllable, np.full(600, 57.0))
    assert n_before == pytest.approx(0.08 * RATE_HZ, abs=0.06 * RATE_HZ)
    n_hiss = int(0.03 * RATE_HZ)
    np.testing.assert_allclose(sound[:n_hiss], syllable.samples[:n_hiss], atol=1e-6)
    vowel = sound[n_before + 4000 : n_before + 600 * 64 - 4000]
    likeness = np.correlate(vowel, vowel, "full")[len(vowel) - 1 :]
    assert 150 + np.argmax(likeness[150:300]) == pytest.approx(RATE_HZ / 220, abs=2)
    assert likeness[200] > 2 * likeness[294], "nothing is left of the period of 150 Hz"


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE_HZ), 0.1 * np.random.default_rng(0).standard_normal(RATE_HZ), np.ones(100), np.zeros(0)],
    ids=["silence", "noise", "short", "empty"],
)
def test_sounds_without_a_voice_are_no_syllables(samples: np.ndarray) -> None:
    assert cut_syllable(samples.astype(np.float32)) is None


def test_singers_sing_the_tune_of_the_score(sources_dir: Path) -> None:
    files = tuple(sorted((sources_dir / "voice").glob("*.wav")))
    source = Source("singer", "voice", files, "me", "", "CC0")
    syllables = voices.draw_syllables(source, rng())
    assert len(syllables) == 8
    score = one_chord_score()
    sung = voices.sing(score, score.melody, syllables, rng(2))
    assert len(sung) == 4 * RATE_HZ
    loud = np.abs(sung) > 0.05
    assert loud[: RATE_HZ // 2].any() and loud[RATE_HZ : RATE_HZ * 3 // 2].any()
    assert not loud[RATE_HZ * 5 // 2 :].any(), "nothing is written after beat 3"


def test_a_choir_has_the_notes_of_its_chord() -> None:
    sound = voices.choir(one_chord_score(16), rng(3))
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    near = {}
    for pitch_class in range(12):
        centres_hz = 440 * 2 ** ((np.array([48, 60, 72]) + pitch_class - 69) / 12)
        near[pitch_class] = sum(power[np.abs(frequency_hz / hz - 1) < 0.012].sum() for hz in centres_hz)
    of_chord = sum(near[pitch_class] for pitch_class in (9, 1, 4))
    assert of_chord > 3 * (sum(near.values()) - of_chord)


# Recordings


def test_broadband_attacks_are_clicks_and_not_tones(sources_dir: Path) -> None:
    calm, _ = sf.read(sources_dir / "music" / "calm.wav", dtype="float32")
    clicking, _ = sf.read(sources_dir / "music" / "clicking.wav", dtype="float32")
    assert len(recordings.attack_times(recordings.broadband_attacks(calm))) <= 1
    found = recordings.attack_times(recordings.broadband_attacks(clicking))
    assert len(found) == pytest.approx(80, abs=4)


def test_only_calm_music_is_kept(sources_dir: Path) -> None:
    assert recordings.quiet_passages(sources_dir / "music" / "clicking.wav") == ()
    ((start_s, stop_s),) = recordings.quiet_passages(sources_dir / "music" / "calm.wav")
    assert stop_s - start_s >= 18
    files = tuple(sorted((sources_dir / "music").glob("*.wav")))
    for seed in range(4):
        drawn = recordings.draw_passage(Source("m", "recording", files, "", "", "CC0"), 5.0, rng(seed))
        assert drawn is not None
        assert drawn[1].name == "calm.wav"
        assert len(drawn[0]) == 5 * RATE_HZ


def test_files_that_are_no_audio_have_no_passages(tmp_path: Path) -> None:
    (tmp_path / "broken.ogg").write_bytes(b"not audio")
    assert recordings.quiet_passages(tmp_path / "broken.ogg") == ()


def test_a_passage_fills_a_clip_without_gaps() -> None:
    filled = recordings.filling(tone(220, 2.0), 7 * RATE_HZ)
    assert len(filled) == 7 * RATE_HZ
    levels = np.sqrt(np.mean(filled[: 7 * RATE_HZ].reshape(-1, RATE_HZ // 10) ** 2, axis=1))
    assert levels.min() > 0.1


# Production


@pytest.mark.parametrize("peak", [0.001, 1.0, 50.0])
def test_a_finished_clip_lies_at_minus_20_dbfs_below_full_scale(peak: float) -> None:
    audio = (peak * rng().standard_normal(3 * RATE_HZ) ** 3).astype(np.float32)
    done = production.finish(audio)
    assert production.active_rms(done) == pytest.approx(0.1, rel=0.1)
    assert np.abs(done).max() < 0.98


def test_finishing_silence_gives_silence() -> None:
    assert not production.finish(np.zeros(RATE_HZ, np.float32)).any()


def test_the_compressor_turns_down_loud_parts_only() -> None:
    audio = np.concatenate([0.01 * tone(440, 1.0), 0.8 * tone(440, 1.0)])
    out = production.compress(audio, -20.0, 4.0)
    np.testing.assert_allclose(out[: RATE_HZ // 2], audio[: RATE_HZ // 2], atol=1e-6)
    assert np.abs(out[-RATE_HZ // 2 :]).max() < 0.4


def test_minimum_phase_has_the_magnitude_and_its_energy_first() -> None:
    frequency_hz = np.fft.rfftfreq(2048, 1 / RATE_HZ)
    magnitude = 1 / (1 + (frequency_hz / 2000) ** 2)
    response = production.minimum_phase(magnitude)
    np.testing.assert_allclose(np.abs(np.fft.rfft(response)), magnitude, rtol=0.02)
    assert np.sum(response[:64] ** 2) > 0.99 * np.sum(response**2)


def test_layers_rest_in_their_sections() -> None:
    out = production.play_in_sections(np.ones(4000, np.float32), [True, False, True, False], fade_s=0.001)
    assert out[:900].all() and out[2100:2900].all()
    assert not out[1000:1900].any() and not out[3000:].any()


def test_faults_are_named() -> None:
    good = (0.1 * tone(440, 5.0)).astype(np.float32)
    assert faults_of(good) == []
    assert faults_of(np.full(RATE_HZ, np.nan, np.float32)) == ["not finite"]
    assert faults_of(20 * good) == ["clipped"]
    assert faults_of(np.concatenate([good, np.zeros(4 * RATE_HZ, np.float32)])) == ["silent for over 3 s"]
    assert faults_of(np.concatenate([good, np.zeros(2 * RATE_HZ, np.float32), good])) == []


# Soundfonts


@needs_soundfont
def test_each_player_has_an_output_of_its_own_and_repeats_exactly() -> None:
    score = one_chord_score()
    players = [soundfont.Player(19, [(0.0, 4.0, 57, 0.9)]), soundfont.Player(19, [(4.0, 4.0, 69, 0.9)])]
    stems = soundfont.render_players(score, players, SOUNDFONT, rng(), jitter_s=0.0)
    assert stems.shape == (2, 4 * RATE_HZ)
    assert not stems[1, : 2 * RATE_HZ - 200].any()
    assert loudest_hz(stems[1, 2 * RATE_HZ :], 400, 480) == pytest.approx(440, abs=3)
    soundfont.render_players(score, players[:1], SOUNDFONT, rng(7))
    again = soundfont.render_players(score, players, SOUNDFONT, rng(), jitter_s=0.0)
    np.testing.assert_array_equal(stems, again)


@pytest.mark.parametrize("program", [47, 115, 116, 117, 118, 119, 128, -1])
def test_drum_programs_are_refused(program: int) -> None:
    with pytest.raises(OptionError, match=str(program)):
        soundfont.render_players(one_chord_score(), [soundfont.Player(program, [])], SOUNDFONT, rng())


@needs_soundfont
def test_a_missing_soundfont_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.sf2"):
        soundfont.render_players(one_chord_score(), [soundfont.Player(0, [])], tmp_path / "none.sf2", rng())


# Recipe, clips and pool


def test_the_shipped_recipe_is_valid_and_knows_its_kinds(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "mix2midi" / "configs" / "company.yaml"
    recipe = read_recipe(path, [tmp_path])
    assert set(recipe.kinds) <= set(KINDS)
    assert recipe.of_kind("speech")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence: MIT", "licence: CC BY-NC-SA-4.0", "not free"),
        ("licence: MIT", "licence: all rights reserved", "not free"),
        ("kind: midi", "kind: vinyl", "vinyl"),
        ("clip_s: 6", "clip_s: 1", "clip_s"),
        ("sources:", "things:", "not a recipe"),
        ("kinds: {song: 1", "kinds: {drums: 1", "drums"),
    ],
)
def test_a_wrong_recipe_is_refused_with_a_reason(
    recipe_path: Path, sources_dir: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    recipe_path.write_text(RECIPE_TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(OptionError, match=message):
        render_company(recipe_path, tmp_path / "pool", minutes=0.1, folders=[sources_dir])


def test_sources_that_are_not_on_this_machine_are_left_out(recipe_path: Path, tmp_path: Path) -> None:
    assert read_recipe(recipe_path, [tmp_path]).sources == ()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_renders_a_sound_clip_without_any_source(kind: str) -> None:
    clip = render_clip(Recipe(6.0, 1.0, {kind: 1.0}, ()), kind, rng(8))
    assert faults_of(clip.audio) == []
    assert clip.audio.dtype == np.float32
    assert 4 * RATE_HZ < len(clip.audio) < 12 * RATE_HZ
    assert (clip.tempo_bpm == 0) == (kind == "recording")


def test_a_pool_holds_what_its_index_says(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    reported: list[float] = []
    entries = render_company(recipe_path, tmp_path / "pool", 5, folders=[sources_dir], on_progress=reported.append)
    assert entries == read_index(tmp_path / "pool")
    assert sum(entry.duration_s for entry in entries) >= 24.0
    assert reported[-1] == 1.0 and reported == sorted(reported)
    for entry in entries:
        samples = np.load(tmp_path / "pool" / entry.file, mmap_mode="r")
        assert samples.dtype == np.int16 and samples.ndim == 1
        assert len(samples) == pytest.approx(entry.duration_s * RATE_HZ, abs=RATE_HZ / 1000)
        assert np.abs(samples.astype(int)).max() < 32700
    licences = {licence for entry in entries for licence in entry.licences.split("; ") if licence}
    assert licences and licences <= {"MIT", "CC0", "CC BY-SA-3.0"}
    assert not list((tmp_path / "pool").glob(".*")), "no temporary files stay"


def test_seeds_repeat_exactly_and_a_killed_run_goes_on(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    whole = render_company(recipe_path, tmp_path / "a", 1, folders=[sources_dir])
    render_company(recipe_path, tmp_path / "b", 1, minutes=0.1, folders=[sources_dir])
    resumed = render_company(recipe_path, tmp_path / "b", 1, folders=[sources_dir])
    assert resumed == whole
    for entry in whole:
        np.testing.assert_array_equal(np.load(tmp_path / "a" / entry.file), np.load(tmp_path / "b" / entry.file))
    other = render_company(recipe_path, tmp_path / "c", 2, minutes=0.1, folders=[sources_dir])
    first = [np.load(tmp_path / name / clips[0].file)[:RATE_HZ] for name, clips in (("a", whole), ("c", other))]
    assert not np.array_equal(*first)


def test_a_folder_that_cannot_be_made_is_named(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        render_company(recipe_path, tmp_path / "taken", folders=[sources_dir])


def test_the_command_reports_and_fails_with_one_line(
    recipe_path: Path, sources_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(recipe_path), str(tmp_path / "pool"), "--minutes", "0.05", "--sources", str(sources_dir)]
    assert main(arguments) == 0
    assert "1 clips" in capsys.readouterr().out
    assert main([str(tmp_path / "none.yaml"), str(tmp_path / "pool")]) == 1
    error = capsys.readouterr().err
    assert "none.yaml" in error and error.count("\n") == 1


def test_credits_name_every_source_and_piece(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    table = credits_table(read_recipe(recipe_path, [sources_dir]))
    for text in ("| songs |", "| music | Tones | me | CC BY-SA-3.0 | 2 |", "| music/calm | calm |", "music/clicking"):
        assert text in table
    target = tmp_path / "credits.md"
    assert main([str(recipe_path), "unused", "--sources", str(sources_dir), "--credits", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == table


@dataclass
class EarForClicks:
    """Stands in for the transcriber: hears a snare wherever a sample exceeds a half."""

    hop_length: int = 441

    def heat_map(self, audio: np.ndarray) -> HeatMap:
        n_frames = len(audio) // self.hop_length
        loud = np.abs(audio[: n_frames * self.hop_length]).reshape(n_frames, -1).max(axis=1) > 0.5
        families = np.zeros((5, n_frames), np.float32)
        families[1] = loud
        return HeatMap(families, families, families, families, self.hop_length, RATE_HZ)


def test_the_second_sieve_marks_and_drops_what_the_network_hears(tmp_path: Path) -> None:
    audio = np.zeros(20 * RATE_HZ, np.int16)
    audio[4 * RATE_HZ : 12 * RATE_HZ : RATE_HZ // 4] = 30000
    rows = []
    for name, kind in (("x-recording.npy", "recording"), ("y-song.npy", "song")):
        np.save(tmp_path / name, audio)
        rows.append({"file": name, "kind": kind})
    from mix2midi.training.company.pool import Entry

    write_index(tmp_path, [Entry(row["file"], row["kind"], 20.0, 0.0, "", "") for row in rows])
    (passage,) = filter_pool(tmp_path, EarForClicks())
    assert (passage.file, passage.start_s, passage.stop_s) == ("x-recording.npy", 4.0, 12.0)
    assert passage.hits_per_s == pytest.approx(4.0)
    assert len(read_index(tmp_path)) == 2
    with (tmp_path / "passages.csv").open(newline="") as opened:
        assert [row["file"] for row in csv.DictReader(opened)] == ["x-recording.npy"]
    filter_pool(tmp_path, EarForClicks(), max_share=0.3)
    assert [entry.file for entry in read_index(tmp_path)] == ["y-song.npy"]
