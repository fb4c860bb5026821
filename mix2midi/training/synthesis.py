"""Electronic drums from oscillators and noise: endless drum machines, none of which belongs to anybody.

The circuits are those of the classic analogue machines as the literature describes them (Werner, Abel and Smith on the
TR-808's bass drum and cymbals, DAFx 2014): swept sines for skins, six square waves through band-passes for metal,
gated noise for snares and claps. All values are random within what such machines can be turned to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from mix2midi.training.kits import RATE_HZ, Layer

Audio = NDArray[np.float64]
#: Frequencies of the six oscillators of the TR-808's cymbals.
_METAL_HZ = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0])
_SILENCE_DB = 60.0  # a sound ends when it has fallen by this much


@dataclass(frozen=True)
class SyntheticInstrument:
    """A drum that was computed; stands wherever a sampled `kits.Instrument` does."""

    kit: str
    piece: str
    layers: tuple[Layer, ...]


def synthesise_kit(rng: Generator) -> dict[str, SyntheticInstrument]:
    """One random machine: an instrument for each piece that such machines have."""
    metal = _metal(rng)
    makers: dict[str, Callable[[], Audio]] = {
        "kick": lambda: _kick(rng),
        "snare": lambda: _snare(rng),
        "side_stick": lambda: _side_stick(rng),
        "clap": lambda: _clap(rng),
        "closed_hat": lambda: _shaped_metal(rng, metal, (0.012, 0.06), 6000.0),
        "pedal_hat": lambda: _shaped_metal(rng, metal, (0.02, 0.07), 5000.0),
        "open_hat": lambda: _shaped_metal(rng, metal, (0.12, 0.5), 6000.0),
        "high_tom": lambda: _tom(rng, 150.0, 260.0),
        "mid_tom": lambda: _tom(rng, 105.0, 165.0),
        "low_tom": lambda: _tom(rng, 60.0, 115.0),
        "crash": lambda: _shaped_metal(rng, metal, (0.4, 1.2), 3000.0),
        "ride": lambda: _shaped_metal(rng, metal, (0.25, 0.9), 4000.0),
        "cowbell": lambda: _cowbell(rng),
        "tambourine": lambda: _shaped_metal(rng, metal, (0.03, 0.09), 7500.0),
    }
    return {piece: SyntheticInstrument("synthetic", piece, (_layer(make()),)) for piece, make in makers.items()}


def _layer(audio: Audio) -> Layer:
    return Layer(127, (audio / (np.abs(audio).max() + 1e-9)).astype(np.float32))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """A random value whose logarithm is uniform between those of `low` and `high`."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _time_s(decay_s: float) -> Audio:
    """Time axis of a sound that decays with this time constant."""
    length_s = min(decay_s * _SILENCE_DB / 8.7, 3.0)
    return np.arange(max(64, int(length_s * RATE_HZ))) / RATE_HZ


def _sweep(time_s: Audio, start_hz: float, end_hz: float, fall_s: float) -> Audio:
    """A sine that falls exponentially from one frequency to another."""
    phase = end_hz * time_s + (start_hz - end_hz) * fall_s * (1.0 - np.exp(-time_s / fall_s))
    return np.asarray(np.sin(2.0 * np.pi * phase))


def _filtered(audio: Audio, cutoff_hz: float | tuple[float, float], kind: str, order: int = 2) -> Audio:
    return np.asarray(sosfilt(butter(order, cutoff_hz, btype=kind, fs=RATE_HZ, output="sos"), audio))


def _noise(rng: Generator, time_s: Audio, decay_s: float) -> Audio:
    return np.asarray(rng.standard_normal(len(time_s)) * np.exp(-time_s / decay_s))


def _kick(rng: Generator) -> Audio:
    decay_s = log_uniform(rng, 0.06, 0.6)
    time_s = _time_s(decay_s)
    end_hz = log_uniform(rng, 36.0, 75.0)
    body = _sweep(time_s, end_hz * log_uniform(rng, 1.2, 9.0), end_hz, log_uniform(rng, 0.004, 0.06))
    body = body * np.exp(-time_s / decay_s)
    click = _filtered(_noise(rng, time_s, log_uniform(rng, 0.001, 0.006)), rng.uniform(800, 6000), "highpass", 1)
    drive = rng.uniform(1.0, 4.0)
    return np.asarray(np.tanh(drive * (body + rng.uniform(0.0, 0.5) * click)) / drive)


