"""Three views of one drum track: alone, in its mix, and as a separator gives it back from the mix.

Separators make typical mistakes: what sounds like a drum leaks, quiet hits have holes, transients smear. The third
view makes them with an ideal ratio mask that is bent, blurred and holed, or with a separator of this project's own. No
weights of others are involved.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter, zoom

from mix2midi.errors import OptionError
from mix2midi.training.effects import rms
from mix2midi.units import decibels_to_gain

if TYPE_CHECKING:
    from mix2midi.separation.separator import SegmentNetwork

Audio = NDArray[np.float32]
_WINDOW, _HOP = 2048, 512
#: Root mean square of what a real separator is given: records are that loud.
_SEPARATED_LEVEL = 0.12


def mix(rng: Generator, drums: Audio, company: Audio, mean_db: float, spread_db: float) -> tuple[Audio, Audio]:
    """Company at a random level beside the drums.

    Parameters
    ----------
    rng : numpy Generator
    drums, company : ndarray [shape=(samples,), float32]
    mean_db, spread_db : float
        Normal distribution of the level of the company beside the drums.

    Returns
    -------
    drums, company : ndarray [shape=(samples,), float32]
        Their sum is the mix.
    """
    level_db = rng.normal(mean_db, spread_db)
    gain = rms(drums) / rms(company) * float(decibels_to_gain(level_db))
    return drums, company * np.float32(gain)


def separated(rng: Generator, drums: Audio, company: Audio) -> Audio:
    """The drums of a mix as an imperfect separator returns them.

    Returns
    -------
    ndarray [shape=(samples,), float32]
    """
    import torch

    window = torch.hann_window(_WINDOW)
    both = torch.from_numpy(np.stack([drums, company]))
    drum_bins, company_bins = torch.stft(both, _WINDOW, _HOP, window=window, return_complex=True)
    mask = _ratio_mask(rng, drum_bins.abs().numpy(), company_bins.abs().numpy())
    masked = torch.from_numpy(mask.astype(np.float32)) * (drum_bins + company_bins)
    return torch.istft(masked, _WINDOW, _HOP, window=window, length=len(drums)).numpy()


def separated_by(separator: str, mix: Audio) -> Audio:
    """The drums of a mix as a real separator returns them.

    Parameters
    ----------
    separator : str
        As `mix2midi.separation.load_separator` takes it.
    mix : ndarray [shape=(samples,), float32]

    Returns
    -------
    ndarray [shape=(samples,), float32]
    """
    level = _SEPARATED_LEVEL / rms(mix)
    return _network(separator)(np.stack([mix, mix]) * np.float32(level))[0] / np.float32(level)


@cache
def _network(separator: str) -> SegmentNetwork:
    """Loaded once in each process."""
    from mix2midi.separation import load_separator
    from mix2midi.separation.separator import NetworkSeparator

    loaded = load_separator(separator)
    if not isinstance(loaded, NetworkSeparator):
        raise OptionError(f"separator {separator!r} separates nothing; name a folder of open-unmix, or builtin")
    return loaded.network


def _ratio_mask(rng: Generator, drums: NDArray[np.floating], company: NDArray[np.floating]) -> NDArray[np.floating]:
    power = rng.uniform(0.7, 2.2)
    bias = float(decibels_to_gain(rng.normal(0.0, 3.0)))  # a separator that takes too much, or too little
    strength = np.power(bias * drums + 1e-7, power)
    mask = strength / (strength + np.power(company + 1e-7, power))
    if rng.random() < 0.7:
        mask = uniform_filter(mask, size=(int(rng.integers(1, 12)), int(rng.integers(1, 4))), mode="nearest")
    if rng.random() < 0.6:
        mask = mask * _smooth_field(rng, mask.shape, low=rng.uniform(0.3, 1.0), high=1.0)
    if rng.random() < 0.6:
        leak = rng.uniform(0.0, 0.25) * _smooth_field(rng, mask.shape, low=0.0, high=1.0)
        mask = leak + (1.0 - leak) * mask
    if rng.random() < 0.3:
        mask = mask * (mask > rng.uniform(0.0, 0.35))  # holes
    return np.clip(mask, 0.0, 1.0)


def _smooth_field(rng: Generator, shape: tuple[int, ...], low: float, high: float) -> NDArray[np.floating]:
    """Slowly varying random values over frequency and time."""
    coarse = rng.uniform(low, high, (int(rng.integers(3, 24)), int(rng.integers(3, 24))))
    factors = (shape[0] / coarse.shape[0], shape[1] / coarse.shape[1])
    field = zoom(coarse, factors, order=1)
    padding = [(0, max(0, shape[axis] - field.shape[axis])) for axis in range(2)]
    return np.pad(field, padding, mode="edge")[: shape[0], : shape[1]]
