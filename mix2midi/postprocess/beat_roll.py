"""Hits as the beat network sees them: strength by kind of drum and time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES

#: Frames per second of everything about beats, as in Foscarin et al., "Beat this!", ISMIR 2024.
BEAT_FPS = 50

#: Kinds of drums that mean something different for the bar; each is a row of the roll.
ROWS: dict[str, tuple[str, ...]] = {
    "kick": ("kick",),
    "snare": ("snare", "side_stick", "clap"),
    "toms": ("high_tom", "mid_tom", "low_tom"),
    "closed_hat": ("closed_hat", "pedal_hat"),
    "open_hat": ("open_hat",),
    "crash": ("crash", "china", "splash"),
    "ride": ("ride", "bell"),
    "percussion": ("tambourine", "cowbell"),
}
#: Rows that carry the pulse, and its swing: hats and rides, which the other drums may be straighter than.
TIME_KEEPERS = [list(ROWS).index(name) for name in ("closed_hat", "open_hat", "ride")]
_ROW_OF_KEY = {key: row for row, keys in enumerate(ROWS.values()) for key in keys}
_ROW_OF_NOTE = {note: _ROW_OF_KEY[piece.key] for piece in PIECES for note in (piece.note, *piece.aliases)}

#: Frames beside that of a beat, and how likely a beat is on each: what the network is taught.
PULSE = ((-1, 0.5), (1, 0.5), (0, 1.0))
#: Strength of the softest hit: that something is hit matters more than how hard.
SOFTEST = 0.3


def row_of_note(note: int) -> int:
    """Row of the roll that a General MIDI note belongs to; what is not known counts as percussion."""
    return _ROW_OF_NOTE.get(note, len(ROWS) - 1)


def drum_roll(
    onset_s: NDArray[np.float64], row: NDArray[np.int64], velocity: NDArray[np.float64], frames: int
) -> NDArray[np.float32]:
    """Paint hits on frames of 20 ms.

    Parameters
    ----------
    onset_s, row, velocity : ndarray [shape=(hits,)]
        Seconds, index into `ROWS`, 1 to 127. Hits outside the frames are left out.
    frames : int
        Length of the roll.

    Returns
    -------
    ndarray [shape=(len(ROWS), frames), float32]
        A hit is shared between the two frames around it, so that its time is kept finer than a frame.
    """
    roll = np.zeros((len(ROWS), frames + 1), dtype=np.float32)
    position = onset_s * BEAT_FPS
    left = np.floor(position).astype(np.int64)
    inside = (left >= 0) & (left < frames)
    left, row, share = left[inside], row[inside], (position - left)[inside]
    strength = SOFTEST + (1.0 - SOFTEST) * velocity[inside] / 127.0
    np.add.at(roll, (row, left), (1.0 - share) * strength)
    np.add.at(roll, (row, left + 1), share * strength)
    return roll[:, :frames]
