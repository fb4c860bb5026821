"""Scores of a transcription against a reference, as the field counts them.

Conventions
-----------
- A hit of the estimate and one of the reference match when they are of the same class and at most a window apart,
  each used once, as many as possible, as `mir_eval.util.match_events` counts them. Windows are half-widths: 0.050
  means ±50 ms, edges included.
- Classes are the five of MIREX and ADTOF, `mix2midi.drums.FAMILIES`; percussion (tambourine, cowbell) and notes that
  are no drum are left out on both sides.
- Counts are pooled: hits, misses and extra hits are summed over songs and classes before any ratio is taken ("micro").
  There are no means of ratios, because a class of two hits would weigh as much as one of two hundred.
- A ratio of nothing (no hits on either side) is NaN, not 1: finding nothing where nothing is proves little.
- Timing is estimate minus reference, positive where the estimate is late, over the hits that match within the widest
  window. The bias is its mean; the error is the median of its magnitude.
- Where hits are dense, several sets of pairs are as large; the one with the least distances in sum is taken
  (`mix2midi.matching`). Counts do not depend on it, timing, velocity and confidence do.
- Velocity is compared over the same pairs, per class and pooled over songs: Pearson's correlation and the mean
  absolute error on MIDI's scale (1 to 127). The correlation of all classes is the mean of theirs: kicks being louder
  than ghost notes is no merit of a transcriber.
- A reference whose velocities are all the same was written, not played, and has none to compare. That goes for few
  hits as well: two that were played alike cannot be told from two that were written, and are a small loss.
- The exact score counts a hit only where the piece is right as well (which tom, which hat, which cymbal), over the
  pieces of the five classes, where the reference tells pieces apart.

References
----------
C. Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", ISMIR 2014.
M. Zehren, M. Alunno, P. Bientinesi, "ADTOF: a large dataset of non-synthetic music for automatic drum transcription",
ISMIR 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES, family_of_note, piece_of_note
from mix2midi.errors import OptionError
from mix2midi.matching import match_hits
from mix2midi.notes import DrumNote

#: Half-widths of the matching windows; the first one is the widest and decides timing, velocity and exact pieces.
WINDOWS_S = (0.050, 0.020, 0.010)
_CONFIDENCE_BINS = 10
#: A correlation of fewer pairs says nothing.
MIN_PAIRS = 3


@dataclass(frozen=True)
class Reference:
    """True hits of a song, and what is known about them.

    Attributes
    ----------
    notes : sequence of DrumNote
    knows_pieces : bool
        False where only the five classes were annotated; the notes are then any note of their class.
    knows_velocities : bool
        False where no velocities were annotated; those of the notes then mean nothing. Nor do they where all are alike.
    """

    notes: Sequence[DrumNote]
    knows_pieces: bool = True
    knows_velocities: bool = True


@dataclass(frozen=True)
class Counts:
    """How many hits matched, were missed, and were extra."""

    matched: int = 0
    missed: int = 0
    extra: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.matched + other.matched, self.missed + other.missed, self.extra + other.extra)

    @property
    def reference(self) -> int:
        """Hits in the reference."""
        return self.matched + self.missed

    @property
    def estimate(self) -> int:
        """Hits in the estimate."""
        return self.matched + self.extra

    @property
    def precision(self) -> float:
        """Share of the estimate that is right, 0 to 1; NaN for an empty estimate."""
        return _ratio(self.matched, self.estimate)

    @property
    def recall(self) -> float:
        """Share of the reference that was found, 0 to 1; NaN for an empty reference."""
        return _ratio(self.matched, self.reference)

    @property
    def f_measure(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1; NaN where both sides are empty."""
        return _ratio(2 * self.matched, self.reference + self.estimate)


def _no_values() -> NDArray[np.float64]:
    return np.zeros(0)


