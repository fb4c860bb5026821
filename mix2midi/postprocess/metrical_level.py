"""Whether a song's tempo is half or double, and its bar one of threes: what the decoder of beats cannot know.

It weighs frames, and a network that takes eighths for beats does so on every frame; that is one mistake, but it counts
as hundreds. So these are decided once for the whole song: the level from what a listener goes by (how common the tempo
is, how full the beat, how it is divided, the backbeat), threes from the pattern's repeating itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_roll import BEAT_FPS, ROWS, TIME_KEEPERS, row_of_note

#: Tempo, in counted beats per minute, that the two weights of the tempo refer to.
MIDDLE_BPM = 110.0
#: What speaks for a level, as log odds for each unit of what `describe_level` finds. From
#: `python -m mix2midi.postprocess.beat_training.levels`: the most likely ones for the training split of the Groove MIDI
#: Dataset, each groove also played faster and slower, so that its own tempos do not decide.
WEIGHTS = {
    "tempo": 1.07,
    "tempo squared": -2.54,
    "as decoded": 0.24,
    "fullness squared": -0.44,
    "swung halves": 0.31,
    "eighths of a beat": -6.27,
    "quarters of a beat": 3.06,
    "uneven beats": -2.89,
    "backbeat": 2.36,
}
#: Levels beside the decoded one. Ratios of 2:3 and 3:4 were tried as well: they mend four grooves in 318, and are taken
#: wrongly as often.
LEVELS = (1.0, 0.5, 2.0)
#: A hit this loud, against the song's loudest tenth, is no ghost note.
LOUD_SHARE = 0.6
#: Two hits closer than this are one onset, in seconds.
SAME_ONSET_S = 0.03
#: Where in a beat hits are aimed at, and the number of equal parts that puts a line there. An eighth of the beat after
#: its middle is a swung half rather.
PHASES = np.array([0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 5 / 8, 2 / 3, 3 / 4, 5 / 6, 7 / 8, 1])
PARTS = np.array([1, 8, 6, 4, 3, 8, 2, 2, 3, 4, 6, 8, 1])
#: A hit of hats and rides that is between these after the middle of a beat, in beats, is swung; before it, it is none.
LATE = (0.06, 0.24)
#: Tempos that are mistaken for each other: ratios of a misheard stretch to the rest of the song, and their tolerance.
MISHEARD_RATIOS, RATIO_TOLERANCE = np.array([1 / 2, 2, 2 / 3, 3 / 4, 4 / 3, 3 / 2]), 0.08
OCTAVES = MISHEARD_RATIOS[:2]
#: Beats over which a stretch's tempo is read.
STRETCH = 4
#: What is misheard is the smaller part of a song; a larger one is another tempo.
LARGEST_MISHEARD_SHARE = 1 / 3
#: Bars of threes are believed if the pattern repeats after three or six beats better than after four by this share of
#: hits and rests. Training grooves in threes do by .07 and more; most others taken for threes by .02 at most.
THREES_MARGIN = 0.04
#: A shorter song repeats too little to contradict the decoder.
MIN_BEATS_TO_REPEAT = 16
#: A shuffle plays one of three triplets, the middle one, so much more seldom than the others. Eighths of 6/8, counted
#: in the triplets of four beats in its bar, are the first, the middle and the last equally often.
RARE_SHARE = 0.4
#: Bars of six are two of three quarter notes where kick and snare come back after three beats nearly as often as after
#: six, and hats, rides and toms play between the beats nearly as often as on them. Grooves in 6/8 play this little
#: between their eighths: .02 to .11 of what is on them, in six of six; one in 3/4 that was heard as 6/8: .99.
AFTER_THREE_SHARE, BETWEEN_SHARE = 0.8, 0.6
#: A hit this close to a beat is on it.
ON_BEAT_S = 0.05

#: Rows of the roll that carry the pattern.
KICK, SNARE = list(ROWS).index("kick"), list(ROWS).index("snare")


@dataclass(frozen=True)
class Heard:
    """A drum part, and where beats were heard in it.

    Attributes
    ----------
    onset_s, velocity : ndarray [shape=(hits,), float64]
        In order of onset.
    row : ndarray [shape=(hits,), int64]
        See `mix2midi.postprocess.beat_roll.ROWS`.
    beat : ndarray [shape=(frames,), float64]
        How likely each frame is a beat.
    """

    onset_s: NDArray[np.float64]
    velocity: NDArray[np.float64]
    row: NDArray[np.int64]
    beat: NDArray[np.float64]

    @classmethod
    def of(cls, notes: Sequence[DrumNote], beat: NDArray[np.float64]) -> Heard:
        """Notes in order of onset, and how likely each frame is a beat."""
        return cls(
            onset_s=np.array([note.onset_s for note in notes], dtype=np.float64),
            velocity=np.array([note.velocity for note in notes], dtype=np.float64),
            row=np.array([row_of_note(note.note) for note in notes], dtype=np.int64),
            beat=beat,
        )


def likely_level(
    times_s: NDArray[np.float64], position: NDArray[np.int64], heard: Heard, tempo_range: tuple[float, float]
) -> float:
    """By how much the tempo of decoded beats should be multiplied.

    Parameters
    ----------
    times_s, position : ndarray [shape=(beats,)]
        Beats as decoded, at least three, and their positions in the bar.
    heard : Heard
        What they were decoded from.
    tempo_range : tuple of float
        Slowest and fastest tempo that may come out, in counted beats per minute.

    Returns
    -------
    float
        One of `LEVELS`.
    """
    weights = np.array(list(WEIGHTS.values()))
    levels = {
        factor: beats_s
        for factor, beats_s in beats_of_levels(times_s, position).items()
        if factor == 1.0 or tempo_range[0] <= tempo_of(beats_s) <= tempo_range[1]
    }
    return max(levels, key=lambda factor: float(weights @ describe_level(factor, levels[factor], heard)))


def tempo_of(beats_s: NDArray[np.float64]) -> float:
    """Most common tempo in beats per minute; 0 where there are fewer than two beats."""
    return 60.0 / float(np.median(np.diff(beats_s))) if len(beats_s) > 1 else 0.0


def beats_of_levels(times_s: NDArray[np.float64], position: NDArray[np.int64]) -> dict[float, NDArray[np.float64]]:
    """Times of the beats at each of `LEVELS`, made of the decoded ones: every second, or one more between two."""
    first = int(np.argmax(position == 1)) % 2
    between = np.stack([times_s[:-1], (times_s[1:] + times_s[:-1]) / 2], axis=1).ravel()
    return dict(zip(LEVELS, (times_s, times_s[first::2], between), strict=True))


def describe_level(factor: float, beats_s: NDArray[np.float64], heard: Heard) -> NDArray[np.float64]:
    """What speaks for and against a level.

    Parameters
    ----------
    factor : float
        One of `LEVELS`.
    beats_s : ndarray [shape=(beats,)]
        Its beats, at least two.
    heard : Heard

    Returns
    -------
    ndarray [shape=(len(WEIGHTS),)]
        In the order of `WEIGHTS`. The logarithm of the tempo over `MIDDLE_BPM`, and its square; whether the decoder
        chose this level; the square of how many powers of two loud onsets are more than one per beat (a beat has about
        one); hats and rides that come late after the middle of the beat less those as early before it, as shares;
        shares of hits that ask for eighths and for quarters of a beat; how much likelier every
        second beat is; how much snare and kick alternate.
    """
    tempo = float(np.log(tempo_of(beats_s) / MIDDLE_BPM))
    phase = np.interp(heard.onset_s, beats_s, np.arange(len(beats_s)), left=np.nan, right=np.nan)
    inside = ~np.isnan(phase)
    parts = PARTS[np.abs(phase[inside, None] % 1.0 - PHASES).argmin(axis=1)] if inside.any() else np.zeros(1)
    return np.array(
        [
            tempo,
            tempo**2,
            factor == 1.0,
            _fullness(len(beats_s) - 1, heard, inside) ** 2,
            _swung_halves(phase[inside & np.isin(heard.row, TIME_KEEPERS)] % 1.0),
            np.mean(parts == 8),
            np.mean(parts == 4),
            _unevenness(beats_s, heard.beat),
            _backbeat(beats_s, heard),
        ]
    )


def count_onsets(onset_s: NDArray[np.float64]) -> int:
    """Number of moments at which something is hit; onsets [shape=(hits,)] are sorted."""
    return int(onset_s.size and 1 + np.count_nonzero(np.diff(onset_s) > SAME_ONSET_S))


def _fullness(beats: int, heard: Heard, inside: NDArray[np.bool_]) -> float:
    """How many powers of two loud onsets are more than one per beat."""
    loud = heard.velocity > LOUD_SHARE * np.percentile(heard.velocity, 90)
    onset_s = heard.onset_s[inside & loud]
    return float(np.log2(max(1, count_onsets(onset_s)) / beats))


def _swung_halves(phase: NDArray[np.float64]) -> float:
    """Share of hits that come late after the middle of the beat, less the share as early before it."""
    late, early = (np.count_nonzero((side > LATE[0]) & (side < LATE[1])) for side in (phase - 0.5, 0.5 - phase))
    return (late - early) / max(1, len(phase))


def _unevenness(beats_s: NDArray[np.float64], beat: NDArray[np.float64]) -> float:
    """How much likelier every second beat is."""
    likely = beat_likelihoods(beats_s, beat)
    return float(abs(likely[::2].mean() - likely[1::2].mean()))


def beat_likelihoods(times_s: NDArray[np.float64], beat: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the network says of beats, 0 to 1 [shape=(beats,)], at most a frame away.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
    beat : ndarray [shape=(frames,)]
        How likely each frame is a beat.
    """
    frame = np.clip(np.rint(times_s * BEAT_FPS).astype(np.int64), 1, len(beat) - 2)
    likelihoods: NDArray[np.float64] = np.max([beat[frame - 1], beat[frame], beat[frame + 1]], axis=0)
    return likelihoods


