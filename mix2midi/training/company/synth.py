"""Synthesisers by wavetable: saw stacks, plucks, arpeggios, sub-bass, pumping pads, risers and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import lfilter

from mix2midi.training.company.guitar import frequency_of
from mix2midi.training.company.production import Audio, band_pass, saturate
from mix2midi.training.company.score import Note, Rng, Score
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import seconds_to_samples, tempo_to_seconds_per_beat

_TABLE_SIZE = 2048
_BRIGHTNESS = (1, 3, 8, 24, 80)


@dataclass(frozen=True)
class Patch:
    """A sound: wave shape, detuned voices, envelopes.

    Attributes
    ----------
    wave : str
        "saw", "square", "triangle", "organ" or "metal".
    n_voices, detune_cents
        Copies of the oscillator and how far the outer ones lie apart.
    attack_s, decay_s, sustain, release_s
        Level envelope; `sustain` is 0..1.
    bright_start, bright_end, bright_s
        Filter envelope: 0 (a sine) to 4 (80 harmonics), from start to end with a time constant.
    click : float
        Level of a short noise at the start.
    """

    wave: str
    n_voices: int
    detune_cents: float
    attack_s: float
    decay_s: float
    sustain: float
    release_s: float
    bright_start: float
    bright_end: float
    bright_s: float
    click: float


def random_patch(rng: Rng, role: str) -> Patch:
    """Draw a patch for "bass", "pluck", "pad" or "lead"."""
    is_pad, is_pluck = role == "pad", role == "pluck"
    bright = float(rng.uniform(1.5, 4.0))
    return Patch(
        wave=str(rng.choice(["saw", "saw", "square", "triangle", "organ", "metal"])),
        n_voices=1 if role == "bass" and rng.random() < 0.6 else int(rng.integers(1, 6)),
        detune_cents=float(rng.uniform(4, 30)),
        attack_s=float(rng.uniform(0.1, 0.8) if is_pad else rng.choice([0.001, 0.003, 0.02])),
        decay_s=float(rng.uniform(0.05, 0.5) if is_pluck else rng.uniform(0.2, 2.0)),
        sustain=0.0 if is_pluck else float(rng.uniform(0.4, 1.0)),
        release_s=float(rng.uniform(0.2, 0.8) if is_pad else rng.uniform(0.01, 0.25)),
        bright_start=bright,
        bright_end=float(rng.uniform(0.0, bright)) if not is_pad else float(rng.uniform(0.5, 3.5)),
        bright_s=float(rng.uniform(0.03, 0.4) if not is_pad else rng.uniform(0.5, 2.0)),
        click=float(rng.choice([0.0, 0.0, 0.3, 1.0])) if not is_pad else 0.0,
    )


@lru_cache(maxsize=64)
def _tables(wave: str, max_harmonic: int) -> np.ndarray:
    """Wave tables of growing brightness [brightness, table], none with harmonics above `max_harmonic`."""
    phase = 2 * np.pi * np.arange(_TABLE_SIZE) / _TABLE_SIZE
    tables = []
    for count in _BRIGHTNESS:
        harmonics = np.arange(1, max(1, min(count, max_harmonic)) + 1)
        weight = {
            "saw": 1.0 / harmonics,
            "square": (harmonics % 2) / harmonics,
            "triangle": (harmonics % 2) / harmonics**2,
            "organ": np.isin(harmonics, (1, 2, 3, 4, 6, 8)) * 0.6,
            "metal": 1.0 / np.sqrt(harmonics) * (harmonics % 3 != 0),
        }[wave]
        tables.append(weight @ np.sin(np.outer(harmonics, phase)))
    stacked = np.array(tables, dtype=np.float32)
    return stacked / np.abs(stacked).max(axis=1, keepdims=True).clip(1e-6)


@lru_cache(maxsize=128)
def render_note(patch: Patch, pitch: int, duration_s: float, take: int) -> Audio:
    """One note of a patch with its release; `take` draws the phases."""
    rng = np.random.default_rng([pitch, take])
    n_samples = int((duration_s + patch.release_s) * RATE_HZ)
    time_s = np.arange(n_samples) / RATE_HZ
    frequency_hz = frequency_of(pitch)
    tables = _tables(patch.wave, int(min(80, 16000 // frequency_hz)))
    bright = patch.bright_end + (patch.bright_start - patch.bright_end) * np.exp(-time_s / patch.bright_s)
    lower = np.minimum(bright.astype(int), len(_BRIGHTNESS) - 2)
    blend = (bright - lower).astype(np.float32)
    out = np.zeros(n_samples, dtype=np.float32)
    for cents in np.linspace(-0.5, 0.5, patch.n_voices) * patch.detune_cents if patch.n_voices > 1 else [0.0]:
        step = frequency_hz * 2 ** (cents / 1200) / RATE_HZ * _TABLE_SIZE
        index = (rng.uniform(0, _TABLE_SIZE) + step * np.arange(n_samples)).astype(np.int64) % _TABLE_SIZE
        out += (1 - blend) * tables[lower, index] + blend * tables[lower + 1, index]
    out *= _envelope(patch, time_s, duration_s) / np.sqrt(patch.n_voices)
    n_click = min(n_samples, 400)
    out[:n_click] += (patch.click * rng.standard_normal(n_click) * np.exp(-np.arange(n_click) / 80)).astype(np.float32)
    return out


def _envelope(patch: Patch, time_s: np.ndarray, duration_s: float) -> Audio:
    level = patch.sustain + (1 - patch.sustain) * np.exp(-time_s / patch.decay_s)
    level *= np.minimum(1.0, time_s / patch.attack_s)
    level *= np.clip((duration_s + patch.release_s - time_s) / patch.release_s, 0.0, 1.0) ** 2
    return level.astype(np.float32)


def play_patch(score: Score, notes: Sequence[Note], patch: Patch, rng: Rng) -> Audio:
    """All notes of a part with a patch; machines keep time, so there is no jitter."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total, dtype=np.float32)
    for note in notes:
        start_s = score.seconds(note.start_beat)
        stop_s = score.seconds(min(note.start_beat + note.length_beats, score.n_beats))
        duration_s = round(max(stop_s - start_s, 0.03), 2)
        sound = render_note(patch, int(np.clip(note.pitch, 20, 108)), min(duration_s, 8.0), int(rng.integers(2)))
        start = seconds_to_samples(start_s, RATE_HZ)
        n_samples = min(len(sound), n_total - start)
        out[start : start + n_samples] += sound[:n_samples] * np.float32(note.strength)
    return out


