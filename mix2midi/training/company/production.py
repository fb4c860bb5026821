"""Mixing as records are mixed: equaliser, compressor, reverb, saturation, levels. Mono, 44.1 kHz, float32.

Everything is vectorised: filters are applied in the frequency domain, the compressor follows levels in hops.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve

from mix2midi.training.company.score import Rng
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import decibels_to_gain, gain_to_decibels

Audio = NDArray[np.float32]

TARGET_RMS_DB = -20.0
PEAK_LIMIT = 0.97
_LEVEL_HOP = 64
_RELEASE_S = 0.12
_SILENCE = 1e-5


def active_rms(audio: Audio) -> float:
    """Root mean square over the tenths of a second that are within 40 dB of the loudest one."""
    hop = RATE_HZ // 10
    n_hops = len(audio) // hop
    if n_hops == 0:
        return float(np.sqrt(np.mean(np.square(audio)))) if len(audio) else 0.0
    power = np.mean(np.square(audio[: n_hops * hop].reshape(n_hops, hop), dtype=np.float64), axis=1)
    return float(np.sqrt(np.mean(power[power >= 1e-4 * power.max()])))


def at_level(audio: Audio, level_db: float) -> Audio:
    """The same sound with an active RMS of `level_db` dBFS; silence stays silent."""
    rms = active_rms(audio)
    return audio if rms < _SILENCE else (audio * (decibels_to_gain(level_db) / rms)).astype(np.float32)


def minimum_phase(magnitude: NDArray[np.floating]) -> Audio:
    """Impulse response of least delay with a magnitude response (real cepstrum; Oppenheim and Schafer).

    `magnitude` holds the bins 0..n/2 of an even length n; the response is n samples long.
    """
    n = 2 * (len(magnitude) - 1)
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitude, 1e-5)), n)
    fold = np.zeros(n)
    fold[0], fold[1 : n // 2], fold[n // 2] = 1.0, 2.0, 1.0
    return np.fft.irfft(np.exp(np.fft.rfft(cepstrum * fold)), n).astype(np.float32)


def filter_with(audio: Audio, response: Audio) -> Audio:
    """Convolve and keep the length; the response starts at its first sample, so nothing is delayed."""
    return oaconvolve(audio, response)[: len(audio)].astype(np.float32)


def bell_curve(frequency_hz: NDArray[np.floating], centre_hz: float, width_octaves: float) -> NDArray[np.float64]:
    """0..1: a Gaussian over log frequency."""
    octaves = np.log2(np.maximum(frequency_hz, 1.0) / centre_hz)
    return np.exp(-0.5 * (octaves / width_octaves) ** 2)


def equalise(audio: Audio, rng: Rng, depth_db: float = 4.0) -> Audio:
    """A tilt and three bells, drawn with a standard deviation of `depth_db`."""
    frequency_hz = np.fft.rfftfreq(2048, 1 / RATE_HZ)
    gain_db = rng.normal(0, depth_db / 3) * np.log2(np.maximum(frequency_hz, 30.0) / 1000.0) * 0.6
    for _ in range(3):
        centre_hz = 60.0 * 2.0 ** rng.uniform(0, 7.5)
        gain_db = gain_db + rng.normal(0, depth_db) * bell_curve(frequency_hz, centre_hz, rng.uniform(0.2, 1.0))
    return filter_with(audio, minimum_phase(decibels_to_gain(gain_db)))


def band_pass(audio: Audio, low_hz: float, high_hz: float, order: int = 2) -> Audio:
    """Butterworth-like magnitudes of an order at both edges, minimum phase."""
    frequency_hz = np.maximum(np.fft.rfftfreq(4096, 1 / RATE_HZ), 1.0)
    magnitude = 1 / np.sqrt(1 + (low_hz / frequency_hz) ** (2 * order))
    magnitude = magnitude / np.sqrt(1 + (frequency_hz / high_hz) ** (2 * order))
    return filter_with(audio, minimum_phase(magnitude))


def follow_level(audio: Audio, attack_s: float, release_s: float) -> NDArray[np.float64]:
    """Envelope in hops of 64 samples: the larger of a fast and a slow one-pole follower, both rectified."""
    n_hops = -(-len(audio) // _LEVEL_HOP)
    padded = np.zeros(n_hops * _LEVEL_HOP, dtype=np.float32)
    padded[: len(audio)] = np.abs(audio)
    peaks = padded.reshape(n_hops, _LEVEL_HOP).max(axis=1).astype(np.float64)
    followers = []
    for time_s in (attack_s, release_s):
        pole = np.exp(-_LEVEL_HOP / (RATE_HZ * time_s))
        followers.append(lfilter([1 - pole], [1, -pole], peaks))
    return np.maximum(*followers)


def per_sample(values: NDArray[np.float64], n_samples: int) -> Audio:
    """Spread values of hops over samples by straight lines."""
    centres = np.arange(len(values)) * _LEVEL_HOP + _LEVEL_HOP / 2
    return np.interp(np.arange(n_samples), centres, values).astype(np.float32)


def compress(audio: Audio, threshold_db: float, ratio: float, *, attack_s: float = 0.005) -> Audio:
    """Turn down what exceeds a threshold."""
    level_db = gain_to_decibels(follow_level(audio, attack_s, _RELEASE_S))
    over_db = np.maximum(0.0, level_db - threshold_db)
    return audio * per_sample(decibels_to_gain(-over_db * (1 - 1 / ratio)), len(audio))


def room_response(rng: Rng, decay_s: float) -> Audio:
    """A made-up room: a few early reflections, then noise that decays faster the higher it is."""
    n_samples = int(RATE_HZ * min(decay_s * 1.2, 3.0))
    time_s = np.arange(n_samples) / RATE_HZ
    tail = np.zeros(n_samples)
    for high_hz, share in ((800.0, 1.0), (4000.0, 0.6), (12000.0, 0.3)):
        noise = lfilter([1.0], [1.0, -np.exp(-2 * np.pi * high_hz / RATE_HZ)], rng.standard_normal(n_samples))
        noise /= np.std(noise)
        tail += share * noise * np.exp(-6.9 * time_s / (decay_s * (0.3 + 0.7 * share)))
    onset = int(RATE_HZ * rng.uniform(0.003, 0.04))
    tail[:onset] = 0.0
    for position in rng.integers(int(0.002 * RATE_HZ), int(0.06 * RATE_HZ), 6):
        if position < n_samples:
            tail[position] += rng.choice([-1, 1]) * rng.uniform(1.0, 4.0)
    return (tail / np.sqrt(np.sum(tail**2))).astype(np.float32)


def reverberate(audio: Audio, rng: Rng, *, wet: float | None = None) -> Audio:
    """Add a room; `wet` is its level beside the dry sound, 0..1."""
    decay_s = float(rng.uniform(0.2, 2.2))
    wet = float(rng.uniform(0.05, 0.35)) if wet is None else wet
    return audio + wet * filter_with(audio, room_response(rng, decay_s))


def echo(audio: Audio, delay_s: float, feedback: float, wet: float) -> Audio:
    """Echoes that grow quieter by `feedback` each time."""
    out, step = audio.copy(), int(delay_s * RATE_HZ)
    for count in range(1, 6):
        shift = step * count
        if shift >= len(audio):
            break
        out[shift:] += np.float32(wet * feedback ** (count - 1)) * audio[: len(audio) - shift]
    return out


def saturate(audio: Audio, drive_db: float) -> Audio:
    """Soft clipping of a bus at a drive above its RMS."""
    rms = max(active_rms(audio), _SILENCE)
    gain = decibels_to_gain(drive_db) / rms * 0.3
    return (np.tanh(audio * gain) / gain).astype(np.float32)


def play_in_sections(audio: Audio, is_playing: Sequence[bool], fade_s: float = 0.03) -> Audio:
    """Silence a layer in those equal sections of the clip in which it rests."""
    edges = np.linspace(0, len(audio), len(is_playing) + 1)
    fade = fade_s * RATE_HZ
    positions, gains = [0.0], [float(is_playing[0])]
    for edge, before, after in zip(edges[1:-1], is_playing[:-1], is_playing[1:], strict=True):
        positions += [edge - fade, edge]
        gains += [float(before), float(after)]
    return audio * np.interp(np.arange(len(audio)), positions, gains).astype(np.float32)


def master(audio: Audio, rng: Rng) -> Audio:
    """Bus equaliser, compressor, some saturation; the result lies at -20 dBFS RMS with peaks below full scale."""
    audio = at_level(equalise(audio, rng, 2.0), TARGET_RMS_DB)
    if rng.random() < 0.7:
        audio = compress(audio, TARGET_RMS_DB + rng.uniform(0, 10), rng.uniform(1.5, 4.0))
    if rng.random() < 0.25:
        audio = saturate(audio, rng.uniform(-8, 2))
    return finish(audio)


def finish(audio: Audio) -> Audio:
    """Remove what is below hearing, set the level, and bend the few peaks that would exceed full scale."""
    audio = at_level(band_pass(audio, 22.0, 21000.0), TARGET_RMS_DB)
    loud = np.abs(audio) > 0.7
    bent = 0.7 + (PEAK_LIMIT - 0.7) * np.tanh((np.abs(audio[loud]) - 0.7) / (PEAK_LIMIT - 0.7))
    audio[loud] = np.sign(audio[loud]) * bent
    return audio
