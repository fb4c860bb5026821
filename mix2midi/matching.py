"""Which hit of an estimate is which of a reference: as many pairs as can be, and of those the nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mix2midi.notes import DrumNote


def match_hits(
    reference: Sequence[DrumNote], estimate: Sequence[DrumNote], window_s: float
) -> list[tuple[DrumNote, DrumNote]]:
    """Hits that match, reference first, in the order of time; see `match_times`."""
    rows, columns = match_times([note.onset_s for note in reference], [note.onset_s for note in estimate], window_s)
    return [(reference[row], estimate[column]) for row, column in zip(rows, columns, strict=True)]


def match_times(
    reference_s: ArrayLike, estimate_s: ArrayLike, window_s: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of times at most a window apart, each used once: as many as possible, and of these the nearest in sum.

    Pairs that cross are uncrossed, which changes neither. There are as many as `mir_eval.util.match_events` finds, so
    counts are those of the field. Which of them it finds is left open there: where hits are dense, a soft stroke may be
    paired with its loud neighbour though it was found itself, and velocities are compared across.

    Parameters
    ----------
    reference_s, estimate_s : array_like of float
        Seconds, in any order.
    window_s : float
        Half-width, edges included.

    Returns
    -------
    rows, columns : ndarray of int [shape=(matched,)]
        Indices of the pairs in the reference and in the estimate, in the order of time.

    References
    ----------
    R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
    Computing 38, 1987 (scipy's `min_weight_full_bipartite_matching`).
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    true_s, found_s = np.asarray(reference_s, dtype=np.float64), np.asarray(estimate_s, dtype=np.float64)
    rows, columns = _within(true_s, found_s, window_s)
    if not rows.size:
        return rows, columns
    # The library pairs every row, so each hit of the reference has a partner of its own besides, which stands for
    # "missed". That costs more than all distances together: as few as possible are missed. An edge of weight 0 would
    # be none, so all are 1 longer.
    missed = np.arange(true_s.size)
    weights = np.concatenate(
        [1.0 + np.abs(true_s[rows] - found_s[columns]), np.full(true_s.size, 2.0 + true_s.size * window_s)]
    )
    edges = (np.concatenate([rows, missed]), np.concatenate([columns, found_s.size + missed]))
    graph = csr_matrix((weights, edges), shape=(true_s.size, found_s.size + true_s.size))
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(graph)
    real = chosen_columns < found_s.size
    return _in_order(chosen_rows[real], true_s), _in_order(chosen_columns[real], found_s)


def _in_order(indices: NDArray[np.int32], times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    ascending = np.sort(indices).astype(np.int64)
    return ascending[np.argsort(times_s[ascending], kind="stable")]


def _within(
    true_s: NDArray[np.float64], found_s: NDArray[np.float64], window_s: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of all pairs at most a window apart, compared as mir_eval does, so that edges fall alike."""
    order = np.argsort(true_s, kind="stable")
    first = np.searchsorted(true_s[order], found_s - window_s, side="left")
    last = np.searchsorted(true_s[order], found_s + window_s, side="right")
    columns = np.repeat(np.arange(found_s.size), last - first)
    ranges = [np.arange(begin, end) for begin, end in zip(first, last, strict=True)]
    rows = order[np.concatenate(ranges)] if columns.size else np.zeros(0, dtype=np.int64)
    return rows.astype(np.int64), columns.astype(np.int64)
