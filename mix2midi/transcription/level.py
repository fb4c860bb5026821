"""One playing level for everything that the network hears, in training and in use.

Songs come at any level. The loud moments (the 95th percentile of the level in windows of 100 ms) are brought to one
reference, so that a quiet recording is not a quiet drummer. Percentiles, because one clipped sample must not decide. Of
long silence only so much counts that the loud moments are still some of those that sound.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mix2midi.units import decibels_to_gain, gain_to_decibels

WINDOW_S = 0.1
LOUD_PERCENTILE = 95.0
REFERENCE_DB = -15.0
#: Windows that are less than this below the loudest one sound.
SOUNDING_RANGE_DB = 40.0
#: Silent windows that count for each that sounds.
SILENT_PER_SOUNDING = 6
#: Below this, a recording is silence, and silence is not amplified into hits.
SILENCE_DB = -75.0
MAX_GAIN_DB = 50.0


def window_levels_db(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    """Level of each whole window of mono audio, in dB of full scale RMS; what is left over counts as one more."""
    window = round(WINDOW_S * rate_hz)
    starts = np.arange(0, max(len(audio), 1), window)
    energy = np.add.reduceat(np.square(audio, dtype=np.float64), starts) if len(audio) else np.zeros(1)
    lengths = np.diff(np.append(starts, max(len(audio), 1)))
    return gain_to_decibels(np.sqrt(energy / lengths))


def reference_gain(levels_db: Iterable[NDArray[np.float64]]) -> float:
    """Amplitude factor that brings the loud moments of a song to `REFERENCE_DB`.

    Parameters
    ----------
    levels_db : iterable of ndarray
        Outputs of `window_levels_db` for consecutive stretches of the song.

    Returns
    -------
    float
        1.0 for silence.
    """
    collected = list(levels_db)
    levels = np.concatenate(collected) if collected else np.zeros(0)
    if levels.size == 0 or levels.max() < SILENCE_DB:
        return 1.0
    sounds = levels > levels.max() - SOUNDING_RANGE_DB
    silent = levels[~sounds][: SILENT_PER_SOUNDING * np.count_nonzero(sounds)]
    loud_db = float(np.percentile(np.concatenate([levels[sounds], silent]), LOUD_PERCENTILE))
    return float(decibels_to_gain(min(REFERENCE_DB - loud_db, MAX_GAIN_DB)))
