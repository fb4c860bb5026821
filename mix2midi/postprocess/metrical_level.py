"""Whether a song's tempo is half or double, and its bar one of threes: what the decoder of beats cannot know.

It weighs frames, and a network that takes eighths for beats does so on every frame; that is one mistake, but it counts
as hundreds. So these two are decided once for the whole song: the level from how common the tempo is and from the
backbeat, threes from the pattern's repeating itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_roll import ROWS, row_of_note

#: Tempos of drum parts, in counted beats per minute: the mean of their logarithm, and its standard deviation. They and
#: the next constant are the most likely ones for 260 grooves of the training split of the Groove MIDI Dataset.
COMMON_BPM, TEMPO_SPREAD = 106.5, 0.247
#: How much a perfect backbeat (snare on every other beat, kick on the others) speaks for a level: log odds.
BACKBEAT_ODDS = 2.9
#: Bars of threes are believed if the pattern repeats after three or six beats better than after four by this share of
#: hits and rests. Training grooves in threes do by .07 and more; most others taken for threes by .02 at most.
THREES_MARGIN = 0.04
#: A shorter song repeats too little to contradict the decoder.
MIN_BEATS_TO_REPEAT = 16
#: A hit this close to a beat is on it.
ON_BEAT_S = 0.05

_KICK, _SNARE = list(ROWS).index("kick"), list(ROWS).index("snare")


def likely_level(times_s: NDArray[np.float64], position: NDArray[np.int64], notes: Sequence[DrumNote]) -> float:
    """By how much the tempo of decoded beats should be multiplied.

    Parameters
    ----------
    times_s, position : ndarray [shape=(beats,)]
        Beats as decoded, at least four, and their positions in the bar.
    notes : sequence of DrumNote
        In order of onset.

    Returns
    -------
    float
        1, 2 or 1/2.
    """
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    row = np.array([row_of_note(note.note) for note in notes])
    first = int(np.argmax(position == 1)) % 2
    between = np.stack([times_s[:-1], (times_s[1:] + times_s[:-1]) / 2], axis=1).ravel()
    levels = {1.0: times_s, 0.5: times_s[first::2], 2.0: between}
    scores = {factor: _log_odds(beats_s, onset_s, row) for factor, beats_s in levels.items()}
    return max(scores, key=lambda factor: scores[factor])


def repeats_in_threes(times_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> bool:
    """Whether kick and snare repeat after three or six beats better than after four.

    The idea is that of the beat similarity matrix: M. Gainza, "Automatic musical meter detection", ICASSP 2009.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Beats, or eighths of 6/8.
    notes : sequence of DrumNote
        In order of onset.

    Returns
    -------
    bool
        True also where there are too few beats to tell.
    """
    if len(times_s) < MIN_BEATS_TO_REPEAT:
        return True
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    row = np.array([row_of_note(note.note) for note in notes])
    places = (times_s[:-1], (times_s[1:] + times_s[:-1]) / 2)
    # [beats, (kick, snare) on the beat and between]
    pattern = np.stack([_is_hit(place, onset_s[row == drum]) for place in places for drum in (_KICK, _SNARE)], axis=1)
    three, four, six = (float(np.mean(pattern[lag:] == pattern[:-lag])) for lag in (3, 4, 6))
    return max(three, six) > four + THREES_MARGIN


def _log_odds(beats_s: NDArray[np.float64], onset_s: NDArray[np.float64], row: NDArray[np.int64]) -> float:
    """How much a level has for itself, up to a constant."""
    tempo_bpm = 60.0 / float(np.median(np.diff(beats_s)))
    common = -0.5 * (np.log(tempo_bpm / COMMON_BPM) / TEMPO_SPREAD) ** 2
    kick, snare = (_is_hit(beats_s, onset_s[row == wanted]) for wanted in (_KICK, _SNARE))
    alternation = (snare[::2].mean() - snare[1::2].mean()) - (kick[::2].mean() - kick[1::2].mean())
    return float(common + BACKBEAT_ODDS * abs(alternation) / 2.0)


def _is_hit(beats_s: NDArray[np.float64], onset_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for each beat that has a hit, else 0."""
    if not len(onset_s):
        return np.zeros(len(beats_s))
    after = np.clip(np.searchsorted(onset_s, beats_s), 1, max(1, len(onset_s) - 1))
    nearest = onset_s[np.minimum(np.stack([after - 1, after]), len(onset_s) - 1)]
    return (np.abs(nearest - beats_s).min(axis=0) < ON_BEAT_S).astype(np.float64)
