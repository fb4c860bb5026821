"""Which of two tempos, one twice the other, is a song's: what the decoder of beats cannot know.

It weighs frames, and a network that takes eighths for beats does so on every frame; that is one mistake, but it counts
as hundreds. So the level is decided once for the whole song, from how common the tempo is and from the backbeat.
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