def _backbeat(beats_s: NDArray[np.float64], heard: Heard) -> float:
    """1 where the snare is on every second beat and the kick on the others."""
    kick, snare = (is_hit(beats_s, heard.onset_s[heard.row == drum]) for drum in (KICK, SNARE))
    alternation = (snare[::2].mean() - snare[1::2].mean()) - (kick[::2].mean() - kick[1::2].mean())
    return float(abs(alternation)) / 2.0


def is_misheard_in_part(times_s: NDArray[np.float64], ratios: NDArray[np.float64] = MISHEARD_RATIOS) -> bool:
    """Whether a part of a song, but not most of it, was heard in another level than the rest.

    Songs do change their tempo, but seldom by just 3:2 or 4:3, which is what a decoder mistakes dotted notes for.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Rising.
    ratios : ndarray [shape=(ratios,)]
        Levels in question, as tempos beside the song's.
    """
    if len(times_s) <= 2 * STRETCH:
        return False
    stretch_s = (times_s[STRETCH:] - times_s[:-STRETCH]) / STRETCH
    ratio = float(np.median(np.diff(times_s))) / stretch_s
    misheard = np.abs(np.log(ratio[:, None] / ratios)).min(axis=1) < RATIO_TOLERANCE
    return 0.0 < float(misheard.mean()) < LARGEST_MISHEARD_SHARE


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
    pattern = _kick_and_snare(times_s, notes)
    three, four, six = (float(np.mean(pattern[lag:] == pattern[:-lag])) for lag in (3, 4, 6))
    return max(three, six) > four + THREES_MARGIN


