"""Whether the beats that were heard in a swung part are its second notes.

Of two swung notes the long one comes first, in every style that swings. The decoder does not know: where the second
notes are played louder, or the first left out, it takes those for beats. Then the part seems to swing the wrong way,
short before long, and by how much says where its beats are. Straight playing says nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_roll import BEAT_FPS, PULSE
from mix2midi.postprocess.beat_smoothing import smooth_beats
from mix2midi.postprocess.lines import STRAIGHT
from mix2midi.postprocess.swing import MAX_SWING, MIN_SWING, RESOLUTION, explain_by_swings

#: How much better short before long must explain a hit than long before short, as a logarithm of the likelihood. In
#: every second groove of the training split of the Groove MIDI Dataset, as played and bent to swing, beats on second
#: notes reach .47, with few exceptions, and true beats .38 at most: those of a samba, whose sixteenths are uneven.
EVIDENCE_PER_HIT = 0.42
#: The decoder may change its mind in the middle of a song: then stretches of this many beats swing both ways. Where
#: none swings the right way, none is moved: straight players hurry for some bars as well.
STRETCH = 32
#: How likely a beat is where none is heard.
UNHEARD = 0.02


def find_long_notes(times_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> NDArray[np.float64] | None:
    """Beats on the first of two swung notes, where those that were heard are on the second.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Beats as decoded, at least two.
    notes : sequence of DrumNote
        In order of onset, at least one.

    Returns
    -------
    ndarray [shape=(beats,)] or None
        Rising; beats of stretches that do not swing the wrong way are as they were. None where all are.
    """
    times_s = smooth_beats(times_s, notes)
    beat_s = np.append(np.diff(times_s), times_s[-1] - times_s[-2])
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    share, _ = _late_shares(times_s, beat_s, onset_s, 2 * len(times_s))
    if not share.any():
        share, swings_right = _late_shares(times_s, beat_s, onset_s, STRETCH)
        share *= swings_right.any()
    return times_s + share * beat_s if share.any() else None


def _late_shares(
    times_s: NDArray[np.float64], beat_s: NDArray[np.float64], onset_s: NDArray[np.float64], stretch: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Judge the stretch of some beats around each beat.

    Returns
    -------
    share : ndarray [shape=(beats,)]
        How much of a beat later the long note is; 0 where nothing says that it is later.
    swings_right : ndarray [shape=(beats,)]
        Whether the long note is clearly on the beat.
    """
    position = np.interp(onset_s, times_s, np.arange(len(times_s)), left=np.nan, right=np.nan)
    position = position[~np.isnan(position)]
    beat = position.astype(np.int64)
    long_first = np.arange(MIN_SWING, MAX_SWING + RESOLUTION / 2, RESOLUTION)
    short_first = 100.0 - long_first[1:]
    scores = []
    for percents in (long_first, short_first):
        hits = explain_by_swings(position, beat_s[beat], percents, STRAIGHT.step)
        scores.append(np.array([_around_beats(row, beat, len(times_s), stretch) for row in hits]))
    counts = _around_beats(np.ones(len(beat)), beat, len(times_s), stretch)
    lead = scores[1].max(axis=0) - scores[0].max(axis=0)
    enough = EVIDENCE_PER_HIT * np.maximum(counts, STRETCH)
    share = np.where(lead > enough, short_first[scores[1].argmax(axis=0)] / 100.0, 0.0)
    return share, lead < -enough


def _around_beats(
    values: NDArray[np.float64], beat: NDArray[np.int64], beats: int, stretch: int
) -> NDArray[np.float64]:
    """Sum of the hits' values over the stretch around each beat."""
    sums = np.append(0.0, np.cumsum(np.bincount(beat, values, beats)))
    start = np.arange(beats) - stretch // 2
    return np.asarray(sums[np.minimum(start + stretch, beats)] - sums[np.maximum(start, 0)], dtype=np.float64)


def move_beats(observations: NDArray[np.float64], times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Likelihoods of beats and downbeats if the beats are at given times; how bars lie on them stays as it was heard.

    Parameters
    ----------
    observations : ndarray [shape=(2, frames)]
        Row 0 counts downbeats as beats.
    times_s : ndarray [shape=(beats,)]
        From the first frame; those outside are left out.
    """
    beat, downbeat = observations
    moved = np.full(len(beat), UNHEARD)
    strength = float(beat.max())
    for offset, share in PULSE:
        frame = np.rint(times_s * BEAT_FPS).astype(np.int64) + offset
        moved[frame[(frame >= 0) & (frame < len(beat))]] = share * strength
    downbeats = np.divide(downbeat, beat, out=np.zeros_like(beat), where=beat > 0)
    return np.stack([moved, moved * downbeats])
