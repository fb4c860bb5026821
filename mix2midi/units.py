"""All conversions between frames, samples, seconds, ticks, beats, decibels and velocities.

One home for them, so that a factor is never retyped. Times start at 0.0 at the first sample that a DAW plays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

MIN_VELOCITY = 1
MAX_VELOCITY = 127
SECONDS_PER_MINUTE = 60.0


def frames_to_seconds(frames: ArrayLike, hop_length: int, rate_hz: int) -> FloatArray:
    """Time of the centre of each STFT frame, in seconds; fractional frames are allowed."""
    return np.asarray(frames, dtype=np.float64) * hop_length / rate_hz


def seconds_to_frames(times_s: ArrayLike, hop_length: int, rate_hz: int) -> FloatArray:
    """Fractional frame at which each time lies; the inverse of `frames_to_seconds`."""
    return np.asarray(times_s, dtype=np.float64) * rate_hz / hop_length


def seconds_to_samples(duration_s: float, rate_hz: int) -> int:
    """Number of whole samples nearest to a duration."""
    return round(duration_s * rate_hz)


def decibels_to_gain(level_db: ArrayLike) -> FloatArray:
    """Amplitude factor of a level in dB."""
    return 10.0 ** (np.asarray(level_db, dtype=np.float64) / 20.0)


def gain_to_decibels(gain: ArrayLike, floor_db: float = -120.0) -> FloatArray:
    """Level in dB of an amplitude factor, not below `floor_db`."""
    magnitude = np.maximum(np.abs(np.asarray(gain, dtype=np.float64)), decibels_to_gain(floor_db))
    return 20.0 * np.log10(magnitude)


def unit_to_velocity(strength: ArrayLike) -> NDArray[np.int64]:
    """MIDI velocity, 1 to 127, of a strength between 0 and 1."""
    scaled = np.rint(np.asarray(strength, dtype=np.float64) * MAX_VELOCITY)
    return np.clip(scaled, MIN_VELOCITY, MAX_VELOCITY).astype(np.int64)


def tempo_to_seconds_per_beat(tempo_bpm: float) -> float:
    """Length of one beat in seconds."""
    return SECONDS_PER_MINUTE / tempo_bpm


def clock(duration_s: float) -> str:
    """Minutes and seconds, ``"3:05"``; below a minute with a decimal, ``"4.2 s"``."""
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
