"""Runs of true values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs_of(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Stretches of true values, first and one beyond the last of each [runs, 2]."""
    borders = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return borders.reshape(-1, 2)


def longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """First and one beyond the last of the longest stretch of true values; twice 0 where there is none."""
    runs = runs_of(flags)
    if not len(runs):
        return 0, 0
    first, stop = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(first), int(stop)
