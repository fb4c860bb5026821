"""One example for training: some bars of a performance, as a transcriber might hear them in a song.

What differs between a metronome-steady groove of an electronic kit and the transcription of a song: other tempos and
their drift, hits that are missed, invented, mistaken for others or moved by milliseconds, a start anywhere in a bar, an
end after few of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mix2midi.postprocess.beat_roll import BEAT_FPS, PULSE, ROWS, drum_roll
from mix2midi.postprocess.beat_training.grooves import Groove

_ROW = {name: row for row, name in enumerate(ROWS)}
#: Pairs that transcribers mistake for each other.
_CONFUSIONS = (("open_hat", "closed_hat"), ("crash", "ride"), ("ride", "closed_hat"), ("crash", "open_hat"))
#: How much faster or slower than its own a groove is played at most, as logarithm, and the limits of that.
TEMPO_SPREAD = 0.2
SLOWEST_BPM, FASTEST_BPM, FASTEST_EIGHTHS_BPM = 55.0, 215.0, 300.0
#: Share of examples that end early, and the shortest, in seconds: people cut loops out of songs.
SHORT_SHARE, SHORTEST_S = 0.15, 5.0


@dataclass(frozen=True)
class Example:
    """A drum roll and where its beats are.

    Attributes
    ----------
    roll : ndarray [shape=(len(ROWS), frames), float32]
    target : ndarray [shape=(2, frames), float32]
        1 on the frames of beats and downbeats, 0.5 beside them.
    """

    roll: NDArray[np.float32]
    target: NDArray[np.float32]


def make_example(groove: Groove, duration_s: float, rng: np.random.Generator) -> Example:
    """Draw one example.

    Parameters
    ----------
    groove : Groove
        Read only.
    duration_s : float
        Length of the example. Some end earlier; what lies behind is empty, without beats.
    rng : numpy Generator

    Returns
    -------
    Example
    """
    frames = int(duration_s * BEAT_FPS)
    if rng.random() < SHORT_SHARE:
        duration_s = rng.uniform(SHORTEST_S, duration_s)
    beats_s, first_beat = _beat_times(groove, duration_s, rng)
    beats_s = beats_s[: np.searchsorted(beats_s, duration_s) + 1]
    grid = np.arange(len(beats_s)) + first_beat
    inside = (groove.beat > grid[0] - 0.5) & (groove.beat < grid[-1])
    onset_s = np.interp(groove.beat[inside], grid, beats_s) - _before_first_s(groove.beat[inside], grid, beats_s)
    row, velocity = groove.row[inside], groove.velocity[inside]
    onset_s, row, velocity = mishear(onset_s, row, velocity, rng)
    target = beat_targets(beats_s, grid % groove.beats_per_bar == 0, frames)
    return Example(drum_roll(onset_s, row, velocity, frames), target)


def beat_targets(beats_s: NDArray[np.float64], is_downbeat: NDArray[np.bool_], frames: int) -> NDArray[np.float32]:
    """Targets of the network, [2, frames]: 1 on the frame of each beat and downbeat, 0.5 beside it."""
    target = np.zeros((2, frames), dtype=np.float32)
    for channel, times_s in enumerate((beats_s, beats_s[is_downbeat])):
        centre = np.rint(times_s * BEAT_FPS).astype(np.int64)
        for offset, value in PULSE:
            frame = centre + offset
            target[channel, frame[(frame >= 0) & (frame < frames)]] = value
    return target


def _beat_times(groove: Groove, duration_s: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], int]:
    """Seconds of consecutive beats that fill the example, and the number of the first in the groove.

    Usually a song starts on or before its first downbeat after some silence; an example may also start anywhere.
    """
    fastest_bpm = FASTEST_EIGHTHS_BPM if groove.beats_per_bar == 6 else FASTEST_BPM
    speed = np.exp(rng.uniform(-TEMPO_SPREAD, TEMPO_SPREAD))
    tempo_bpm = np.clip(groove.tempo_bpm * speed, SLOWEST_BPM, fastest_bpm)
    count = int(duration_s * tempo_bpm / 60 * 1.1) + 2
    drift = np.cumsum(rng.normal(0.0, rng.choice([0.0, 0.003, 0.008]), count))
    beats_s = np.cumsum(60.0 / tempo_bpm * np.exp(drift - drift.mean()))
    last = max(0, groove.bars * groove.beats_per_bar - count)
    if rng.random() < 0.5:
        first = int(rng.integers(0, last + 1)) // groove.beats_per_bar * groove.beats_per_bar
        return beats_s - beats_s[0] + rng.choice([0.02, rng.uniform(0.0, 3.0)]), first
    return beats_s - beats_s[0] - rng.uniform(0.0, 60.0 / tempo_bpm), int(rng.integers(0, last + 1))


def _before_first_s(
    beat: NDArray[np.float64], grid: NDArray[np.int64], beats_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How long before the first beat pick-ups are: interpolation would put them on it."""
    return np.maximum(grid[0] - beat, 0.0) * (beats_s[1] - beats_s[0])


def mishear(
    onset_s: NDArray[np.float64], row: NDArray[np.int64], velocity: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Hits as a transcriber reports them: some lost, some mistaken, some invented, none quite in place or loudness.

    Parameters
    ----------
    onset_s, row, velocity : ndarray [shape=(hits,)]
        Seconds, index into `ROWS`, 1 to 127; not changed.
    rng : numpy Generator

    Returns
    -------
    onset_s, row, velocity : ndarray
        Not sorted, and as few as none; an onset may lie a little before 0.
    """
    row = row.copy()
    for name, other in _CONFUSIONS:
        if rng.random() < 0.15:
            chosen = (row == _ROW[name]) & (rng.random(len(row)) < rng.choice([0.3, 1.0]))
            row[chosen] = _ROW[other]
    keep = rng.random(len(row)) > rng.choice([0.0, 0.05, 0.15])
    for lost in rng.permutation(len(ROWS))[: rng.choice([0, 0, 0, 1, 2])]:
        keep &= row != lost
    keep |= velocity > rng.choice([128.0, 60.0])
    invented = rng.poisson(len(row) * rng.choice([0.0, 0.02, 0.08]))
    end_s = onset_s.max(initial=1.0)
    onset_s = np.concatenate([onset_s[keep], rng.uniform(0.0, end_s, invented)])
    row = np.concatenate([row[keep], rng.integers(0, len(ROWS), invented)])
    velocity = np.concatenate([velocity[keep], rng.uniform(20.0, 110.0, invented)])
    onset_s = onset_s + rng.normal(0.0, rng.choice([0.0, 0.004, 0.01]), len(onset_s))
    loudness = velocity ** rng.uniform(0.4, 1.4) * np.exp(rng.normal(0.0, 0.15, len(velocity)))
    return onset_s, row, np.clip(loudness / max(loudness.max(initial=1.0), 1.0) * rng.uniform(90, 127), 1.0, 127.0)