def pumping_gain(score: Score, rng: Rng) -> Audio:
    """Gain of a side chain: down on every beat and back up, as if a kick drum drove it."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    beat_s = tempo_to_seconds_per_beat(score.tempo_bpm)
    since_beat = (np.arange(n_total) / RATE_HZ) % beat_s / beat_s
    depth, reach = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.9)
    return (1 - depth * np.clip(1 - since_beat / reach, 0, 1) ** 2).astype(np.float32)


def sub_bass(score: Score, notes: Sequence[Note], rng: Rng) -> Audio:
    """Sines that fall to their pitch like a kick's, clipped a little: what makes basses pass for kicks."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total, dtype=np.float32)
    drop_octaves, drop_s = rng.choice([0.0, 0.3, 1.0, 2.0]), rng.uniform(0.01, 0.05)
    tail_s = rng.uniform(0.05, 0.15)
    for note in notes:
        start = seconds_to_samples(score.seconds(note.start_beat), RATE_HZ)
        stop = seconds_to_samples(score.seconds(min(note.start_beat + note.length_beats, score.n_beats)), RATE_HZ)
        time_s = np.arange(max(stop - start, 400)) / RATE_HZ
        sweep = frequency_of(note.pitch) * 2 ** (drop_octaves * np.exp(-time_s / drop_s))
        level = np.minimum(1, time_s / 0.004) * np.clip((time_s[-1] - time_s) / tail_s, 0, 1)
        sound = (level * note.strength * np.sin(2 * np.pi * np.cumsum(sweep) / RATE_HZ)).astype(np.float32)
        n_samples = min(len(sound), n_total - start)
        out[start : start + n_samples] += sound[:n_samples]
    return saturate(out, rng.uniform(-12, 9))


def noise_sweeps(score: Score, rng: Rng) -> Audio:
    """Risers and falls of noise over one to four bars, and short swishes that end on a bar."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total, dtype=np.float32)
    bar_s = score.beats_per_bar * tempo_to_seconds_per_beat(score.tempo_bpm)
    for _ in range(int(rng.integers(1, 5))):
        stop_bar = int(rng.integers(1, max(2, int(score.duration_s / bar_s))))
        length_s = float(rng.choice([0.25, 0.5, 1, 2, 4])) * bar_s
        stop = min(n_total, seconds_to_samples(stop_bar * bar_s, RATE_HZ))
        start = max(0, stop - seconds_to_samples(length_s, RATE_HZ))
        if stop - start < RATE_HZ // 10:
            continue
        ramp = np.linspace(0, 1, stop - start) ** rng.uniform(1.0, 3.0)
        noise = band_pass(rng.standard_normal(stop - start).astype(np.float32), rng.uniform(200, 4000), 14000)
        dull = lfilter([0.15], [1, -0.85], noise)
        swept = (1 - ramp) * dull + ramp * noise
        out[start:stop] += ((ramp if rng.random() < 0.7 else ramp[::-1]) * swept).astype(np.float32)
    return out
