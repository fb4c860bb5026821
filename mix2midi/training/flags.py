"""Runs of true values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest stretch of true values; 0 where there is none."""
    borders = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((borders[1::2] - borders[::2]).max(initial=0))