def is_two_bars_of_three(times_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> bool:
    """Whether bars heard as six eighths are two bars of three quarter notes each, at the same beats.

    Parameters
    ----------
    times_s : ndarray [shape=(beats,)]
        Eighths as decoded.
    notes : sequence of DrumNote
        In order of onset.

    Returns
    -------
    bool
        False also where there are too few beats to tell.
    """
    if len(times_s) < MIN_BEATS_TO_REPEAT:
        return False
    pattern = _kick_and_snare(times_s, notes)
    after_three, after_six = (float(np.mean(pattern[lag:] * pattern[:-lag])) for lag in (3, 6))
    hands_s = np.array([note.onset_s for note in notes if row_of_note(note.note) not in (KICK, SNARE)])
    on_beat, between = (float(is_hit(place, hands_s).mean()) for place in _on_and_between(times_s))
    return after_three >= AFTER_THREE_SHARE * after_six and between > BETWEEN_SHARE * on_beat


def is_shuffle(
    times_s: NDArray[np.float64], position: NDArray[np.int64], notes: Sequence[DrumNote], triplets_per_beat: int = 2
) -> bool:
    """Whether bars heard as 6/8 are bars of swung beats of three triplets each.

    Parameters
    ----------
    times_s, position : ndarray [shape=(beats,)]
        Eighths as heard, at least two, and their positions in the bar.
    notes : sequence of DrumNote
        In order of onset.
    triplets_per_beat : int
        How many triplets such an eighth would be: two where a bar has four swung beats, one where it has two.
    """
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    eighth = np.arange(len(times_s)) - int(np.argmax(position == 1))
    inside = (onset_s >= times_s[0]) & (onset_s <= times_s[-1])
    triplet = np.rint(np.interp(onset_s[inside], times_s, eighth) * triplets_per_beat).astype(np.int64) % 3
    # Where the bar was heard to begin on a second note, the middle one counts as another.
    rarest, rare, _ = np.sort(np.bincount(triplet, minlength=3))
    return bool(rarest < RARE_SHARE * rare)


def _on_and_between(times_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each beat but the last, and the middle between it and the next."""
    return times_s[:-1], (times_s[1:] + times_s[:-1]) / 2


def _kick_and_snare(times_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> NDArray[np.float64]:
    """Whether kick and snare are hit on each beat and between it and the next [beats, 4]."""
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    row = np.array([row_of_note(note.note) for note in notes])
    places = _on_and_between(times_s)
    return np.stack([is_hit(place, onset_s[row == drum]) for place in places for drum in (KICK, SNARE)], axis=1)


def is_hit(beats_s: NDArray[np.float64], onset_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for each beat that has a hit, else 0."""
    if not len(onset_s):
        return np.zeros(len(beats_s))
    after = np.clip(np.searchsorted(onset_s, beats_s), 1, max(1, len(onset_s) - 1))
    nearest = onset_s[np.minimum(np.stack([after - 1, after]), len(onset_s) - 1)]
    return (np.abs(nearest - beats_s).min(axis=0) < ON_BEAT_S).astype(np.float64)
