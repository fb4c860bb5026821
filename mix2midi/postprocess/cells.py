"""Who goes to which grid line: the arithmetic of quantising one drum.

Every hit lies in the cell of its nearest line. One that is close to a louder hit is its grace note; of the others in a
cell the one nearest to the line takes it, and the rest stay between the lines. Positions are in quarter notes; the
loudest of equals is the later one, as flams end on their main hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Grace notes stay this much of a half cell away from the border of their main hit's cell.
INSIDE = 0.98


@dataclass(frozen=True)
class Roles:
    """What each hit of one drum is.

    Attributes
    ----------
    position : ndarray [shape=(hits,), float64]
        Rising.
    cell : ndarray [shape=(hits,), int64]
        Number of the nearest line.
    leader : ndarray [shape=(hits,), int64]
        Index of the hit that it moves with: itself for one that takes a line, -1 for one that stays between lines.
    lines, borders : ndarray
        ``borders[i]`` lies between ``lines[i]`` and ``lines[i + 1]``.
    start : float
        Position of the start of the song; nothing goes before it.
    """

    position: NDArray[np.float64]
    cell: NDArray[np.int64]
    leader: NDArray[np.int64]
    lines: NDArray[np.float64]
    borders: NDArray[np.float64]
    start: float = -np.inf

    @property
    def takers(self) -> NDArray[np.int64]:
        """Indices of the hits that take a line."""
        return np.flatnonzero(self.leader == np.arange(len(self.leader)))

    def edges(self, cell: int) -> tuple[float, float]:
        """Borders of a cell."""
        return float(self.borders[cell - 1]), float(self.borders[cell])


def assign_roles(
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    lines: NDArray[np.float64],
    reach: NDArray[np.float64],
    start: float = -np.inf,
) -> Roles:
    """Decide what each hit of one drum is.

    Parameters
    ----------
    position, velocity : ndarray [shape=(hits,)]
        Rising positions in quarters, well inside the first and last line.
    lines : ndarray [shape=(lines,)]
        Rising.
    reach : ndarray [shape=(hits,)]
        How far from each hit softer ones are its grace notes, in quarters; 0 for never.
    start : float
        Position of the start of the song.

    Returns
    -------
    Roles
    """
    borders = (lines[1:] + lines[:-1]) / 2
    cell = np.searchsorted(borders, position, side="right")
    low, high = lines[cell] - borders[cell - 1], borders[cell] - lines[cell]
    before, after = np.minimum(reach, INSIDE * low), np.minimum(reach, INSIDE * high)
    leader = np.full(len(position), -1, dtype=np.int64)
    taken: set[int] = set()
    while True:
        main = _main_hits(position, velocity, before, after, leader)
        best: dict[int, int] = {}
        for hit in np.unique(main[main >= 0])[::-1]:  # of equals the later one
            place = int(cell[hit])
            distance = abs(position[hit] - lines[place])
            if place not in taken and (place not in best or distance < abs(position[best[place]] - lines[place])):
                best[place] = int(hit)
        if not best:
            return Roles(position, cell, leader, lines, borders, start)
        # What is left may still take a line: the grace note of a hit that lost its own, say.
        taken.update(best)
        leader = np.where(np.isin(main, list(best.values())), main, leader)


def _main_hits(
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    leader: NDArray[np.int64],
) -> NDArray[np.int64]:
    """For each hit that has no leader yet the louder one, without leader, that it is a grace note of, or itself."""
    main = np.full(len(position), -1, dtype=np.int64)
    for hit in np.lexsort((np.arange(len(position)), velocity))[::-1]:
        if leader[hit] >= 0 or main[hit] >= 0:
            continue
        first, stop = np.searchsorted(position, [position[hit] - before[hit], position[hit] + after[hit]], side="right")
        near = np.arange(first, stop)
        main[near[(leader[near] < 0) & (main[near] < 0)]] = hit
        main[hit] = hit
    return main


def move(roles: Roles, target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions after the hits that take a line went to their targets.

    Parameters
    ----------
    roles : Roles
    target : ndarray [shape=(hits,)]
        Where each of `roles.takers` goes, inside its cell; other entries are not read.

    Returns
    -------
    ndarray [shape=(hits,)]
        Rising where the input rose: grace notes keep their distance, what lies between lines is squeezed with its cell.
    """
    moved = roles.position.copy()
    for hit in roles.takers:
        block = roles.leader == hit
        first, last = roles.position[block][[0, -1]]
        others = np.flatnonzero((roles.cell == roles.cell[hit]) & (roles.leader < 0))
        crowded = len(others) > 0 and roles.position[others[0]] < first
        shift = _possible_shift(target[hit] - roles.position[hit], first - roles.start, crowded)
        moved[block] = roles.position[block] + shift
        low, high = roles.edges(int(roles.cell[hit]))
        for other in others:
            edge, end = (max(low, roles.start), first) if roles.position[other] < first else (high, last)
            moved[other] = edge + (roles.position[other] - edge) * (end + shift - edge) / (end - edge)
    return moved


def _possible_shift(shift: float, room: float, crowded: bool) -> float:
    """As far towards the line as the start of the song allows; not at all where other hits would be crushed there."""
    if shift + room > 0:
        return shift
    return 0.0 if crowded else -room
