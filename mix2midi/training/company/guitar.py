"""Guitars and basses: plucked strings by digital waveguide, and an amplifier with its cabinet.

Strings follow Karplus and Strong (1983) with the pick position and loop filter of Jaffe and Smith (1983). The amplifier
is several stages of gain, each an asymmetric soft clipper with a filter before it, oversampled, then a loudspeaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import butter, lfilter, resample_poly, sosfilt

from mix2midi.training.company.parts import Stroke
from mix2midi.training.company.production import (
    Audio,
    at_level,
    band_pass,
    bell_curve,
    compress,
    filter_with,
    follow_level,
    minimum_phase,
    per_sample,
)
from mix2midi.training.company.score import Note, Rng, Score
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import decibels_to_gain, seconds_to_samples

_OVERSAMPLING = 2


@dataclass(frozen=True)
class Strings:
    """Sound of a set of strings.

    Attributes
    ----------
    brightness : float
        0..1: of the excitation and of the loop; old flatwounds to new steel.
    decay_s : float
        Time to fall by 60 dB at 110 Hz when left open.
    muted_s : float
        The same under the palm.
    pick_position : float
        0..0.5 of the length: at the bridge to in the middle.
    click : float
        Level of the pick or of the slap against the frets.
    """

    brightness: float
    decay_s: float
    muted_s: float
    pick_position: float
    click: float


def random_strings(rng: Rng, *, is_bass: bool = False) -> Strings:
    """Draw the sound of a guitar, or of a bass played with fingers, pick or thumb."""
    return Strings(
        brightness=float(rng.uniform(0.35, 0.95)),
        decay_s=float(rng.uniform(2.0, 6.0)),
        muted_s=float(rng.uniform(0.08, 0.35)),
        pick_position=float(rng.uniform(0.06, 0.3)),
        click=float(rng.choice([0.05, 0.2, 0.6, 1.2]) if is_bass else rng.uniform(0.02, 0.3)),
    )


def frequency_of(pitch: float) -> float:
    """Frequency in Hz of a MIDI pitch at concert tuning."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


@lru_cache(maxsize=256)
def pluck(strings: Strings, pitch: int, is_muted: bool, duration_s: float, take: int) -> Audio:
    """One plucked string; `take` draws the noise of the excitation, so that repeats differ."""
    rng = np.random.default_rng([pitch, take])
    frequency_hz = frequency_of(pitch)
    period = max(4, int(RATE_HZ / frequency_hz))
    stretch = (RATE_HZ / frequency_hz) / (period + 0.5)
    n_samples = int(duration_s * RATE_HZ / stretch) + period
    decay_s = strings.muted_s if is_muted else strings.decay_s * (110.0 / frequency_hz) ** 0.4
    keep = 10.0 ** (-3.0 * (period + 0.5) / (RATE_HZ * decay_s))
    string = _loop(_excitation(strings, period, is_muted, rng), n_samples, keep)
    # Whole periods are out of tune by up to half a sample: resample to the exact pitch.
    positions = np.arange(n_samples) / stretch
    tuned = np.interp(positions[positions < n_samples - 1], np.arange(n_samples), string)
    return (tuned + _click(strings, len(tuned), is_muted, rng)).astype(np.float32)


