"""Moving hits to the grid as musicians mean it: what is played together stays together, and nothing is lost.

Every hit belongs to the cell of one grid line, half-way to its neighbours. In each cell the hit of a drum that is
nearest to the line goes there; grace notes and flams just beside it go with it, unchanged; whatever else the drum plays
in that cell (a roll faster than the grid) is squeezed with the cell, between borders that stay where they are. So two
hits of one drum never meet, their order stays, nothing moves by more than half the way between two lines, and a second
pass changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES_BY_KEY, family_of_note
from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_roll import TIME_KEEPERS, row_of_note
from mix2midi.postprocess.beats import Beats
from mix2midi.postprocess.cells import Roles, assign_roles, move
from mix2midi.postprocess.lines import AUTO, GRID_STEPS, STRAIGHT, SWUNG_STEP, Swing, choose_grids, song_lines
from mix2midi.postprocess.swing import MAX_SWING, MIN_SWING, estimate_swing

#: A softer hit of the same drum this close to a louder one is its grace note.
FLAM_S = 0.045
#: Strokes of drags and ruffs are up to this far apart, and softer than the hit that they lead to by this at least.
RUFF_S, GRACE_SHARE = 0.06, 0.75
#: Hits of different drums this close are played together.
TOGETHER_S = 0.025
#: A hit this much before a bar line, in quarters, belongs to the bar that begins there.
EARLY = 0.1
_HAT = PIECES_BY_KEY["closed_hat"].note
#: Positions this close, in quarters, are the same.
SAME = 1e-6
#: Rounds in which grid and swing settle; two are the rule.
ROUNDS = 8
#: Where they do not, they are looked for again from the hits on this one.
FINEST_GRID = "1/32"


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """How to quantise.

    Attributes
    ----------
    grid : str
        A key of `mix2midi.postprocess.lines.GRID_STEPS`, such as ``"1/16"``, ``"1/8t"`` (triplets) or ``"1/8d"``
        (dotted), or ``"auto"``: per bar the coarsest one that explains the hits.
    strength : float
        0 to 100: how much of the way to the grid.
    swing : float or str
        Where every second line lies between its neighbours, 50 (straight) to 75; ``"auto"`` reads it from the hits.
    keep_flams : bool
        Grace notes keep their distance to the main hit. Otherwise they are hits like others.

    Raises
    ------
    OptionError
        A value is not known or out of range.
    """

    grid: str = AUTO
    strength: float = 100.0
    swing: float | str = MIN_SWING
    keep_flams: bool = True

    def __post_init__(self) -> None:
        if self.grid != AUTO and self.grid not in GRID_STEPS:
            raise OptionError(f"grid {self.grid!r} is not known; choose one of {', '.join(GRID_STEPS)}, {AUTO}")
        if not 0.0 <= self.strength <= 100.0:
            raise OptionError(f"a strength of {self.strength:g} is out of range; give 0 to 100")
        if isinstance(self.swing, str) and self.swing != AUTO:
            raise OptionError(f"swing {self.swing!r} is not known; give 50 (straight) to 75, or {AUTO}")
        if not isinstance(self.swing, str) and not MIN_SWING <= self.swing <= MAX_SWING:
            raise OptionError(f"a swing of {self.swing:g} is out of range; give 50 (straight) to 75, or {AUTO}")
        if self.swing not in (MIN_SWING, AUTO) and self.grid != AUTO and self.grid not in SWUNG_STEP:
            raise OptionError(f"a grid of {self.grid} cannot swing; choose one of {', '.join(SWUNG_STEP)}, {AUTO}")


@dataclass(frozen=True)
class Quantized:
    """Hits on the grid, and what the grid was.

    Attributes
    ----------
    notes : list of DrumNote
        In order of onset; as many as before.
    bars_by_grid : dict
        Number of bars with hits that got each grid.
    swing : Swing
        What hats and rides were moved to.
    between_lines : int
        Hits that found no line: the drum plays faster than the grid, or what was played together wants different ones.
        All of them where no grid explains the performance.
    """

    notes: list[DrumNote]
    bars_by_grid: dict[str, int]
    swing: Swing
    between_lines: int = 0


@dataclass(frozen=True)
class _Plan:
    """A grid for every bar, and how time keepers and the other drums swing."""

    grids: list[str]
    swing: Swing
    swing_of_others: Swing


@dataclass(frozen=True)
class _Part:
    """The hits as arrays, in order of onset; positions are in quarters from the first downbeat.

    A drum is a note, but a closed, a pedalled and an open hat are one drum: it cannot be two of them at a time.
    """

    quarters: NDArray[np.float64]
    quarter_s: NDArray[np.float64]
    drum: NDArray[np.int64]
    velocity: NDArray[np.float64]
    keeps_time: NDArray[np.bool_]
    start: float
    first_bar: int
    bars: int
    bar_quarters: float

    @property
    def in_bar(self) -> NDArray[np.float64]:
        """Positions in the bar, in which pairs of swung notes begin anew; early hits of the next one are below 0."""
        return (self.quarters + EARLY) % self.bar_quarters - EARLY


def quantize(notes: Sequence[DrumNote], beats: Beats, options: QuantizeOptions | None = None) -> Quantized:
    """Move hits towards the song's own grid.

    Parameters
    ----------
    notes : sequence of DrumNote
        In order of onset; not changed.
    beats : Beats
        The song's beats, whatever tempo map the file gets.
    options : QuantizeOptions, optional

    Returns
    -------
    Quantized
    """
    options = options or QuantizeOptions()
    if not notes:
        return Quantized([], {}, STRAIGHT)
    part = _part_of(notes, beats)
    settled = _settle(part, options)
    if settled is None:
        return Quantized(list(notes), {}, STRAIGHT, len(notes))
    plan, moved = settled
    between = int(_snap(replace(part, quarters=moved), plan, options)[1].sum())
    target_s = np.maximum(beats.seconds(moved), 0.0)
    onset_s = np.array([note.onset_s for note in notes])
    # Hits that stay keep their time to the last bit.
    target_s = np.where(np.abs(moved - part.quarters) < SAME, onset_s, target_s)
    # Rounding may carry a hit that goes to 0 s a hair beyond it.
    onset_s = np.maximum(onset_s + (target_s - onset_s) * options.strength / 100.0, 0.0)
    placed = [replace(note, onset_s=float(time_s)) for note, time_s in zip(notes, onset_s, strict=True)]
    played = np.unique(((moved + SAME) // part.bar_quarters).astype(np.int64)) - part.first_bar
    return Quantized(sorted(placed), dict(Counter(plan.grids[bar] for bar in played)), plan.swing, between)


def _part_of(notes: Sequence[DrumNote], beats: Beats) -> _Part:
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    quarters = beats.quarters(onset_s)
    bar_quarters = float(beats.signature.bar_quarters)
    # One bar more on either side, so that every hit has a line before and after it.
    first_bar = int(np.floor(quarters.min() / bar_quarters)) - 1
    rows = np.array([row_of_note(note.note) for note in notes])
    return _Part(
        quarters=quarters,
        quarter_s=beats.seconds(quarters + 0.5) - beats.seconds(quarters - 0.5),
        drum=np.array([_drum_of(note.note) for note in notes]),
        velocity=np.array([note.velocity for note in notes], dtype=np.float64),
        keeps_time=np.isin(rows, TIME_KEEPERS),
        start=float(beats.quarters(np.zeros(1))[0]),
        first_bar=first_bar,
        bars=int(np.ceil(quarters.max() / bar_quarters)) + 1 - first_bar,
        bar_quarters=bar_quarters,
    )


def _drum_of(note: int) -> int:
    return _HAT if family_of_note(note) == "hats" else note


def _settle(part: _Part, options: QuantizeOptions) -> tuple[_Plan, NDArray[np.float64]] | None:
    """Choose a grid and move the hits to it, until choosing again from the moved hits moves none of them.

    Hits on a grid may be explained by a coarser one, or by a little other swing, that some of them were just too far
    from. Only a result that explains itself is taken, so a second pass finds it again. Where one would carry a hit
    further than half a step, straight grids are tried as the start, the finest and the one that is asked for; where
    they fail as well (about 1 in 1000 performances of random hits), there is no result, and the hits are to stay.
    """
    found = _rest(part, part.quarters, options)
    for grid in (FINEST_GRID, options.grid):
        if found is None and grid != AUTO:
            start, _ = _snap(part, _Plan([grid] * part.bars, STRAIGHT, STRAIGHT), options)
            found = _rest(part, start, options)
    return found


def _rest(
    part: _Part, moved: NDArray[np.float64], options: QuantizeOptions
) -> tuple[_Plan, NDArray[np.float64]] | None:
    """Where hits that start at given positions come to rest; None if nowhere, or too far away."""
    for _ in range(ROUNDS):
        settled = replace(part, quarters=moved)
        plan = _make_plan(settled, options)
        before, (moved, _) = moved, _snap(settled, plan, options)
        if np.abs(moved - before).max() < SAME:
            lines = song_lines(plan.grids, part.first_bar, part.bar_quarters, plan.swing)
            far = np.abs(moved - part.quarters).max() > np.diff(lines).max() / 2 + SAME
            return None if far else (plan, before)
    return None


def _make_plan(part: _Part, options: QuantizeOptions) -> _Plan:
    """Read from the hits what the options leave open."""
    swing, others = _swings(part, options)
    if options.grid != AUTO:
        return _Plan([options.grid] * part.bars, swing, others)
    chosen = choose_grids(part.quarters, part.quarter_s, part.first_bar, part.bars, part.bar_quarters, swing)
    return _Plan(chosen, swing, others)


def _swings(part: _Part, options: QuantizeOptions) -> tuple[Swing, Swing]:
    """Swing of the time keepers and of the other drums; grace notes, which are aimed at no line, say nothing of it."""
    step = SWUNG_STEP.get(options.grid)
    is_aimed = ~_are_graces(part)
    if not isinstance(options.swing, str):
        # Which notes swing is the grid's to say; only where it is left open is it read from the hits.
        if step is None:
            step = (estimate_swing(part.in_bar[is_aimed], part.quarter_s[is_aimed]) or STRAIGHT).step
        given = Swing(options.swing, step)
        return given, given
    if options.grid != AUTO and step is None:
        return STRAIGHT, STRAIGHT
    # A grid of sixteenths serves swung eighths as well, but not the other way round.
    only_step = step if options.grid == "1/8" else None
    heard = estimate_swing(part.in_bar[is_aimed], part.quarter_s[is_aimed], only_step) or STRAIGHT
    keepers, others = (
        estimate_swing(part.in_bar[mask], part.quarter_s[mask], heard.step)
        for mask in (is_aimed & part.keeps_time, is_aimed & ~part.keeps_time)
    )
    swing = keepers or others or heard
    return swing, others or swing


def _are_graces(part: _Part) -> NDArray[np.bool_]:
    """Whether a hit leads to a louder one of the same drum, as in flams, drags and ruffs; hats and rides play none."""
    is_grace = np.zeros(len(part.quarters), dtype=np.bool_)
    for drum in np.unique(part.drum[~part.keeps_time]):
        hits = np.flatnonzero(part.drum == drum)
        is_near = np.diff(part.quarters[hits]) * part.quarter_s[hits[:-1]] < RUFF_S
        group = np.concatenate([[0], np.cumsum(~is_near)])
        last = hits[np.searchsorted(group, group, side="right") - 1]
        is_grace[hits] = part.velocity[hits] < GRACE_SHARE * part.velocity[last]
    return is_grace


def _snap(part: _Part, plan: _Plan, options: QuantizeOptions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Position of every hit on the plan's grid, in quarters, and which hits found no line."""
    roles: list[tuple[NDArray[np.int64], Roles]] = []
    for keeps_time, swing in ((True, plan.swing), (False, plan.swing_of_others)):
        lines = song_lines(plan.grids, part.first_bar, part.bar_quarters, swing)
        for drum in np.unique(part.drum[part.keeps_time == keeps_time]):
            hits = np.flatnonzero((part.drum == drum) & (part.keeps_time == keeps_time))
            reach = FLAM_S / part.quarter_s[hits] if options.keep_flams else np.zeros(len(hits))
            roles.append((hits, assign_roles(part.quarters[hits], part.velocity[hits], lines, reach, part.start)))
    target, between = _targets(part, roles)
    moved = part.quarters.copy()
    for hits, role in roles:
        moved[hits] = move(role, target[hits])
    return moved, between


