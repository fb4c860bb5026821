"""Grids for quantising: where their lines are, and which of them explains what was played."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

#: Grids by name and the distance of their lines in quarter notes. They begin anew in every bar.
GRID_STEPS: dict[str, Fraction] = {
    "1/4": Fraction(1),
    "1/8": Fraction(1, 2),
    "1/16": Fraction(1, 4),
    "1/32": Fraction(1, 8),
    "1/4t": Fraction(2, 3),
    "1/8t": Fraction(1, 3),
    "1/16t": Fraction(1, 6),
    "1/4d": Fraction(3, 2),
    "1/8d": Fraction(3, 4),
    "1/16d": Fraction(3, 8),
}
AUTO = "auto"
#: Grids that `AUTO` chooses from.
AUTO_GRIDS = ("1/4", "1/8", "1/8t", "1/16", "1/16t", "1/32")
#: Grids whose lines swing, and the pair of notes that does: every second one comes late.
SWUNG_STEP = {"1/8": Fraction(1, 2), "1/16": Fraction(1, 4), "1/32": Fraction(1, 4)}

#: Scatter of human hits around the grid, in seconds.
SCATTER_S = 0.013
#: Share of hits that a grid may leave unexplained, where a bar's grid is chosen: so low that a single sixteenth among
#: eighths asks for sixteenths, for on eighths it would be moved by half a step.
OFF_GRID_SHARE = 1e-4
#: How much the number of lines counts against a grid: 1 if each were aimed at as often, less since they are not.
OCCAM = 0.7


@dataclass(frozen=True, slots=True)
class Swing:
    """Where the second of two equal notes lies between its neighbours.

    Attributes
    ----------
    percent : float
        50 is straight, 66.7 a triplet shuffle, 75 dotted.
    step : Fraction
        Length of the notes in quarters, were they straight: 1/2 for swung eighths, 1/4 for swung sixteenths.
    """

    percent: float = 50.0
    step: Fraction = Fraction(1, 2)

    def bend(self, quarters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Straight positions, in quarters from a bar line, to swung ones."""
        pair = 2.0 * float(self.step)
        number, phase = np.divmod(quarters, pair)
        middle = self.percent / 100.0 * pair
        return number * pair + np.interp(phase, [0.0, pair / 2, pair], [0.0, middle, pair])


STRAIGHT = Swing()


def bar_lines(grid: str, bar_quarters: float, swing: Swing) -> NDArray[np.float64]:
    """Lines of one bar, in quarters from its start, without that of the next bar.

    Swing bends only the grids that have the swung note; quarters, triplets and dotted notes stay as they are.
    """
    step = float(GRID_STEPS[grid])
    lines = np.arange(0.0, bar_quarters - 1e-9, step)
    return swing.bend(lines) if grid in SWUNG_STEP and step <= float(swing.step) + 1e-9 else lines


def song_lines(grids: list[str], first_bar: int, bar_quarters: float, swing: Swing) -> NDArray[np.float64]:
    """Lines of consecutive bars, in quarters from the first downbeat.

    Parameters
    ----------
    grids : list of str
        Grid of each bar.
    first_bar : int
        Number of the first of them; bar 0 begins at the first downbeat.
    bar_quarters : float
        Length of a bar.
    swing : Swing

    Returns
    -------
    ndarray [shape=(lines,)]
        Rising; the last one is the end of the last bar.
    """
    within = {grid: bar_lines(grid, bar_quarters, swing) for grid in set(grids)}
    bars = [(first_bar + number) * bar_quarters + within[grid] for number, grid in enumerate(grids)]
    return np.concatenate([*bars, [(first_bar + len(grids)) * bar_quarters]])


def explain(
    phase: NDArray[np.float64], scatter: NDArray[np.float64], lines: NDArray[np.float64], period: float
) -> NDArray[np.float64]:
    """Logarithm of the likelihood of each hit, up to a constant, if the lines were what was aimed at.

    Parameters
    ----------
    phase, scatter : ndarray [shape=(hits,)]
        Position within the period and its standard deviation, in quarters.
    lines : ndarray [shape=(lines,)]
        Lines within a period.
    period : float
        Length after which they repeat, in quarters.

    Returns
    -------
    ndarray [shape=(hits,)]
        Fewer lines explain a hit that they are near to better: that is what makes the coarsest grid win.
    """
    distance = np.abs(phase[:, None] - np.append(lines, period)[None, :]).min(axis=1)
    normal = np.exp(-0.5 * (distance / scatter) ** 2) / (scatter * np.sqrt(2.0 * np.pi))
    return np.log((1.0 - OFF_GRID_SHARE) * normal / len(lines) ** OCCAM + OFF_GRID_SHARE / period)


def choose_grids(
    quarters: NDArray[np.float64],
    quarter_s: NDArray[np.float64],
    first_bar: int,
    bars: int,
    bar_quarters: float,
    swing: Swing,
) -> list[str]:
    """For each bar the coarsest grid that explains its hits.

    Parameters
    ----------
    quarters, quarter_s : ndarray [shape=(hits,)]
        Position of each hit from the first downbeat, and the length of a quarter note there in seconds.
    first_bar, bars : int
        Number of the first bar, and how many there are; all hits lie in them.
    bar_quarters : float
        Length of a bar.
    swing : Swing

    Returns
    -------
    list of str
        Keys of `GRID_STEPS`, one per bar; quarters for a bar without hits.
    """
    number, phase = np.divmod(quarters, bar_quarters)
    bar = number.astype(np.int64) - first_bar
    scatter = SCATTER_S / quarter_s
    lines = [bar_lines(grid, bar_quarters, swing) for grid in AUTO_GRIDS]
    scores = [np.bincount(bar, explain(phase, scatter, each, bar_quarters), bars) for each in lines]
    return [AUTO_GRIDS[best] for best in np.argmax(scores, axis=0)]