def _excitation(strings: Strings, period: int, is_muted: bool, rng: Rng) -> np.ndarray:
    """One period of the string as plucked: harmonics of a bent string seen by a pickup, and some noise of the pick."""
    harmonics = np.arange(1, period // 2 + 1)
    slope = 1.7 - 0.9 * strings.brightness + (0.2 if is_muted else 0.0)
    level = np.abs(np.sin(np.pi * harmonics * strings.pick_position)) / harmonics**slope
    spectrum = np.zeros(period // 2 + 1, dtype=complex)
    spectrum[1:] = level * np.exp(1j * rng.normal(-np.pi / 2, 0.5, len(level)))
    plucked = np.fft.irfft(spectrum, period)
    plucked /= np.sqrt(np.mean(plucked**2))
    noise = lfilter([1 - 0.6], [1, -0.6], rng.uniform(-1, 1, period))
    return 0.4 * plucked + 0.25 * strings.brightness * noise


def _loop(excitation: np.ndarray, n_samples: int, keep: float) -> np.ndarray:
    """Run the averaging loop one period at a time: each period is the last one, smoothed and a little quieter."""
    period = len(excitation)
    rounds = -(-n_samples // period)
    out = np.empty((rounds, period))
    current, last = excitation, 0.0
    for index in range(rounds):
        out[index] = current
        shifted = np.concatenate(([last], current[:-1]))
        last = current[-1]
        current = keep * 0.5 * (current + shifted)
    return out.ravel()[:n_samples]


def _click(strings: Strings, n_samples: int, is_muted: bool, rng: Rng) -> np.ndarray:
    """The pick's scrape or the thumb's knock: a few milliseconds of noise and a low thump."""
    n_click = min(n_samples, int(0.02 * RATE_HZ))
    time_s = np.arange(n_click) / RATE_HZ
    knock = np.sin(2 * np.pi * rng.uniform(60, 180) * time_s) * np.exp(-time_s / 0.006)
    scrape = rng.standard_normal(n_click) * np.exp(-time_s / rng.uniform(0.001, 0.004))
    out = np.zeros(n_samples)
    out[:n_click] = strings.click * (0.5 * knock + 0.3 * scrape) * (1.4 if is_muted else 1.0)
    return out


def play_strokes(score: Score, strokes: Sequence[Stroke], strings: Strings, rng: Rng) -> Audio:
    """Direct signal of a guitar: strings one after the other within a stroke, the last stroke damped by the next."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total + RATE_HZ, dtype=np.float32)
    starts_s = [score.seconds(stroke.start_beat) for stroke in strokes]
    for index, stroke in enumerate(strokes):
        stop_s = score.seconds(min(stroke.start_beat + stroke.length_beats, score.n_beats))
        if index + 1 < len(strokes):
            stop_s = min(stop_s, starts_s[index + 1])
        _play_stroke(out, stroke, strings, starts_s[index] + rng.normal(0, 0.004), stop_s, rng)
    return out[:n_total]


def _play_stroke(out: Audio, stroke: Stroke, strings: Strings, start_s: float, stop_s: float, rng: Rng) -> None:
    spread_s = rng.uniform(0.001, 0.012) if len(stroke.pitches) > 3 else 0.001
    pitches = stroke.pitches if stroke.is_down else stroke.pitches[::-1]
    length_s = float(np.ceil(max(stop_s - start_s, 0.05) * 2) / 2)
    for place, pitch in enumerate(pitches):
        string = pluck(strings, pitch, stroke.is_muted, min(length_s, 4.0), int(rng.integers(3)))
        start = max(0, int((start_s + place * spread_s) * RATE_HZ))
        n_samples = min(len(string), int((stop_s - start_s) * RATE_HZ) + 600, len(out) - start)
        if n_samples <= 600:
            continue
        segment = string[:n_samples] * np.float32(stroke.strength)
        segment[-600:] *= np.linspace(1, 0, 600, dtype=np.float32)
        out[start : start + n_samples] += segment


def notes_as_strokes(notes: Sequence[Note]) -> list[Stroke]:
    """A bass line or tune for `play_strokes`."""
    return [Stroke(note.start_beat, note.length_beats, (note.pitch,), note.strength, False) for note in notes]


@dataclass(frozen=True)
class Amplifier:
    """Gains of the stages in dB, the corner of the filter before each in Hz, asymmetry 0..0.5, noise in dBFS."""

    gains_db: tuple[float, ...]
    corners_hz: tuple[float, ...]
    bias: float
    noise_db: float
    mid_boost_db: float


def random_amplifier(rng: Rng, drive: str) -> Amplifier:
    """Draw an amplifier: "clean", "crunch", "high" (metal) or "fuzz"."""
    stages, low_db, high_db = {"clean": (1, -6, 3), "crunch": (2, 4, 12), "high": (3, 10, 17), "fuzz": (2, 18, 28)}[
        drive
    ]
    return Amplifier(
        gains_db=tuple(rng.uniform(low_db, high_db, stages)),
        corners_hz=tuple(rng.uniform(30, 220, stages)),
        bias=float(rng.uniform(0.0, 0.35)),
        noise_db=float(rng.uniform(-75, -50)),
        mid_boost_db=float(rng.uniform(-4, 10)),
    )


def amplify(direct: Audio, amplifier: Amplifier, rng: Rng) -> Audio:
    """Send a direct signal through the stages; hiss is amplified with it, and gated as players do."""
    signal = at_level(direct, -14.0)
    gate = np.clip(per_sample(follow_level(signal, 0.005, 0.1), len(signal)) * 50, 0, 1)
    hiss = np.float32(decibels_to_gain(amplifier.noise_db)) * rng.standard_normal(len(signal)).astype(np.float32)
    frequency_hz = np.fft.rfftfreq(2048, 1 / RATE_HZ)
    boost_db = amplifier.mid_boost_db * bell_curve(frequency_hz, rng.uniform(500, 1100), 0.8)
    signal = filter_with(signal + gate * hiss, minimum_phase(decibels_to_gain(boost_db)))
    signal = resample_poly(signal, _OVERSAMPLING, 1).astype(np.float32)
    for gain_db, corner_hz in zip(amplifier.gains_db, amplifier.corners_hz, strict=True):
        low_cut = butter(1, corner_hz, "high", fs=RATE_HZ * _OVERSAMPLING, output="sos").astype(np.float32)
        driven = sosfilt(low_cut, signal).astype(np.float32) * np.float32(decibels_to_gain(gain_db)) * 3
        signal = np.tanh(driven + np.float32(amplifier.bias)) - np.float32(np.tanh(amplifier.bias))
    return resample_poly(signal, 1, _OVERSAMPLING).astype(np.float32)


def random_cabinet(rng: Rng) -> Audio:
    """Impulse response of a loudspeaker and its box: 80 Hz to about 5 kHz, resonances, ripple of the microphone."""
    frequency_hz = np.maximum(np.fft.rfftfreq(4096, 1 / RATE_HZ), 1.0)
    low_hz, high_hz = rng.uniform(60, 110), rng.uniform(3500, 6500)
    gain_db = -12 * np.log2(1 + (low_hz / frequency_hz) ** 2) - 9 * np.log2(1 + (frequency_hz / high_hz) ** 4)
    gain_db += rng.uniform(2, 7) * bell_curve(frequency_hz, rng.uniform(90, 150), 0.35)
    gain_db += rng.uniform(2, 8) * bell_curve(frequency_hz, rng.uniform(1800, 3600), 0.4)
    gain_db -= rng.uniform(0, 6) * bell_curve(frequency_hz, rng.uniform(350, 700), 0.5)
    for _ in range(10):
        gain_db += rng.normal(0, 2.5) * bell_curve(frequency_hz, 100 * 2 ** rng.uniform(0, 6), rng.uniform(0.03, 0.12))
    return minimum_phase(decibels_to_gain(np.maximum(gain_db, -60)))


def with_feedback(amplified: Audio, score: Score, rng: Rng) -> Audio:
    """Let a harmonic of some chords swell up and ring, as a loud guitar does before its loudspeaker."""
    out = amplified.copy()
    for chord in score.chords:
        if rng.random() > 0.12:
            continue
        start, stop = (
            seconds_to_samples(score.seconds(beat), RATE_HZ)
            for beat in (chord.start_beat, min(chord.start_beat + chord.length_beats, score.n_beats))
        )
        time_s = np.arange(stop - start) / RATE_HZ
        pitch = 60 + chord.root + int(rng.choice([0, 7, 12, 19]))
        bend = 0.15 * np.sin(2 * np.pi * rng.uniform(4, 6) * time_s)
        phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch + bend - 69) / 12)) / RATE_HZ
        swell = np.minimum(1.0, time_s / max(time_s[-1], 0.1)) ** 2 * np.minimum(1.0, (time_s[-1] - time_s) / 0.05)
        out[start:stop] += (0.25 * swell * np.tanh(2 * np.sin(phase))).astype(np.float32)
    return out


def electric_guitar(direct: Audio, score: Score, rng: Rng, drive: str) -> Audio:
    """Amplifier, sometimes feedback, and cabinet, for a direct signal of any origin."""
    amplified = amplify(direct, random_amplifier(rng, drive), rng)
    if drive in ("high", "fuzz") and rng.random() < 0.3:
        amplified = with_feedback(amplified, score, rng)
    return at_level(filter_with(amplified, random_cabinet(rng)), -20.0)


def electric_bass(direct: Audio, rng: Rng) -> Audio:
    """A bass through compressor and a little or much grit, the direct lows kept beside it."""
    direct = at_level(direct, -18.0)
    squeezed = compress(direct, rng.uniform(-30, -18), rng.uniform(2, 6), attack_s=rng.uniform(0.003, 0.03))
    dirty = amplify(squeezed, random_amplifier(rng, str(rng.choice(["clean", "crunch", "high"]))), rng)
    dirty = band_pass(dirty, 150.0, rng.uniform(2000, 6000))
    lows = band_pass(squeezed, 30.0, rng.uniform(1500, 8000))
    return at_level(at_level(lows, -20.0) + at_level(dirty, rng.uniform(-40, -20)), -20.0)