@dataclass(frozen=True)
class _Taker:
    """A hit that takes a line, or finds it taken.

    Attributes
    ----------
    hit : int
        Its index in the part.
    line, low, high : float
        Its line and the borders of its cell, in quarters.
    first, last : float
        Offset of its first and last grace note, or 0.
    is_loose : bool
        Another hit of the drum has the line.
    """

    hit: int
    line: float
    low: float
    high: float
    first: float
    last: float
    is_loose: bool

    def may_go(self, position: float, target: float) -> bool:
        """Whether a target keeps it, and its grace notes, inside the cell, and moves it by no more than half of it."""
        inside = self.low < target + self.first and target + self.last < self.high
        return inside and abs(target - position) <= (self.high - self.low) / 2


def _takers(part: _Part, roles: list[tuple[NDArray[np.int64], Roles]]) -> list[_Taker]:
    """All hits but grace notes, of all drums, in order of time."""
    takers = []
    for hits, role in roles:
        for index in np.flatnonzero((role.leader == np.arange(len(hits))) | (role.leader < 0)):
            block = role.position[role.leader == index] - role.position[index]
            cell = int(role.cell[index])
            first, last = (float(block[0]), float(block[-1])) if len(block) else (0.0, 0.0)
            line, (low, high), is_loose = float(role.lines[cell]), role.edges(cell), not len(block)
            takers.append(_Taker(int(hits[index]), line, low, high, first, last, is_loose))
    return sorted(takers, key=lambda taker: part.quarters[taker.hit])


