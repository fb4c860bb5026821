"""Steady beats and grooves on them, for tests of quantising and swing."""

from __future__ import annotations

import numpy as np

from mix2midi.notes import DrumNote
from mix2midi.postprocess import Beats, TimeSignature

BEAT_S = 0.5  # 120 BPM: a sixteenth is 125 ms
KICK, SNARE, HAT, RIDE, CRASH = 36, 38, 42, 51, 49


def steady(signature: str = "4/4", first_s: float = 0.0, count: int = 80) -> Beats:
    time_signature = TimeSignature.parse(signature)
    times_s = first_s + BEAT_S * np.arange(count, dtype=np.float64)
    return Beats(times_s, np.arange(count) % time_signature.numerator + 1, time_signature)


def groove(second_s: float, drums: tuple[int, ...] = (HAT,), bars: int = 8, scatter_s: float = 0.008) -> list[DrumNote]:
    """Kick and snare on the beats, `drums` on the beats and `second_s` after each."""
    rng = np.random.default_rng(4)
    times = [(beat * BEAT_S, KICK if beat % 2 == 0 else SNARE) for beat in range(4 * bars)]
    times += [(beat * BEAT_S + late, drum) for beat in range(4 * bars) for late in (0, second_s) for drum in drums]
    return sorted(DrumNote(max(0.0, t + rng.normal(0, scatter_s)), n, int(rng.integers(60, 110))) for t, n in times)
