"""Scores of musical time: beats, bars, tempo and grid of a transcription against those of a reference.

Conventions
-----------
- Beat and downbeat F as mir_eval counts them: within ±70 ms, but over the whole song instead of from second 5 on, up to
  just after the last beat of the reference.
- A tempo is right within 4 %; half and double are wrong.
- The grid: share of the reference's hits that stay nearest to their sixteenth of the reference's beats when they are
  moved to the nearest sixteenth of the transcription's. It tells what quantising does to them; sixteenths are not
  counted, so a grid that is finer than the true one loses nothing, be it of another tempo: beat F and tempo tell that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import Beats, TimeSignature

TEMPO_TOLERANCE = 0.04
#: What comes later than this after the reference's last beat is not scored.
TAIL_S = 0.2
#: Distance within which a beat is found; mir_eval's own, after the literature.
WINDOW_S = 0.07
SIXTEENTH_QUARTERS = 0.25
#: A tempo is read over this many beats: people annotate each to 10 ms, which is 2 % of a beat.
TEMPO_BEATS = 8


@dataclass(frozen=True, slots=True)
class TimeScores:
    """Scores of one song.

    Attributes
    ----------
    beat_f, downbeat_f : float
        0 to 1.
    tempo_bpm, true_tempo_bpm : float
        Median, in quarter notes per minute.
    signature, true_signature : str
    same_sixteenth : float
        Share of hits that quantising leaves on their sixteenth, 0 to 1; NaN without hits.
    """

    beat_f: float
    downbeat_f: float
    tempo_bpm: float
    true_tempo_bpm: float
    signature: str
    true_signature: str
    same_sixteenth: float

    @property
    def tempo_is_right(self) -> bool:
        """Whether the tempo is within 4 % of the reference's."""
        return abs(self.tempo_bpm / self.true_tempo_bpm - 1.0) <= TEMPO_TOLERANCE

    @property
    def signature_is_right(self) -> bool:
        """Whether the time signatures are the same."""
        return self.signature == self.true_signature


def score_time(reference: Beats, notes: Sequence[DrumNote], transcription: Transcription) -> TimeScores | None:
    """Score the musical time of one song.

    Parameters
    ----------
    reference : Beats
        The true beats.
    notes : sequence of DrumNote
        The true hits.
    transcription : Transcription

    Returns
    -------
    TimeScores or None
        None where the transcription has no beats.
    """
    found = _beats_of(transcription)
    if found is None:
        return None
    end_s = float(reference.times_s[-1]) + TAIL_S
    return TimeScores(
        beat_f=_f_measure(reference.times_s, found.times_s, end_s),
        downbeat_f=_f_measure(reference.downbeats_s, found.downbeats_s, end_s),
        tempo_bpm=_median_tempo_bpm(found),
        true_tempo_bpm=_median_tempo_bpm(reference),
        signature=str(found.signature),
        true_signature=str(reference.signature),
        same_sixteenth=_same_sixteenth(reference, found, [note.onset_s for note in notes if note.onset_s < end_s]),
    )


def _beats_of(transcription: Transcription) -> Beats | None:
    position = np.array([beat.position for beat in transcription.beats], dtype=np.int64)
    if len(position) < 2 or not (position == 1).any():
        return None
    times_s = np.array([beat.time_s for beat in transcription.beats])
    return Beats(times_s, position, TimeSignature.parse(transcription.time_signature))


def _f_measure(true_s: NDArray[np.float64], found_s: NDArray[np.float64], end_s: float) -> float:
    from mir_eval.beat import f_measure

    found_s = found_s[(found_s > -WINDOW_S) & (found_s < end_s)]  # nobody annotates what lies before the recording
    return float(f_measure(true_s, found_s)) if len(true_s) and len(found_s) else 0.0


def _median_tempo_bpm(beats: Beats) -> float:
    number = min(TEMPO_BEATS, len(beats.times_s) - 1)
    beat_s = float(np.median(beats.times_s[number:] - beats.times_s[:-number])) / number
    return 60.0 / beat_s * float(beats.signature.beat_quarters)


def _same_sixteenth(reference: Beats, found: Beats, onset_s: Sequence[float]) -> float:
    """Share of hits whose nearest sixteenth of the found grid is nearest to their own of the true one.

    A finer grid than the true one, such as of twice the tempo, loses nothing here; that is what beat F and tempo tell.
    """
    if not onset_s:
        return float("nan")
    times_s = np.array(onset_s)
    true = np.rint(reference.quarters(times_s) / SIXTEENTH_QUARTERS)
    line_s = found.seconds(np.rint(found.quarters(times_s) / SIXTEENTH_QUARTERS) * SIXTEENTH_QUARTERS)
    return float(np.mean(np.rint(reference.quarters(line_s) / SIXTEENTH_QUARTERS) == true))