def _no_pairs() -> NDArray[np.float64]:
    return np.zeros((2, 0))


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores of one class, or of several together.

    Attributes
    ----------
    counts : mapping of float to Counts
        By half-width of the window in seconds.
    errors_s : ndarray [shape=(matched,)]
        Estimate minus reference of each hit that matched within the widest window.
    velocities : ndarray [shape=(2, matched)]
        Reference and estimate, 1 to 127; empty where the reference has no velocities.
    confidences : ndarray [shape=(2, estimate)]
        Confidence of each hit of the estimate, and 1 where it matched within the widest window, else 0.
    """

    counts: Mapping[float, Counts]
    errors_s: NDArray[np.float64] = field(default_factory=_no_values)
    velocities: NDArray[np.float64] = field(default_factory=_no_pairs)
    confidences: NDArray[np.float64] = field(default_factory=_no_pairs)

    @property
    def bias_s(self) -> float:
        """Mean of estimate minus reference, in seconds; positive where the estimate is late."""
        return float(np.mean(self.errors_s)) if self.errors_s.size else float("nan")

    @property
    def median_error_s(self) -> float:
        """Median distance of hits that match, in seconds."""
        return float(np.median(np.abs(self.errors_s))) if self.errors_s.size else float("nan")

    @property
    def velocity_correlation(self) -> float:
        """Pearson's correlation, -1 to 1; NaN for fewer than three pairs or where either side is constant."""
        reference, estimate = self.velocities
        if reference.size < MIN_PAIRS or np.ptp(reference) == 0 or np.ptp(estimate) == 0:
            return float("nan")
        return float(np.corrcoef(reference, estimate)[0, 1])

    @property
    def velocity_error(self) -> float:
        """Mean absolute error on MIDI's scale; NaN without pairs."""
        reference, estimate = self.velocities
        return float(np.mean(np.abs(estimate - reference))) if reference.size else float("nan")

    @property
    def velocity_bias(self) -> float:
        """Mean of estimate minus reference on MIDI's scale, positive where hits are heard too hard; NaN without any."""
        reference, estimate = self.velocities
        return float(np.mean(estimate - reference)) if reference.size else float("nan")

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the confidences, 0 to 1, in ten bins of equal width.

        NaN without an estimate, and where one is NaN: other programs do not say how sure they are.
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
        """
        confidence, right = self.confidences
        if not confidence.size or np.isnan(confidence).any():
            return float("nan")
        bins = np.minimum((confidence * _CONFIDENCE_BINS).astype(int), _CONFIDENCE_BINS - 1)
        distance = [abs(float(np.sum(confidence[bins == b] - right[bins == b]))) for b in range(_CONFIDENCE_BINS)]
        return sum(distance) / confidence.size


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one song, or of many pooled.

    Attributes
    ----------
    families : mapping of str to ClassScores
        One for each of `mix2midi.drums.FAMILIES`.
    pieces : mapping of str to Counts
        Exact counts within the widest window by piece key; empty where no reference told pieces apart.
    """

    families: Mapping[str, ClassScores]
    pieces: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def windows_s(self) -> tuple[float, ...]:
        """Half-widths that were scored, in seconds, the widest first."""
        return tuple(next(iter(self.families.values())).counts)

    @property
    def overall(self) -> ClassScores:
        """All classes pooled."""
        return _join(list(self.families.values()))

    @property
    def exact(self) -> Counts:
        """Counts of hits whose piece is right as well, over all pieces."""
        return sum(self.pieces.values(), Counts())

    @property
    def velocity_correlation(self) -> float:
        """Mean of the classes' correlations, -1 to 1; NaN where no class has one."""
        values = [part.velocity_correlation for part in self.families.values()]
        known = [value for value in values if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    def f_measure(self, window_s: float | None = None) -> float:
        """Pooled F of all classes, 0 to 1, within one of `windows_s` (the widest by default)."""
        return self.overall.counts[self.windows_s[0] if window_s is None else window_s].f_measure


def score_notes(
    reference: Reference | Sequence[DrumNote],
    estimate: Sequence[DrumNote],
    windows_s: Sequence[float] = WINDOWS_S,
) -> Scores:
    """Score one song.

    Parameters
    ----------
    reference : Reference or sequence of DrumNote
        Plain notes are taken to know pieces, and velocities where these are not all the same. Any order.
    estimate : sequence of DrumNote
        Any order.
    windows_s : sequence of float
        Half-widths in seconds.

    Returns
    -------
    Scores
        Add those of several songs with `pool_scores`.

    Raises
    ------
    OptionError
        There is no window, or one that is not positive.
    """
    if not windows_s or min(windows_s) <= 0:
        raise OptionError("scores: windows must be positive numbers of seconds")
    windows = sorted(set(windows_s), reverse=True)
    truth = reference if isinstance(reference, Reference) else Reference(reference)
    true_by_family, found_by_family = _by_family(truth.notes), _by_family(estimate)
    with_velocities = truth.knows_velocities and len({note.velocity for note in truth.notes}) > 1
    families = {
        family: _score_class(true_by_family[family], found_by_family[family], windows, with_velocities)
        for family in FAMILIES
    }
    return Scores(families, _score_pieces(truth.notes, estimate, windows[0]) if truth.knows_pieces else {})


def pool_scores(scores: Iterable[Scores]) -> Scores:
    """Sum the counts and join the pairs of several songs.

    Raises
    ------
    OptionError
        There are no songs, or they were scored within different windows.
    """
    songs = list(scores)
    if not songs or len({song.windows_s for song in songs}) > 1:
        raise OptionError("scores: pool at least one song, all scored within the same windows")
    families = {family: _join([song.families[family] for song in songs]) for family in FAMILIES}
    pieces: dict[str, Counts] = {}
    for song in songs:
        for key, counts in song.pieces.items():
            pieces[key] = pieces.get(key, Counts()) + counts
    return Scores(families, pieces)


def _join(parts: Sequence[ClassScores]) -> ClassScores:
    counts = {window_s: sum((part.counts[window_s] for part in parts), Counts()) for window_s in parts[0].counts}
    return ClassScores(
        counts,
        np.concatenate([part.errors_s for part in parts]),
        np.concatenate([part.velocities for part in parts], axis=1),
        np.concatenate([part.confidences for part in parts], axis=1),
    )


def _by_family(notes: Iterable[DrumNote]) -> dict[str, list[DrumNote]]:
    groups: dict[str, list[DrumNote]] = {family: [] for family in FAMILIES}
    for note in sorted(notes):
        family = family_of_note(note.note)
        if family is not None:
            groups[family].append(note)
    return groups


def _score_class(
    reference: list[DrumNote], estimate: list[DrumNote], windows_s: Sequence[float], with_velocities: bool
) -> ClassScores:
    pairs = match_hits(reference, estimate, windows_s[0])
    counts = {windows_s[0]: _counts(reference, estimate, len(pairs))}
    for window_s in windows_s[1:]:
        counts[window_s] = _counts(reference, estimate, len(match_hits(reference, estimate, window_s)))
    errors = np.array([found.onset_s - true.onset_s for true, found in pairs], dtype=np.float64)
    velocities = _no_pairs()
    if with_velocities and pairs:
        velocities = np.array([[true.velocity, found.velocity] for true, found in pairs], dtype=np.float64).T
    right = {id(found) for _, found in pairs}
    confidences = np.array([[note.confidence, float(id(note) in right)] for note in estimate], dtype=np.float64)
    return ClassScores(counts, errors, velocities, confidences.reshape(-1, 2).T)


def _score_pieces(reference: Sequence[DrumNote], estimate: Sequence[DrumNote], window_s: float) -> dict[str, Counts]:
    keys = [piece.key for piece in PIECES if piece.family in FAMILIES]
    true_by_piece, found_by_piece = _by_piece(reference, keys), _by_piece(estimate, keys)
    counts = {}
    for key in keys:
        true, found = true_by_piece[key], found_by_piece[key]
        counts[key] = _counts(true, found, len(match_hits(true, found, window_s)))
    return counts


def _by_piece(notes: Iterable[DrumNote], keys: Sequence[str]) -> dict[str, list[DrumNote]]:
    groups: dict[str, list[DrumNote]] = {key: [] for key in keys}
    for note in sorted(notes):
        piece = piece_of_note(note.note)
        if piece is not None and piece.key in groups:
            groups[piece.key].append(note)
    return groups


def _counts(reference: list[DrumNote], estimate: list[DrumNote], matched: int) -> Counts:
    return Counts(matched, len(reference) - matched, len(estimate) - matched)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
