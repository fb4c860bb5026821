"""One tempo for the song, from the hits that were transcribed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.units import velocity_to_unit

FALLBACK_TEMPO_BPM = 120.0
#: Frames of the onset envelope per second: fine enough to tell 120 from 121 BPM by lag.
ENVELOPE_FPS = 200
#: A period needs a few repetitions before it can be told from chance.
MIN_ONSETS = 4
#: Two hits closer than this are one onset: kick and hat of one beat.
SAME_ONSET_S = 0.03
#: Length of the window over which repetition is looked for, as in librosa.
WINDOW_S = 8.0


@dataclass(frozen=True, slots=True)
class TempoEstimate:
    """A tempo in quarter notes per minute, and why it is a guess; `reason` is empty where it was heard."""

    tempo_bpm: float
    reason: str = ""


def estimate_tempo(notes: Sequence[DrumNote]) -> TempoEstimate:
    """Tempo of a drum part, by librosa's autocorrelation tempogram with its log-normal prior around 120 BPM.

    Parameters
    ----------
    notes : sequence of DrumNote
        In order of onset.

    Returns
    -------
    TempoEstimate
        120 BPM with a reason for fewer than four onsets, or hits without a period.
    """
    onsets = count_onsets(notes)
    if onsets < MIN_ONSETS:
        return TempoEstimate(FALLBACK_TEMPO_BPM, f"{onsets} onsets are too few to tell a tempo")
    envelope = onset_envelope(notes, ENVELOPE_FPS)
    tempo_bpm = _tempo_of_tempogram(_mean_tempogram(envelope))
    if not np.isfinite(tempo_bpm) or tempo_bpm <= 0:
        return TempoEstimate(FALLBACK_TEMPO_BPM, "the hits repeat in no regular period")
    return TempoEstimate(tempo_bpm)


def count_onsets(notes: Sequence[DrumNote]) -> int:
    """Number of moments at which something is hit."""
    times = np.array([note.onset_s for note in notes])
    return int(times.size and 1 + np.count_nonzero(np.diff(times) > SAME_ONSET_S))


def onset_envelope(notes: Sequence[DrumNote], fps: int) -> NDArray[np.float32]:
    """Strength of the hits over time: a short bump of the height of its velocity for each.

    Parameters
    ----------
    notes : sequence of DrumNote
    fps : int
        Frames per second.

    Returns
    -------
    array, [frames]
        Hits that sound together add up. It ends one second after the last hit.
    """
    onsets_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    strengths = velocity_to_unit(np.array([note.velocity for note in notes], dtype=np.float64))
    envelope = np.zeros(int(onsets_s.max(initial=0.0) * fps) + fps, dtype=np.float32)
    np.add.at(envelope, np.rint(onsets_s * fps).astype(np.int64), strengths)
    # Players are late and early by some 10 ms; hits that far apart must still support the same period.
    reach = np.arange(-3, 4) / fps
    bump = np.exp(-0.5 * (reach / 0.01) ** 2).astype(np.float32)
    return np.convolve(envelope, bump, mode="same")


def _mean_tempogram(envelope: NDArray[np.float32]) -> NDArray[np.float64]:
    """Autocorrelation by lag, [lags, 1], averaged over windows of the song.

    librosa.feature.tempogram takes a window at every frame, 10 GB for an hour; one each second gives the same mean.
    """
    import librosa

    size = int(WINDOW_S * ENVELOPE_FPS)
    padded = np.pad(envelope, size // 2)
    shape = np.hanning(size)
    total = np.zeros(size)
    for start in range(0, padded.size - size + 1, ENVELOPE_FPS):
        total += librosa.autocorrelate(padded[start : start + size] * shape)
    mean: NDArray[np.float64] = total / max(total[0], np.finfo(np.float64).tiny)
    return mean[:, np.newaxis]


def _tempo_of_tempogram(tempogram: NDArray[np.float64]) -> float:
    import librosa

    return float(librosa.feature.tempo(tg=tempogram, sr=ENVELOPE_FPS, hop_length=1)[0])
