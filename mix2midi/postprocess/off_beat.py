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
from mix2midi.postprocess.beat_roll import BEAT_FPS
from mix2midi.postprocess.beat_smoothing import smooth_beats
from mix2midi.postprocess.lines import STRAIGHT
from mix2midi.postprocess.swing import MAX_SWING, MIN_SWING, RESOLUTION, score_swings

#: How much better short before long must explain a hit than long before short, as a logarithm of the likelihood. In the
#: training split of the Groove MIDI Dataset beats on second notes reach .47 and more, except where a part swings too
#: little to tell, and true beats .38 at most: those of a samba, whose sixteenths are uneven.
EVIDENCE_PER_HIT = 0.42
#: How likely a beat is where none is heard.
UNHEARD = 0.02
#: Likelihood of a beat on its frame and on the two around it, as the network was taught.
PULSE = ((-1, 0.5), (1, 0.5), (0, 1.0))


def find_long_notes(times_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> NDArray[np.float64] | None:
    """Beats on the first of two swung notes, if those that were heard are on the second.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Beats as decoded, at least two.
    notes : sequence of DrumNote
        In order of onset, at least one.

    Returns
    -------
    ndarray [shape=(beats + 1,)] or None
        Rising; the first one is before the first of `times_s`. None where nothing says so.
    """
    times_s = smooth_beats(times_s, notes)
    beat_s = np.diff(times_s)
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    position = np.interp(onset_s, times_s, np.arange(len(times_s)), left=np.nan, right=np.nan)
    position = position[~np.isnan(position)]
    length_s = beat_s[np.minimum(position.astype(np.int64), len(beat_s) - 1)]
    long_first = np.arange(MIN_SWING, MAX_SWING + RESOLUTION / 2, RESOLUTION)
    short_first = 100.0 - long_first[1:]
    score_long, score_short = (
        score_swings(position, length_s, percents, STRAIGHT.step) for percents in (long_first, short_first)
    )
    if score_short.max() <= score_long.max() + EVIDENCE_PER_HIT * max(1, len(position)):
        return None
    share = short_first[np.argmax(score_short)] / 100.0
    first_s = times_s[0] - (1.0 - share) * beat_s[0]
    return np.concatenate([[first_s], times_s[:-1] + share * beat_s, [times_s[-1] + share * beat_s[-1]]])


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
    share = np.divide(downbeat, beat, out=np.zeros_like(beat), where=beat > 0)
    return np.stack([moved, moved * share])
