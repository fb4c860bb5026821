"""Heat maps drawn by hand."""

from __future__ import annotations

import numpy as np

from mix2midi.drums import FAMILIES, PIECES, PIECES_BY_KEY
from mix2midi.transcription import HeatMap

HOP, RATE_HZ = 128, 44100
ROWS = {piece.key: row for row, piece in enumerate(PIECES)}


def drawn(hits: list[tuple[str, float, float]], frames: int = 400, velocity: float = 0.5) -> HeatMap:
    """Gaussian bumps at (piece, frame, height); families follow their pieces."""
    onset = np.zeros((len(PIECES), frames), dtype=np.float32)
    family_onset = np.zeros((len(FAMILIES), frames), dtype=np.float32)
    for key, frame, height in hits:
        bump = height * np.exp(-0.5 * ((np.arange(frames) - frame) / 1.4) ** 2)
        onset[ROWS[key]] = np.maximum(onset[ROWS[key]], bump)
        family = PIECES_BY_KEY[key].family
        if family in FAMILIES:
            row = FAMILIES.index(family)
            family_onset[row] = np.maximum(family_onset[row], bump)
    return HeatMap(onset, np.full_like(onset, velocity), family_onset, np.zeros_like(family_onset), HOP, RATE_HZ)