def _targets(
    part: _Part, roles: list[tuple[NDArray[np.int64], Roles]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where the hits that take a line go (other entries mean nothing), and which hits found no line.

    What was played together shall stay together. A drum that is played with a hat goes to the hat's line, if it swings
    and that is within reach. Where hits half-way between two lines would be torn apart, all of them stay where they
    are: neither line is right for them. So does one that would leave a hit whose line is taken.
    """
    target, between = part.quarters.copy(), np.zeros(len(part.quarters), dtype=np.bool_)
    for chord in _chords(part, _takers(part, roles)):
        loose = [taker.hit for taker in chord if taker.is_loose]
        together = [taker for taker in chord if not taker.is_loose]
        between[loose] = True
        if together:
            _aim(part, together, bool(loose), target, between)
    return target, between


def _aim(
    part: _Part,
    together: list[_Taker],
    has_loose: bool,
    target: NDArray[np.float64],
    between: NDArray[np.bool_],
) -> None:
    """Set where hits that were played together go, and whether that is no line."""
    chord = [taker.hit for taker in together]
    target[chord] = [taker.line for taker in together]
    keepers = [taker for taker in together if part.keeps_time[taker.hit]]
    for taker in together:
        position = float(part.quarters[taker.hit])
        if keepers and abs(position - taker.line) > SAME and taker.may_go(position, keepers[0].line):
            target[taker.hit] = keepers[0].line
    window = _window(part, together[0])
    moves = np.abs(target[chord] - part.quarters[chord])
    if np.ptp(target[chord]) > window or (has_loose and moves.max() > window):
        target[chord] = part.quarters[chord]
        between[chord] = moves > SAME


def _chords(part: _Part, takers: list[_Taker]) -> list[list[_Taker]]:
    """Runs of hits of different drums, each close to the one before."""
    chords: list[list[_Taker]] = []
    for taker in takers:
        before = chords[-1][-1] if chords else None
        if before is not None and part.drum[before.hit] != part.drum[taker.hit]:
            distance = part.quarters[taker.hit] - part.quarters[before.hit]
            if distance <= min(_window(part, before), _window(part, taker)):
                chords[-1].append(taker)
                continue
        chords.append([taker])
    return chords


def _window(part: _Part, taker: _Taker) -> float:
    """How close to a hit others are played together with it, in quarters: never more than half-way to its border."""
    return min(TOGETHER_S / float(part.quarter_s[taker.hit]), (taker.high - taker.low) / 4)
