"""Velocities as the user wants them. Nothing here changes which of two hits of a drum is the louder one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import piece_of_note
from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.units import MAX_VELOCITY, MIN_VELOCITY

#: Exponents of the curve beyond these leave nothing but the softest or the loudest.
MIN_CURVE, MAX_CURVE = 0.1, 10.0


def fix_velocity(notes: Sequence[DrumNote], velocity: int) -> list[DrumNote]:
    """Give every hit the same velocity.

    Raises
    ------
    OptionError
        The velocity is not 1 to 127.
    """
    _check_velocity(velocity)
    return [replace(note, velocity=velocity) for note in notes]


def scale_velocity(notes: Sequence[DrumNote], softest: int, loudest: int) -> list[DrumNote]:
    """Stretch or squeeze velocities so that the song's softest and loudest hit get the given ones.

    Hits that are all alike are only kept within the range.

    Raises
    ------
    OptionError
        A velocity is not 1 to 127, or the softest is above the loudest.
    """
    _check_velocity(softest)
    _check_velocity(loudest)
    if softest > loudest:
        raise OptionError(f"a velocity range from {softest} to {loudest} runs backwards; give the softest first")
    played = [note.velocity for note in notes]
    if len(set(played)) < 2:
        return _mapped(notes, lambda velocity: np.clip(velocity, softest, loudest))
    ends = min(played), max(played)
    return _mapped(notes, lambda velocity: np.interp(velocity, ends, (softest, loudest)))


def bend_velocity(notes: Sequence[DrumNote], exponent: float) -> list[DrumNote]:
    """Bend velocities by ``127 * (velocity / 127) ** exponent``.

    Parameters
    ----------
    notes : sequence of DrumNote
    exponent : float
        Below 1 lifts soft hits, above 1 lowers them; 0.1 to 10.

    Raises
    ------
    OptionError
        The exponent is out of range.
    """
    if not MIN_CURVE <= exponent <= MAX_CURVE:
        raise OptionError(f"a velocity curve of {exponent:g} is out of range; give {MIN_CURVE:g} to {MAX_CURVE:g}")
    return _mapped(notes, lambda velocity: MAX_VELOCITY * (velocity / MAX_VELOCITY) ** exponent)


def match_velocity(notes: Sequence[DrumNote], model: Iterable[tuple[int, int]]) -> list[DrumNote]:
    """Give each drum the distribution of velocities that it has in another performance.

    Quantiles are mapped to quantiles. A drum that the other performance lacks takes the distribution of all its drums.

    Parameters
    ----------
    notes : sequence of DrumNote
    model : iterable of (note, velocity)
        The other performance.

    Raises
    ------
    OptionError
        The other performance has no notes.
    """
    wanted: dict[str, list[int]] = defaultdict(list)
    for note, velocity in model:
        wanted[_drum(note)].append(velocity)
    if not wanted:
        raise OptionError("the performance to match velocities with has no notes; name another one")
    everything = [velocity for velocities in wanted.values() for velocity in velocities]
    tables = {
        drum: _quantile_table(played, wanted.get(drum, everything))
        for drum, played in _velocities_by_drum(notes).items()
    }
    return [replace(note, velocity=int(tables[_drum(note.note)][note.velocity])) for note in notes]


def _velocities_by_drum(notes: Sequence[DrumNote]) -> dict[str, NDArray[np.int64]]:
    """Rising."""
    played: dict[str, list[int]] = defaultdict(list)
    for note in notes:
        played[_drum(note.note)].append(note.velocity)
    return {drum: np.sort(velocities) for drum, velocities in played.items()}


def _quantile_table(played: NDArray[np.int64], goal: Sequence[int]) -> NDArray[np.int64]:
    """New velocity by old one, [128]: the middle rank of each old velocity decides."""
    every = np.arange(MAX_VELOCITY + 1)
    rank = (np.searchsorted(played, every, "left") + np.searchsorted(played, every, "right")) / (2 * len(played))
    # Of the ways to read quantiles, the one for middle ranks: a part that is matched with itself stays as it is.
    return np.rint(np.quantile(goal, np.clip(rank, 0.0, 1.0), method="hazen")).astype(np.int64)


def _drum(note: int) -> str:
    """What counts as one drum: a piece, or a note that no piece stands for."""
    piece = piece_of_note(note)
    return piece.key if piece is not None else str(note)


def _mapped(notes: Sequence[DrumNote], rule: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> list[DrumNote]:
    """Notes with velocities by a rule that never falls."""
    bent = rule(np.array([note.velocity for note in notes], dtype=np.float64))
    whole = np.clip(np.rint(bent), MIN_VELOCITY, MAX_VELOCITY).astype(np.int64)
    return [replace(note, velocity=int(velocity)) for note, velocity in zip(notes, whole, strict=True)]


def _check_velocity(velocity: int) -> None:
    if not MIN_VELOCITY <= velocity <= MAX_VELOCITY:
        raise OptionError(f"a velocity of {velocity} is out of range; give {MIN_VELOCITY} to {MAX_VELOCITY}")
