"""Audio to heat map: what the song is worth must not depend on how it was cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.audio import AudioArray
from mix2midi.transcription import HeatMap, Transcriber, pick_notes
from mix2midi.transcription.level import REFERENCE_DB, reference_gain, window_levels_db
from mix2midi.transcription.network import DrumNetwork, NetworkConfig
from mix2midi.transcription.weights import Weights
from tests.golden import make_transcription
from tests.networks import TINY, tiny_network

RATE_HZ = TINY.rate_hz


def clicks(duration_s: float, seed: int = 0) -> np.ndarray:
    """Decaying noise bursts over faint noise."""
    rng = np.random.default_rng(seed)
    audio = 0.001 * rng.standard_normal(int(duration_s * RATE_HZ))
    for start_s in np.arange(0.1, duration_s - 0.1, 0.23):
        start = int(start_s * RATE_HZ)
        audio[start : start + 2000] += rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300.0) * 0.3
    return audio.astype(np.float32)


def margin_frames(config: NetworkConfig) -> int:
    """Frames on either side of a piece of audio that its neighbours influence."""
    return config.stem_margin_frames + config.trunk_margin_frames


def paint(audio: np.ndarray, chunk_s: float, window_s: float = 30.0) -> HeatMap:
    return Transcriber(Weights(tiny_network()), chunk_s=chunk_s, window_s=window_s).heat_map(audio)


#: Between neighbours below 1 in half precision, which heat maps are kept in, and the rounding of sums before it.
STEP = 2.0**-11 + 1e-4


@settings(max_examples=8, deadline=None)
@given(chunk_s=st.floats(0.05, 3.0), window_s=st.floats(0.05, 3.0), duration_s=st.floats(0.3, 2.5))
def test_chunk_size_does_not_matter(chunk_s: float, window_s: float, duration_s: float) -> None:
    audio = clicks(duration_s)
    whole, chunked = paint(audio, 10.0), paint(audio, chunk_s, window_s)
    np.testing.assert_allclose(chunked.onset, whole.onset, atol=STEP)
    np.testing.assert_allclose(chunked.velocity, whole.velocity, atol=STEP)
    np.testing.assert_allclose(chunked.family_onset, whole.family_onset, atol=STEP)


def test_pieces_are_what_the_network_makes_of_the_whole() -> None:
    network, samples = tiny_network().eval(), 300 * TINY.hop_length
    audio = clicks(samples / RATE_HZ)
    edge = TINY.context_samples + margin_frames(TINY) * TINY.hop_length
    gain = reference_gain([window_levels_db(audio, RATE_HZ)])
    with torch.inference_mode():
        logits, velocity = network(torch.from_numpy(np.pad(audio * np.float32(gain), edge))[None])
    inside = slice(margin_frames(TINY), margin_frames(TINY) + 300)
    heat_map = paint(audio, 0.3, 0.5)
    np.testing.assert_allclose(heat_map.onset[:, :300], torch.sigmoid(logits)[0, : len(TINY.pieces), inside], atol=STEP)
    np.testing.assert_allclose(heat_map.velocity[:, :300], velocity[0, :, inside], atol=STEP)


def test_golden_heat_map() -> None:
    """Nothing that turns on the way from samples to activations escapes notice, network, refinement and all."""
    made, golden = make_transcription.heat_map(), np.load(make_transcription.FILE)
    for name in ("onset", "velocity", "family_onset"):
        np.testing.assert_allclose(getattr(made, name), golden[name], atol=0.01, err_msg=name)
    times_s = [note.onset_s for note in pick_notes(made) if note.name in ("kick", "snare")]
    np.testing.assert_allclose(times_s, make_transcription.BEATS_S, atol=0.005)


def test_notes_do_not_depend_on_chunks_or_threads() -> None:
    audio = clicks(2.0)
    notes = pick_notes(paint(audio, 10.0))
    assert notes, "the tiny network must find something, or this test proves nothing"
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        again = pick_notes(paint(audio, 0.4, 0.6))
    finally:
        torch.set_num_threads(threads)
    assert [(n.note, n.velocity) for n in again] == [(n.note, n.velocity) for n in notes]
    np.testing.assert_allclose([n.onset_s for n in again], [n.onset_s for n in notes], atol=1e-4)


def test_full_network_sees_no_further_than_its_margin() -> None:
    config = NetworkConfig()
    torch.manual_seed(0)
    network = DrumNetwork(config).eval()
    with torch.no_grad():
        network.onset.weight.mul_(1000.0)  # an untrained network answers faintly; make every influence visible
    frames = 3 * margin_frames(config)
    audio = torch.randn(1, frames * config.hop_length + 2 * config.context_samples) * 0.1
    middle = slice(margin_frames(config), 2 * margin_frames(config))
    changed = audio.clone()
    changed[:, : config.slow_hop_length] *= 100.0
    changed[:, -config.slow_hop_length :] *= 100.0
    with torch.inference_mode():
        onset, velocity = network(audio)
        onset_changed, velocity_changed = network(changed)
    torch.testing.assert_close(onset_changed[:, :, middle], onset[:, :, middle], atol=1e-4, rtol=0)
    torch.testing.assert_close(velocity_changed[:, :, middle], velocity[:, :, middle], atol=1e-5, rtol=0)
    assert (onset_changed - onset).abs().max() > 0.02, "the change must be seen somewhere"


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_level_of_the_recording_does_not_matter(gain: float) -> None:
    audio = clicks(1.5)
    np.testing.assert_allclose(paint(audio * np.float32(gain), 5.0).onset, paint(audio, 5.0).onset, atol=1e-3)


def test_stereo_is_heard_as_its_mean() -> None:
    left, right = clicks(1.0, seed=1), clicks(1.0, seed=2)
    stereo = Transcriber(Weights(tiny_network())).heat_map(np.stack([left, right]))
    np.testing.assert_allclose(stereo.onset, paint((left + right) / 2, 20.0).onset, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 127, 128, 5000])
def test_short_and_silent_audio(samples: int) -> None:
    heat_map = Transcriber(Weights(tiny_network())).heat_map(np.zeros(samples, dtype=np.float32))
    assert heat_map.onset.shape == (len(TINY.pieces), samples // TINY.hop_length + 1)
    assert np.isfinite(heat_map.onset).all() and np.isfinite(heat_map.velocity).all()


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    transcriber = Transcriber(Weights(tiny_network()), chunk_s=0.2)
    transcriber.heat_map_of(AudioArray(clicks(1.0), RATE_HZ), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_reference_level_is_reached_and_silence_left_alone() -> None:
    audio = clicks(3.0)
    gain = reference_gain([window_levels_db(audio, RATE_HZ)])
    loud_db = np.percentile(window_levels_db(audio * np.float32(gain), RATE_HZ), 95)
    assert loud_db == pytest.approx(REFERENCE_DB, abs=0.1)
    assert reference_gain([window_levels_db(np.zeros(RATE_HZ, dtype=np.float32), RATE_HZ)]) == 1.0
    assert reference_gain([]) == 1.0


@pytest.mark.parametrize("noise", [0.0, 0.0003])
def test_long_silence_around_a_song_hardly_changes_its_level(noise: float) -> None:
    song = clicks(10.0)
    silence = noise * np.random.default_rng(0).standard_normal(300 * RATE_HZ).astype(np.float32)
    gain = reference_gain([window_levels_db(song, RATE_HZ)])
    amid_silence = reference_gain([window_levels_db(np.concatenate([silence, song, silence]), RATE_HZ)])
    assert gain / 2 < amid_silence < gain * 2


def test_heat_map_knows_its_times() -> None:
    heat_map = paint(clicks(1.0), 5.0)
    times_s = heat_map.frame_times_s()
    assert times_s[0] == 0.0
    assert times_s[1] == pytest.approx(128 / 44100)
    assert 1.0 <= heat_map.duration_s < 1.01
