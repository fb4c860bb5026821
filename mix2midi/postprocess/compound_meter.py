"""Bars of six eighths that were heard as something else, told by their backbeat.

From about 170 eighths a minute on the network hears dotted quarters or every second eighth as beats, and the decoder
makes bars of three or four of them: bar lines right and the note values wrong, or all of it. Kick on one and snare on
four of six eighths is what 6/8 and 12/8 have and no other meter has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_roll import row_of_note
from mix2midi.postprocess.metrical_level import KICK, LOUD_SHARE, SNARE, is_hit, tempo_of

#: Eighths in a bar, and where the backbeat is.
EIGHTHS, BACKBEAT = 6, 3
#: Dotted quarters per minute. Slower ones the decoder counts in eighths itself.
MIN_PULSE_BPM, MAX_PULSE_BPM = 48.0, 120.0
#: Least shares of the bars with a kick on one and a snare on four, and how much rarer a snare is anywhere else.
MIN_KICKS, MIN_SNARES, SNARE_RATIO = 0.5, 0.6, 2.0
#: Fewer bars say nothing.
MIN_BARS = 4


def hear_six_eighths(
    times_s: NDArray[np.float64], notes: Sequence[DrumNote], eighths_per_beat: Sequence[int] = (1, 2)
) -> tuple[NDArray[np.float64], int | None]:
    """Eighths of 6/8 in the place of beats of another meter.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Beats as decoded, at least two.
    notes : sequence of DrumNote
        In order of onset.
    eighths_per_beat : sequence of int
        How many eighths a decoded beat may be.

    Returns
    -------
    times_s : ndarray [shape=(eighths,)]
    first : int or None
        Which of the eighths begins a bar of six; None where this is no 6/8, with the beats as they were.
    """
    for eighths in eighths_per_beat:
        number = np.arange((len(times_s) - 1) * eighths + 1)
        eighths_s = np.interp(number / eighths, np.arange(len(times_s)), times_s)
        if MIN_PULSE_BPM <= tempo_of(eighths_s) / BACKBEAT <= MAX_PULSE_BPM:
            first = _find_one(eighths_s, notes)
            if first is not None:
                return eighths_s, first
    return times_s, None


def _find_one(eighths_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> int | None:
    """Which of the first six eighths begins a bar of 6/8; None where none does."""
    loud = LOUD_SHARE * np.percentile([note.velocity for note in notes], 90)
    kick, snare = (
        _share_of_bars(eighths_s, [n.onset_s for n in notes if row_of_note(n.note) == drum and n.velocity > loud])
        for drum in (KICK, SNARE)
    )
    if kick is None or snare is None:
        return None
    backbeat = int(np.argmax(snare))
    first = (backbeat - BACKBEAT) % EIGHTHS
    is_clear = snare[backbeat] >= MIN_SNARES and snare[backbeat] >= SNARE_RATIO * np.delete(snare, backbeat).max()
    is_answered = kick[first] >= MIN_KICKS and kick[first] > kick[backbeat]
    return first if is_clear and is_answered else None


def _share_of_bars(eighths_s: NDArray[np.float64], onset_s: Sequence[float]) -> NDArray[np.float64] | None:
    """In how many of the bars that are played each of the six eighths is hit [6]; None where there are too few."""
    if not onset_s:
        return None
    first, last = np.searchsorted(eighths_s, [onset_s[0] - 1e-3, onset_s[-1]])
    bars = (last - first) // EIGHTHS
    if bars < MIN_BARS:
        return None
    hit = is_hit(eighths_s, np.asarray(onset_s))[first : first + bars * EIGHTHS]
    return np.roll(hit.reshape(bars, EIGHTHS).mean(axis=0), first)
