"""What keeps the time of a song, hats or cymbals: where a cymbal is ridden throughout, doubtful hats mostly are none.

A drummer keeps time on one of the two. The wash of a ride sounds like hats here and there, and the network hears some
between its strokes; so in songs of many cymbals hats have to be surer. The other way round nothing was gained:
cymbals that have to be less sure where there are many are better on some kits and worse on others.
"""

from __future__ import annotations

import numpy as np

from mix2midi.transcription.curves import family_curve, find_peaks
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.units import seconds_to_frames

#: Hits that count, by activation: a figure of its own, so that thresholds can be chosen family by family.
_SURE = 0.5
_MERGE_S = 0.030
#: Cymbals that are struck less often keep no time: quarter notes at 72 beats per minute. Crashes in a dull recording,
#: which has lost its hats, are no sign that there were none.
_SLOWEST_PER_S = 1.2
#: Of hats and cymbals, the share of cymbals from which on hats have to be surer: songs of hats with a crash here and
#: there lie below.
_FIRST_SHARE = 0.3
#: By how much surer where there are cymbals alone, in the logarithm of the odds; docs/experiments.md has other values.
_MOST_LOG_ODDS = 1.0


def cymbal_share(heat_map: HeatMap) -> float:
    """Of the hits of hats and cymbals in a whole song, the share of cymbals.

    Returns
    -------
    float
        0 to 1; 0 where cymbals are struck too seldom to keep the time.
    """
    distance = max(1, round(float(seconds_to_frames(_MERGE_S, heat_map.hop_length, heat_map.rate_hz))))
    hats, cymbals = (len(find_peaks(family_curve(heat_map, family), _SURE, distance)) for family in ("hats", "cymbals"))
    duration_s = heat_map.onset.shape[1] / heat_map.fps
    return cymbals / (hats + cymbals) if cymbals > _SLOWEST_PER_S * duration_s else 0.0


def hats_threshold(threshold: float, share_of_cymbals: float) -> float:
    """The threshold of hats in a song with this share of cymbals.

    Parameters
    ----------
    threshold : float
        Where hats keep the time, above 0 and below 1.
    share_of_cymbals : float
        As `cymbal_share` gives it.

    Returns
    -------
    float
        `threshold` or higher, below 1.
    """
    if share_of_cymbals <= _FIRST_SHARE:
        return threshold
    ridden = (share_of_cymbals - _FIRST_SHARE) / (1.0 - _FIRST_SHARE)
    odds = threshold / (1.0 - threshold) * np.exp(_MOST_LOG_ODDS * ridden)
    return max(threshold, float(odds / (1.0 + odds)))  # rounding alone must not lower it
