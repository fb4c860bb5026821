"""What a one-shot sounds like, in numbers: by them drums are sorted, and wrong labels found.

A band's level in stretches of time after the attack (what rings, and for how long), plus pitch, brightness, noisiness
and length. Levels are taken relative to the loudest, so that neither gain nor velocity alone moves a sample far. Such
descriptors are known from P. Herrera, A. Yeterian and F. Gouyon, "Automatic classification of drum sounds", 2002.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mix2midi.training.kits import RATE_HZ
from mix2midi.units import gain_to_decibels, seconds_to_samples

#: Borders of the stretches after the attack, in seconds.
_STRETCHES_S = (0.0, 0.015, 0.05, 0.12, 0.25, 0.5, 1.0)
_BANDS = 20
_BAND_RANGE_HZ = (40.0, 18000.0)
_FLOOR_DB = -60.0
_PITCH_RANGE_HZ = (35.0, 400.0)
_PITCH_WINDOW_S = 0.25

#: Place of the logarithm of the pitch among the features, from the end.
PITCH_FEATURE = -2

Features = NDArray[np.float64]


def sample_features(audio: NDArray[np.float32]) -> Features:
    """Features of one hit.

    Parameters
    ----------
    audio : ndarray [shape=(samples,), float32]
        Mono at `kits.RATE_HZ`, attack at the start, at any level; not silent.

    Returns
    -------
    ndarray [shape=(features,), float64]
    """
    levels = _band_levels_db(audio)
    power = 10.0 ** (levels / 10.0)
    bands = np.log(_band_centres_hz())
    whole = power.sum(axis=0) / power.sum()
    centroid = float(whole @ bands)
    spread = float(np.sqrt(whole @ (bands - centroid) ** 2))
    flatness = float(np.mean(levels[1]) - gain_to_decibels(np.sqrt(power[1].mean())))
    decay = gain_to_decibels(np.sqrt(power.sum(axis=1) / power.sum()), _FLOOR_DB)
    further = [centroid * 10.0, spread * 10.0, flatness, np.log(pitch_hz(audio)) * 10.0, np.log(_length_s(audio)) * 5.0]
    return np.concatenate([levels.ravel(), decay, further])


def pitch_hz(audio: NDArray[np.float32]) -> float:
    """Frequency of the strongest partial of a hit between 35 and 400 Hz, after its click.

    Parameters
    ----------
    audio : ndarray [shape=(samples,), float32]
        Mono at `kits.RATE_HZ`, attack at the start.
    """
    click = seconds_to_samples(_STRETCHES_S[1], RATE_HZ)
    part = audio[click : click + seconds_to_samples(_PITCH_WINDOW_S, RATE_HZ)]
    if not len(part):
        part = audio
    count = 1 << 16  # 0.7 Hz between bins
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part) + 1)[1:], count))
    frequencies_hz = np.fft.rfftfreq(count, 1.0 / RATE_HZ)
    inside = (frequencies_hz >= _PITCH_RANGE_HZ[0]) & (frequencies_hz <= _PITCH_RANGE_HZ[1])
    return float(frequencies_hz[inside][spectrum[inside].argmax()])


def _band_levels_db(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level of each stretch and band in dB below the loudest [stretch, band]."""
    edges = [seconds_to_samples(border_s, RATE_HZ) for border_s in _STRETCHES_S]
    energy = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        part = audio[start:stop]
        spectrum = np.square(np.abs(np.fft.rfft(part * _window(len(part)), 1 << 15))) if len(part) else np.zeros(16385)
        energy.append(_band_filters() @ spectrum / (stop - start))
    levels = np.sqrt(np.array(energy))
    return np.asarray(gain_to_decibels(levels / max(levels.max(), 1e-12), _FLOOR_DB))


@lru_cache(maxsize=16)
def _window(length: int) -> NDArray[np.float64]:
    """Starts at full level, so that the attack counts, and falls to zero."""
    return np.asarray(np.cos(np.linspace(0.0, np.pi / 2, length)) ** 2)


@lru_cache(maxsize=1)
def _band_edges_hz() -> NDArray[np.float64]:
    return np.geomspace(*_BAND_RANGE_HZ, _BANDS + 1)


def _band_centres_hz() -> NDArray[np.float64]:
    edges_hz = _band_edges_hz()
    return np.sqrt(edges_hz[:-1] * edges_hz[1:])


@lru_cache(maxsize=1)
def _band_filters() -> NDArray[np.float64]:
    """Which bins belong to each band [band, bin]; borders are shared in proportion."""
    bins_hz = np.fft.rfftfreq(1 << 15, 1.0 / RATE_HZ)
    width_hz = bins_hz[1]
    edges_hz = _band_edges_hz()
    low, high = edges_hz[:-1, None], edges_hz[1:, None]
    covered = np.minimum(bins_hz + width_hz / 2, high) - np.maximum(bins_hz - width_hz / 2, low)
    return np.asarray(np.clip(covered / width_hz, 0.0, 1.0))


def _length_s(audio: NDArray[np.float32]) -> float:
    """Time until nine tenths of the energy are spent."""
    spent = np.cumsum(np.square(audio, dtype=np.float64))
    return float(np.searchsorted(spent, 0.9 * spent[-1]) + 1) / RATE_HZ
