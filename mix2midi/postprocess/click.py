"""Songs played to a click: one tempo from start to end, though the decoder lost the beat in places.

Where a pattern stresses the off-beats or the drums thin out, the decoder slips by half a beat or by a beat or two, and
bends the tempo to get there. The hits tell: those of a song with a click stay on its sixteenths all the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_smoothing import on_whole_tempo
from mix2midi.postprocess.pauses import onsets_that_count

#: A stretch of this many beats on one line shows what the click would be, if they scatter this little around it. Longer
#: ones show it better, up to a length.
STRETCH_BEATS, LONGEST_STRETCH_BEATS, STRETCH_SCATTER_S = 32, 128, 0.006
#: Beats this close to a line of the click, in beats, are on it; this share of a song's beats must be.
ON_LINE, LEAST_ON_LINE = 0.1, 0.5
#: Hits this close to a sixteenth of the click, in sixteenths, are on it (by chance half of them would be); this share
#: must be, in the whole song and, to tell a click from a steady player, in nearly all stretches of `WINDOW_BEATS`.
ON_SIXTEENTH, LEAST_HITS, LEAST_WINDOWS = 0.25, 0.8, 0.9
WINDOW_BEATS, WINDOW_ONSETS = 16, 8
ROUNDS = 4


def follow_click(
    times_s: NDArray[np.float64],
    position: NDArray[np.int64],
    notes: Sequence[DrumNote],
    downbeat_s: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Beats of the click that a song was played to, if it was and the beats leave it; else the beats as they are.

    Parameters
    ----------
    times_s, position : ndarray [shape=(beats,)]
        Smoothed beats, rising, and their positions in the bar.
    notes : sequence of DrumNote
        In order of onset.
    downbeat_s : float, optional
        Where somebody knows a downbeat. One that is not on the click says that there is none.

    Returns
    -------
    times_s, position
        Bars begin on the downbeat that is known, or where most of the beats on the click have them.
    """
    line = _line_of_longest_stretch(times_s)
    if line is None:
        return times_s, position
    beat_s, start_s = line
    for _ in range(ROUNDS):  # what a short stretch leaves open, the beats further away decide
        number = np.rint((times_s - start_s) / beat_s)
        is_on = np.abs((times_s - start_s) / beat_s - number) < ON_LINE
        if is_on.mean() < LEAST_ON_LINE / 2.0:  # nor will it be better with another line
            return times_s, position
        beat_s, start_s = np.polyfit(number[is_on], times_s[is_on], 1)
    if is_on.all() and np.all(np.diff(number) == 1):
        return times_s, position
    if is_on.mean() < LEAST_ON_LINE or not _are_on_sixteenths(onsets_that_count(notes), beat_s, start_s):
        return times_s, position
    numbers = np.arange(int(number[0]), int(number[-1]) + 1, dtype=np.int64)
    count = int(position.max())
    votes = np.bincount((position[is_on] - number[is_on].astype(np.int64)) % count, minlength=count)
    first = int(votes.argmax())
    if downbeat_s is not None:
        known = (downbeat_s - start_s) / beat_s
        if abs(known - round(known)) >= ON_LINE:
            return times_s, position
        first = 1 - round(known)
    click_s = on_whole_tempo(np.asarray(start_s + beat_s * numbers, dtype=np.float64))
    return click_s, (numbers + first - 1) % count + 1


def _line_of_longest_stretch(times_s: NDArray[np.float64]) -> tuple[float, float] | None:
    """Distance and start of the even line that the most beats in a row lie on; None where too few do."""
    longest: NDArray[np.float64] | None = None
    size = STRETCH_BEATS
    start = 0
    while start + size <= len(times_s) and size <= LONGEST_STRETCH_BEATS:
        stretch = times_s[start : start + size]
        line = np.polyfit(np.arange(size), stretch, 1)
        if np.sqrt(np.mean((stretch - np.polyval(line, np.arange(size))) ** 2)) < STRETCH_SCATTER_S:
            longest, size = line, size + 1  # from here on only longer ones are looked for
        else:
            start += 1
    return (float(longest[0]), float(longest[1])) if longest is not None else None


def _are_on_sixteenths(onset_s: NDArray[np.float64], beat_s: float, start_s: float) -> bool:
    if not len(onset_s):  # a song of nothing but percussion
        return False
    sixteenth = (onset_s - start_s) / beat_s * 4.0
    is_on = np.abs(sixteenth - np.rint(sixteenth)) < ON_SIXTEENTH
    window = (sixteenth // (4 * WINDOW_BEATS)).astype(np.int64)
    window -= window.min()
    hits, hits_on = np.bincount(window), np.bincount(window, is_on)
    full = hits >= WINDOW_ONSETS
    if not full.any():
        return False
    return bool(is_on.mean() >= LEAST_HITS and np.mean(hits_on[full] / hits[full] >= LEAST_HITS) >= LEAST_WINDOWS)
