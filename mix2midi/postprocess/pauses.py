"""Where the drums pause the beat goes on: as fast as around the pause, whatever the decoder made of the silence.

To the decoder every beat that nobody plays is a little unlikely, so in a pause it finds fewer of them and slows down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_roll import ROWS, row_of_note
from mix2midi.postprocess.metrical_level import SAME_ONSET_S

#: A beat is heard if at least this many onsets lie within this many beats before and after it. Fewer beats than that
#: without hits, at the start or the end, are no pause.
LEAST_ONSETS, REACH_BEATS = 4, 4
#: A hit this close to a beat, in beats, is on it.
ON_BEAT = 0.1
#: Beats beside a pause that say how fast it goes on.
TEMPO_BEATS = 16
#: Tempos before and after a pause that differ by more are two, and a pause that does not hold whole bars at nearly
#: their tempo is left as it was decoded.
SAME_TEMPO, NEARLY = 0.02, 0.04
#: What is to say something about the rest must be this many beats.
LEAST_HEARD = 8


def keep_time_in_pauses(
    times_s: NDArray[np.float64],
    position: NDArray[np.int64],
    notes: Sequence[DrumNote],
    downbeat_s: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lay even beats into pauses, and leave out those before the drums enter and after they end.

    Parameters
    ----------
    times_s, position : ndarray [shape=(beats,)]
        Beats as decoded, rising, and their positions in the bar.
    notes : sequence of DrumNote
        In order of onset.
    downbeat_s : float, optional
        Where somebody knows a downbeat: that beat counts as played, and in a pause it lies right there.

    Returns
    -------
    times_s, position
        Beats from the first to the last that is heard; the input where hardly any are.
    """
    onset_s = onsets_that_count(notes)
    is_heard = _is_heard(times_s, onset_s)
    played = _played(times_s, onset_s)
    played = played[is_heard[played]]
    if len(played) < LEAST_HEARD:
        return times_s, position
    known = None
    if downbeat_s is not None:
        nearest = int(np.argmin(np.abs(times_s - downbeat_s)))
        played = np.union1d(played, nearest)
        is_near = abs(times_s[nearest] - downbeat_s) < np.median(np.diff(times_s)) / 2.0
        if is_near and position[nearest] == 1 and not is_heard[nearest]:
            known = nearest
            times_s = times_s.copy()
            times_s[known] = downbeat_s
    count, end = int(position.max()), len(times_s) - 1
    first = int(played[0]) if played[0] > REACH_BEATS or played[0] == known else 0
    last = int(played[-1]) if played[-1] < end - REACH_BEATS else end
    kept_s, start = [], first
    for before, after in zip(played[:-1], played[1:], strict=True):
        if is_heard[before:after].all():
            continue
        beats = _beats_of_pause(times_s, int(before), int(after), count, known)
        if beats:
            kept_s += [times_s[start:before], np.linspace(times_s[before], times_s[after], beats, endpoint=False)]
            start = int(after)
    whole_s = np.concatenate([*kept_s, times_s[start : last + 1]])
    return whole_s, (int(position[first]) - 1 + np.arange(len(whole_s))) % count + 1


def onsets_that_count(notes: Sequence[DrumNote]) -> NDArray[np.float64]:
    """Onsets of the drums, drums together as one; without percussion, which is heard wrongly where drums are silent."""
    onset_s = np.array([note.onset_s for note in notes if row_of_note(note.note) < len(ROWS) - 1], dtype=np.float64)
    return onset_s[np.diff(onset_s, prepend=-np.inf) > SAME_ONSET_S]


def _is_heard(times_s: NDArray[np.float64], onset_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    reach_s = REACH_BEATS * np.median(np.diff(times_s))
    before, after = (np.searchsorted(onset_s, times_s + side_s) for side_s in (-reach_s, reach_s))
    return np.asarray(after - before >= LEAST_ONSETS)


def _played(times_s: NDArray[np.float64], onset_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers of the beats with a hit on them."""
    number = np.interp(onset_s, times_s, np.arange(len(times_s)), left=np.nan, right=np.nan)
    number = number[~np.isnan(number)]
    nearest = np.rint(number).astype(np.int64)
    return np.unique(nearest[np.abs(number - nearest) < ON_BEAT])


def _beats_of_pause(
    times_s: NDArray[np.float64], before: int, after: int, beats_per_bar: int, known: int | None
) -> int:
    """How many beats a pause between two played beats has at the tempo around it; 0 where that cannot be said.

    Around a beat that is known and not heard nobody plays, so the tempo there says nothing.
    """
    sides = times_s[max(0, before - TEMPO_BEATS) : before + 1], times_s[after : after + TEMPO_BEATS + 1]
    heard = [side for beat, side in zip((before, after), sides, strict=True) if beat != known]
    if min(map(len, heard)) <= LEAST_HEARD:
        return 0
    beats_s = [float(np.median(np.diff(side))) for side in heard]
    beat_s = sum(beats_s) / len(beats_s)
    if max(beats_s) - min(beats_s) > SAME_TEMPO * beat_s:
        return 0
    length = float(times_s[after] - times_s[before]) / beat_s
    decoded = after - before
    beats = decoded + beats_per_bar * round((length - decoded) / beats_per_bar)  # bars stay whole
    return beats if beats > 0 and abs(beats / length - 1.0) <= NEARLY else 0
