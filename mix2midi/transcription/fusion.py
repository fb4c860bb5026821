"""One heat map of a song heard twice: the stem that a separator took out of it, and the mix itself.

What a separator loses is still in the mix, and what drowns in the mix is clear in the stem: the two are wrong about
different hits. Their log odds are averaged (J. Kittler et al., "On combining classifiers", PAMI 1998).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.instants import logit

_CLIP = 1e-4


def fuse_heat_maps(stem: HeatMap, mix: HeatMap, stem_share: float = 0.5) -> HeatMap:
    """The mean of what two heat maps of one song say.

    Parameters
    ----------
    stem, mix : HeatMap
        Of the same frames; where the mix ends earlier, the stem is left as it is.
    stem_share : float
        What the stem counts for, 0 to 1.

    Returns
    -------
    HeatMap
        Onset activations and velocities of both; the loudness is that of the stem.
    """
    return replace(
        stem,
        onset=_mean_odds(stem.onset, mix.onset, stem_share),
        family_onset=_mean_odds(stem.family_onset, mix.family_onset, stem_share),
        velocity=_mean(stem.velocity, mix.velocity, stem_share),
    )


def _mean_odds(stem: NDArray[np.floating], mix: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    fused = stem.copy()
    frames = min(stem.shape[1], mix.shape[1])
    for row in range(len(stem)):  # one at a time: an hour has a million frames
        odds = share * logit(stem[row, :frames], _CLIP) + (1.0 - share) * logit(mix[row, :frames], _CLIP)
        fused[row, :frames] = 1.0 / (1.0 + np.exp(-odds))
    return fused


def _mean(stem: NDArray[np.floating], mix: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    fused = stem.copy()
    frames = min(stem.shape[1], mix.shape[1])
    fused[:, :frames] = share * stem[:, :frames] + (1.0 - share) * mix[:, :frames]
    return fused