def _tom(rng: Generator, low_hz: float, high_hz: float) -> Audio:
    decay_s = log_uniform(rng, 0.06, 0.35)
    time_s = _time_s(decay_s)
    end_hz = log_uniform(rng, low_hz, high_hz)
    body = _sweep(time_s, end_hz * rng.uniform(1.05, 2.2), end_hz, log_uniform(rng, 0.01, 0.08))
    breath = _filtered(_noise(rng, time_s, decay_s * 0.4), rng.uniform(500, 3000), "lowpass", 1)
    return np.asarray(body * np.exp(-time_s / decay_s) + rng.uniform(0.0, 0.4) * breath)


def _snare(rng: Generator) -> Audio:
    decay_s = log_uniform(rng, 0.05, 0.3)
    time_s = _time_s(decay_s)
    base_hz = rng.uniform(150.0, 260.0)
    skin_decay_s = log_uniform(rng, 0.025, 0.15)
    skin = _sweep(time_s, base_hz * rng.uniform(1.0, 1.8), base_hz, 0.02)
    skin = skin + rng.uniform(0.2, 1.0) * _sweep(time_s, base_hz * 2.2, base_hz * rng.uniform(1.4, 1.95), 0.02)
    wires = _filtered(_noise(rng, time_s, decay_s), log_uniform(rng, 600, 5000), "highpass", int(rng.integers(1, 4)))
    return np.asarray(skin * np.exp(-time_s / skin_decay_s) + rng.uniform(0.3, 2.0) * wires)


def _side_stick(rng: Generator) -> Audio:
    time_s = _time_s(0.03)
    low_hz, high_hz = rng.uniform(400, 900), rng.uniform(1500, 2800)
    tone = np.sin(2 * np.pi * low_hz * time_s) + rng.uniform(0.5, 1.5) * np.sin(2 * np.pi * high_hz * time_s)
    wood = tone * np.exp(-time_s / rng.uniform(0.005, 0.02))
    return np.asarray(wood + rng.uniform(0.0, 0.5) * _noise(rng, time_s, 0.002))


def _clap(rng: Generator) -> Audio:
    """Three or four bursts as of several hands, the last with a tail."""
    tail_s = log_uniform(rng, 0.04, 0.2)
    time_s = _time_s(tail_s)
    spacing_s = rng.uniform(0.006, 0.013)
    hands = int(rng.integers(2, 5))
    envelope = np.zeros(len(time_s))
    for hand in range(hands):
        since_s = time_s - hand * spacing_s
        decay_s = tail_s if hand == hands - 1 else rng.uniform(0.002, 0.005)
        envelope += np.where(since_s >= 0.0, np.exp(-np.maximum(since_s, 0.0) / decay_s), 0.0)
    centre_hz = rng.uniform(800, 1800)
    return _filtered(rng.standard_normal(len(time_s)) * envelope, (centre_hz * 0.6, centre_hz * 2.2), "bandpass", 1)


def _metal(rng: Generator) -> Audio:
    """Three seconds of the machine's metal: six square waves, or noise, or both."""
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    tuning = log_uniform(rng, 0.7, 2.2)
    frequencies_hz = _METAL_HZ * tuning * rng.uniform(0.95, 1.05, len(_METAL_HZ))
    squares = np.sign(np.sin(2 * np.pi * np.outer(frequencies_hz, time_s))).sum(axis=0) / 3.0
    share = float(rng.choice([0.0, 1.0, rng.uniform(0.0, 1.0)]))
    return np.asarray((1.0 - share) * squares + share * rng.standard_normal(len(time_s)))


def _shaped_metal(rng: Generator, metal: Audio, decay_range_s: tuple[float, float], lowest_hz: float) -> Audio:
    decay_s = log_uniform(rng, *decay_range_s)
    time_s = _time_s(decay_s)
    cutoff_hz = lowest_hz * log_uniform(rng, 0.7, 1.5)
    sound = _filtered(metal[: len(time_s)], cutoff_hz, "highpass", int(rng.integers(1, 4)))
    stroke = 1.0 + rng.uniform(0.0, 2.0) * np.exp(-time_s / 0.008)
    return np.asarray(sound * stroke * np.exp(-time_s / decay_s))


def _cowbell(rng: Generator) -> Audio:
    decay_s = log_uniform(rng, 0.03, 0.15)
    time_s = _time_s(decay_s)
    low_hz = rng.uniform(480, 640)
    squares = np.sign(np.sin(2 * np.pi * low_hz * time_s)) + np.sign(np.sin(2 * np.pi * low_hz * 1.481 * time_s))
    return _filtered(squares * np.exp(-time_s / decay_s), (low_hz, low_hz * 4.0), "bandpass", 1)
