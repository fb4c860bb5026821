"""Strings, amplifiers, synthesisers and soundfonts in the company of the drums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mix2midi.errors import OptionError
from mix2midi.training.company import guitar, parts, soundfont, synth
from mix2midi.training.company.score import Note
from tests.company import RATE_HZ, loudest_hz, one_chord_score, power_between, rng, tone

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


# Soundfonts

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")

needs_soundfont = pytest.mark.skipif(
    not (soundfont.has_fluidsynth() and SOUNDFONT.is_file()),
    reason="libfluidsynth or the soundfont TimGM6mb is not installed",
)


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
