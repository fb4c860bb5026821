"""Score the transcriber on songs whose drum parts are known."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mix2midi.errors import ModelError, OptionError
from mix2midi.files import PROGRAM, atomic_write
from mix2midi.notes import Transcription
from mix2midi.pipeline.batch import Failure
from mix2midi.pipeline.references import Song, read_reference, read_true_beats
from mix2midi.pipeline.time_scores import TimeScores, score_time
from mix2midi.scores import ClassScores, Counts, Scores, pool_scores, score_notes


@dataclass(frozen=True)
class SongScores:
    """Scores of one song.

    Attributes
    ----------
    song : Song
    scores : Scores
    separator : str
        Which separator made the stem.
    audio_s : float
        Length of the audio.
    elapsed_s : float
        Time that reading, separating and transcribing took.
    time : TimeScores, optional
        Scores of beats and bars, where the reference has them.
    """

    song: Song
    scores: Scores
    separator: str
    audio_s: float
    elapsed_s: float
    time: TimeScores | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores of all songs, and under which settings they were made.

    Attributes
    ----------
    songs : sequence of SongScores
        At least one.
    settings : mapping of str to str
        What is needed to make the same table again, in words.
    failures : sequence of Failure
        Songs that could not be transcribed.
    songs_left : int
        Songs that were still to come; 0 when the evaluation is complete.
    """

    songs: Sequence[SongScores]
    settings: Mapping[str, str] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    songs_left: int = 0

    @property
    def pooled(self) -> Scores:
        """All songs as if they were one."""
        return pool_scores(song.scores for song in self.songs)

    @property
    def audio_s(self) -> float:
        """Length of all songs together."""
        return sum(song.audio_s for song in self.songs)

    @property
    def elapsed_s(self) -> float:
        """Time that all songs took."""
        return sum(song.elapsed_s for song in self.songs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; what is not defined is None."""
        return {
            "program": PROGRAM,
            "settings": dict(self.settings),
            "pooled": _scores_dict(self.pooled),
            "songs": [
                {
                    "name": entry.song.name,
                    "audio": entry.song.audio.name,
                    "reference": entry.song.reference.name,
                    "separator": entry.separator,
                    "audio_s": round(entry.audio_s, 3),
                    "elapsed_s": round(entry.elapsed_s, 3),
                    **_scores_dict(entry.scores),
                    "time": None if entry.time is None else _time_dict(entry.time),
                }
                for entry in self.songs
            ],
            "failures": [{"audio": str(failure.song), "reason": str(failure.error)} for failure in self.failures],
            "songs_left": self.songs_left,
        }


def evaluate_songs(
    songs: Sequence[Song],
    transcribe: Callable[[Path], Transcription],
    *,
    settings: Mapping[str, str] | None = None,
    on_start: Callable[[Song], None] | None = None,
    on_scored: Callable[[Evaluation], None] | None = None,
) -> Evaluation:
    """Transcribe songs and compare them with their references.

    Parameters
    ----------
    songs : sequence of Song
        See `mix2midi.pipeline.references.find_songs`.
    transcribe : callable
        Audio file to transcription; called once for each song, nothing is kept between runs.
    settings : mapping of str to str, optional
        Kept with the result.
    on_start : callable, optional
        Told of every song before it is transcribed.
    on_scored : callable, optional
        Given, after every song, the evaluation of those so far: a night's work is not to be lost with its last song.

    Returns
    -------
    Evaluation

    Raises
    ------
    OptionError
        A reference is unreadable. All are read before the first song is transcribed.
    ModelError
        From `transcribe`, as an `OptionError`: what is wrong with models and options is wrong for every song.
    Exception
        None of the songs can be transcribed: the first one's error. A few that cannot are `Evaluation.failures`.
    """
    references = [(read_reference(song.reference), read_true_beats(song)) for song in songs]
    results, failures = [], list[Failure]()
    for number, (song, (reference, true_beats)) in enumerate(zip(songs, references, strict=True), start=1):
        if on_start is not None:
            on_start(song)
        started = time.perf_counter()
        try:
            transcription = transcribe(song.audio)
        except (ModelError, OptionError):
            raise
        except Exception as error:  # as in a batch, one odd file does not cost the others
            failures.append(Failure(song.audio, error))
            continue
        elapsed_s = time.perf_counter() - started
        scores = score_notes(reference, transcription.notes)
        timed = None if true_beats is None else score_time(true_beats, reference.notes, transcription)
        results.append(SongScores(song, scores, transcription.separator, transcription.duration_s, elapsed_s, timed))
        if on_scored is not None:
            on_scored(Evaluation(tuple(results), dict(settings or {}), tuple(failures), len(songs) - number))
    if failures and not results:
        raise failures[0].error
    return Evaluation(results, dict(settings or {}), failures)


def write_evaluation(evaluation: Evaluation, path: Path | str) -> None:
    """Write an evaluation as JSON.

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(evaluation.to_dict(), indent=2) + "\n", encoding="utf-8")


def _scores_dict(scores: Scores) -> dict[str, Any]:
    return {
        "all": {**_class_dict(scores.overall), "velocity_correlation": _rounded(scores.velocity_correlation)},
        "classes": {family: _class_dict(part) for family, part in scores.families.items()},
        "exact": _counts_dict(scores.exact) if scores.pieces else None,
        "pieces": {key: _counts_dict(counts) for key, counts in scores.pieces.items()},
    }


def _time_dict(scores: TimeScores) -> dict[str, Any]:
    return {
        "beat_f": _rounded(scores.beat_f),
        "downbeat_f": _rounded(scores.downbeat_f),
        "tempo_bpm": _rounded(scores.tempo_bpm),
        "true_tempo_bpm": _rounded(scores.true_tempo_bpm),
        "tempo_is_right": scores.tempo_is_right,
        "time_signature": scores.signature,
        "true_time_signature": scores.true_signature,
        "same_sixteenth": _rounded(scores.same_sixteenth),
    }


def _class_dict(part: ClassScores) -> dict[str, Any]:
    return {
        "windows_ms": {f"{window_s * 1000:g}": _counts_dict(counts) for window_s, counts in part.counts.items()},
        "bias_ms": _rounded(part.bias_s * 1000),
        "median_error_ms": _rounded(part.median_error_s * 1000),
        "velocity_correlation": _rounded(part.velocity_correlation),
        "velocity_error": _rounded(part.velocity_error),
        "velocity_bias": _rounded(part.velocity_bias),
        "calibration_error": _rounded(part.calibration_error),
    }


def _counts_dict(counts: Counts) -> dict[str, Any]:
    return {
        "reference": counts.reference,
        "estimate": counts.estimate,
        "matched": counts.matched,
        "precision": _rounded(counts.precision),
        "recall": _rounded(counts.recall),
        "f": _rounded(counts.f_measure),
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
