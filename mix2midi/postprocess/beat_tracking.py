"""Beats and bars of a song, from its transcribed drums.

A small network of this project reads the drum part and says how likely each moment is a beat and a downbeat. metricon
decodes that with the bar-pointer model of Krebs, Böck and Widmer ("An efficient state-space model for joint tempo and
meter tracking", ISMIR 2015). Measured here against madmom-infer, which decodes the same model: the same beats, 45 times
faster at 50 frames a second, and an hour of music in 0.8 GB where madmom-infer took 1.2 GB for four minutes; it also
knows priors over meters and anchors. Both are freely licensed; madmom's trained weights are not, and nothing here uses
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_decoder import (
    MAX_BEAT_BPM,
    METER_PRIOR,
    MIN_BEAT_BPM,
    MIN_EIGHTH_BPM,
    PADDING,
    counts_eighths,
    decode_beats,
)
from mix2midi.postprocess.beat_roll import BEAT_FPS, drum_roll, row_of_note
from mix2midi.postprocess.beat_smoothing import smooth_beats
from mix2midi.postprocess.beats import BeatOptions, Beats, TimeSignature
from mix2midi.postprocess.click import follow_click
from mix2midi.postprocess.compound_meter import EIGHTHS, hear_six_eighths
from mix2midi.postprocess.metrical_level import (
    OCTAVES,
    Heard,
    beat_likelihoods,
    count_onsets,
    is_misheard_in_part,
    is_shuffle,
    is_two_bars_of_three,
    likely_level,
    repeats_in_threes,
    tempo_of,
)
from mix2midi.postprocess.off_beat import find_long_notes, move_beats
from mix2midi.postprocess.pauses import keep_time_in_pauses

if TYPE_CHECKING:
    from mix2midi.postprocess.beat_network import BeatNetwork

#: Tempo of a song that says nothing about its own, in quarter notes per minute.
FALLBACK_TEMPO_BPM = 120.0
#: A beat needs a few repetitions before it can be told from chance.
MIN_ONSETS = 4
#: Where beats are decoded again at another level, or because a part was heard at one, the tempo may differ this much
#: from the song's: as much as players do, and less than 4:3.
SAME_LEVEL_RANGE = 0.2
#: How likely the beats of a part must be at the song's level, beside those at its own: a part that was misheard has its
#: beats there as well (.37 to 1.03 in grooves that it helps), one that is played at a tempo of its own mostly has not
#: (.05 in the median).
LEAST_RATIO_OF_LIKELIHOODS, SMALLEST_LIKELIHOOD = 1 / 3, 1e-3
#: Beats of two decodings this close are the same, in frames.
SAME_BEAT_FRAMES = 2
#: What the network's word on downbeats counts for, in logarithms of odds. It says the same of every bar of a pattern
#: that repeats, which is one piece of evidence and not one for each bar. Of 0.3, 0.5 and 1 the best for the downbeats
#: of 106 training grooves (F .752, .775 and .760; that was with the first network, whose successor cares less).
DOWNBEAT_TRUST = 0.5
#: Odds of a downbeat where nothing is known: one beat of four.
DOWNBEAT_ODDS = 1.0 / 3.0
#: How much the first hit of a song is taken for a downbeat, as logarithm of the odds: drums mostly enter on one. It
#: decides where the pattern repeats every half bar and nothing else tells its halves apart.
START_ODDS = 2.5
#: Fewer beats than this say nothing about whether the tempo is half or double, or whether they are swung second notes.
MIN_BEATS, MIN_BEATS_TO_SWING = 3, 8
#: Bounds of the share of downbeats among beats: never quite sure.
DOWNBEAT_SHARES = (0.02, 0.85)


def track_beats(
    notes: Sequence[DrumNote],
    duration_s: float,
    options: BeatOptions | None = None,
    *,
    network: BeatNetwork | None = None,
) -> Beats:
    """Find beats, bar lines and time signature of a drum part.

    Parameters
    ----------
    notes : sequence of DrumNote
        In order of onset.
    duration_s : float
        Length of the song.
    options : BeatOptions, optional
        What is known already.
    network : BeatNetwork, optional
        The shipped one by default, see `mix2midi.postprocess.beat_weights.load_beat_weights`.

    Returns
    -------
    Beats
        An even grid with a reason where there are too few hits to hear one.

    Raises
    ------
    ModelError
        The shipped weights are damaged.
    OptionError
        The downbeat that is given lies outside the song.
    """
    options = options or BeatOptions()
    if options.downbeat_s is not None and options.downbeat_s > duration_s:
        raise OptionError(f"a downbeat at {options.downbeat_s:g} s is after the song's end at {duration_s:.2f} s")
    if options.signature is not None and options.signature.beat_quarters > 1:
        in_quarters = TimeSignature(int(options.signature.bar_quarters), 4)
        beats = track_beats(notes, duration_s, replace(options, signature=in_quarters), network=network)
        return _in_longer_beats(beats, options.signature)
    onsets = count_onsets(np.array([note.onset_s for note in notes]))
    if onsets < MIN_ONSETS:
        counted = "1 onset is" if onsets == 1 else f"{onsets} onsets are"
        return _even_beats(duration_s, options, f"{counted} too few to hear a beat")
    observations = observe(beat_activations(notes, duration_s, network), notes[0].onset_s)
    times_s, position = _decode_level(observations, options, notes)
    if options.downbeat_s is None and not (position == 1).any():  # a song of hardly a bar; drums mostly enter on one
        known = replace(options, downbeat_s=notes[0].onset_s)
        times_s, position = _decode_level(observations, known, notes)
    if len(times_s) < 2 or not (position == 1).any():
        return _even_beats(duration_s, options, "no beat was heard")
    if options.signature is None:
        times_s, position = _in_six_eighths(times_s, position, observations, options, notes)
    times_s, position = keep_time_in_pauses(times_s, position, notes, options.downbeat_s)
    times_s = smooth_beats(times_s, notes)
    times_s, position = follow_click(times_s, position, notes, options.downbeat_s)
    signature = options.signature or _signature_of(position)
    return _cover(Beats(times_s, position, signature), duration_s)


def _in_six_eighths(
    times_s: NDArray[np.float64],
    position: NDArray[np.int64],
    observations: NDArray[np.float64],
    options: BeatOptions,
    notes: Sequence[DrumNote],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Eighths of 6/8, or beats of a shuffle, where others were taken from them; the beats as they are elsewhere."""
    # One eighth for each beat would halve a tempo that is given.
    eighths_s, first = hear_six_eighths(times_s, notes, (1, 2) if options.tempo_bpm is None else (2,))
    if first is None:
        return times_s, position
    if options.downbeat_s is not None:
        first = int(np.argmin(np.abs(eighths_s - options.downbeat_s)))
    in_bar = (np.arange(len(eighths_s)) - first) % EIGHTHS + 1
    if options.tempo_bpm is None and is_shuffle(eighths_s, in_bar, notes, triplets_per_beat=1):
        return decode_beats(observations, options, (4,), _around(tempo_of(eighths_s) / 3))
    return eighths_s, in_bar


def beat_activations(
    notes: Sequence[DrumNote], duration_s: float, network: BeatNetwork | None = None
) -> NDArray[np.float64]:
    """How likely each frame of 20 ms is a beat and a downbeat.

    Returns
    -------
    ndarray [shape=(2, frames), float64]
        Probabilities; row 0 counts downbeats as beats.
    """
    import torch

    from mix2midi.postprocess.beat_weights import load_beat_weights

    network = network or load_beat_weights()
    onset_s = np.array([note.onset_s for note in notes], dtype=np.float64)
    row = np.array([row_of_note(note.note) for note in notes], dtype=np.int64)
    velocity = np.array([note.velocity for note in notes], dtype=np.float64)
    # Velocities of a song are relative: its loudest hit counts as loudest there is.
    velocity = velocity / velocity.max(initial=1.0) * 127.0
    roll = drum_roll(onset_s, row, velocity, int(duration_s * BEAT_FPS) + 1)
    with torch.inference_mode():
        logits = network(torch.from_numpy(roll)[None])[0]
    return torch.sigmoid(logits.double()).numpy()


def observe(activations: NDArray[np.float64], first_onset_s: float) -> NDArray[np.float64]:
    """What the decoder sees: how likely each frame is a beat, and a downbeat, [2, frames] with `PADDING` around.

    The network's two answers do not know of each other, so where the bar may begin on either of two beats their
    difference is noise. It is bounded and weakened, and the first hit is made more likely to begin a bar.
    """
    beat, downbeat = activations
    beat = np.maximum(beat, downbeat)
    share = np.clip(downbeat / beat, *DOWNBEAT_SHARES)
    odds = (share / (1.0 - share)) ** DOWNBEAT_TRUST * DOWNBEAT_ODDS ** (1.0 - DOWNBEAT_TRUST)
    frame = round(first_onset_s * BEAT_FPS)
    odds[max(0, frame - 1) : frame + 2] *= np.exp(START_ODDS)
    share = odds / (1.0 + odds)
    return np.pad(np.stack([beat, beat * share]), ((0, 0), (PADDING, PADDING)))


def _decode_level(
    observations: NDArray[np.float64], options: BeatOptions, notes: Sequence[DrumNote]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Decode, and once more where the beats turn out to be eighths or halves, in the whole song or a part of it."""
    observations, times_s, position, meters = decode_on_beat(observations, options, notes)
    if options.tempo_bpm is not None or len(times_s) < MIN_BEATS:
        return times_s, position
    tempo_bpm = tempo_of(times_s)
    finds_eighths = options.signature is None and position.max() == 6
    if not finds_eighths and not counts_eighths(options):  # levels are those of quarters
        heard = Heard.of(notes, observations[0, PADDING:-PADDING])
        tempo_bpm *= likely_level(times_s, position, heard, (MIN_BEAT_BPM, MAX_BEAT_BPM))
    is_at_level = tempo_bpm == tempo_of(times_s)
    if is_at_level and not is_misheard_in_part(times_s):
        return times_s, position
    meters = tuple(beats for beats in meters if (beats == 6) == (position.max() == 6))
    again_s, again_position = decode_beats(observations, options, meters, _around(tempo_bpm))
    # No part is played at just half or double the tempo; at another one it may be.
    is_tempo_of_its_own = is_at_level and not is_misheard_in_part(times_s, OCTAVES)
    if is_tempo_of_its_own and _likelihood_ratio(again_s, times_s, observations) < LEAST_RATIO_OF_LIKELIHOODS:
        return times_s, position
    return again_s, again_position


def _likelihood_ratio(
    times_s: NDArray[np.float64], others_s: NDArray[np.float64], observations: NDArray[np.float64]
) -> float:
    """How likely beats are beside others, as geometric means over those that the two do not share; 1 without any."""
    beat = observations[0, PADDING:-PADDING]
    means = []
    near = np.arange(-SAME_BEAT_FRAMES, SAME_BEAT_FRAMES + 1)
    for own_s, other_s in ((times_s, others_s), (others_s, times_s)):
        is_shared = np.isin(np.rint(own_s * BEAT_FPS), np.rint(other_s * BEAT_FPS)[:, None] + near)
        if is_shared.all():
            return 1.0
        likelihoods = beat_likelihoods(own_s[~is_shared], beat)
        means.append(np.log(np.maximum(likelihoods, SMALLEST_LIKELIHOOD)).mean())
    return float(np.exp(means[0] - means[1]))


def _around(tempo_bpm: float) -> tuple[float, float]:
    """Slowest and fastest tempo at the same level."""
    return tempo_bpm * (1.0 - SAME_LEVEL_RANGE), tempo_bpm * (1.0 + SAME_LEVEL_RANGE)


def decode_on_beat(
    observations: NDArray[np.float64], options: BeatOptions, notes: Sequence[DrumNote]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], tuple[int, ...]]:
    """Decode, and once more where the beats turn out to be the second notes of a swung part.

    Returns
    -------
    observations, times_s, position, meters
        The observations may be others than before, see `mix2midi.postprocess.off_beat.move_beats`.
    """
    times_s, position, meters = _decode_meter(observations, options, notes)
    if options.downbeat_s is not None or len(times_s) < MIN_BEATS_TO_SWING or position.max() == 6:
        return observations, times_s, position, meters
    on_beat_s = find_long_notes(times_s, notes)
    if on_beat_s is None:
        return observations, times_s, position, meters
    moved = move_beats(observations, on_beat_s + PADDING / BEAT_FPS)
    return moved, *_decode_meter(moved, options, notes)


def _decode_meter(
    observations: NDArray[np.float64], options: BeatOptions, notes: Sequence[DrumNote]
) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[int, ...]]:
    """Decode, and once more where bars of threes turn out not to be: beats, positions, and the meters looked for."""
    meters = tuple(METER_PRIOR)
    times_s, position = decode_beats(observations, options, meters)
    if position.max(initial=0) == 6 and options.signature is None and tempo_of(times_s) < MIN_EIGHTH_BPM:
        meters = (3, 4)
        times_s, position = decode_beats(observations, options, meters)
    if position.max(initial=0) in (3, 6) and options.signature is None and not repeats_in_threes(times_s, notes):
        meters = (4,)
        times_s, position = decode_beats(observations, options, meters)
    if position.max(initial=0) == 6 and options.signature is None and is_shuffle(times_s, position, notes):
        # A bar of six counted eighths is one of four beats of three triplets each.
        meters = (4,)
        times_s, position = decode_beats(observations, options, meters, _around(tempo_of(times_s) * 4 / 6))
    if position.max(initial=0) == 6 and options.signature is None and is_two_bars_of_three(times_s, notes):
        meters = (3,)
        times_s, position = decode_beats(observations, options, meters, _around(tempo_of(times_s)))
    return times_s, position, meters


def _signature_of(position: NDArray[np.int64]) -> TimeSignature:
    """By the longest bar; of less than one bar nobody can tell, and most are in 4/4."""
    is_whole_bar = np.count_nonzero(position == 1) >= 2
    beats_per_bar = int(position.max()) if is_whole_bar else max(4, int(position.max()))
    return TimeSignature(beats_per_bar, 8 if beats_per_bar == 6 else 4)


def _in_longer_beats(beats: Beats, signature: TimeSignature) -> Beats:
    """Count halves or whole notes where quarters were counted, which is what tempos and their levels are known of."""
    step = int(signature.beat_quarters)
    first, last = beats.quarters(beats.times_s[[0, -1]]) / step
    number = np.arange(ceil(first), ceil(last) + 2)  # from the first downbeat on; two at least
    return replace(
        beats,
        times_s=beats.seconds(number * float(step)),
        position=number % signature.numerator + 1,
        signature=signature,
    )


def _even_beats(duration_s: float, options: BeatOptions, reason: str) -> Beats:
    """A steady grid for a song that says nothing about its time."""
    signature = options.signature or TimeSignature()
    beat_s = 60.0 / (options.tempo_bpm or FALLBACK_TEMPO_BPM) * float(signature.beat_quarters)
    start_s = options.downbeat_s or 0.0
    beats = Beats(np.array([start_s, start_s + beat_s]), np.array([1, 1 + 1 % signature.numerator]), signature, reason)
    return _cover(beats, duration_s)


def _cover(beats: Beats, duration_s: float) -> Beats:
    """Go on with the tempo of the ends, back to the start of the song and on to its end."""
    step_s = float(np.median(np.diff(beats.times_s[:9]))), float(np.median(np.diff(beats.times_s[-9:])))
    before = int(beats.times_s[0] / step_s[0])
    after = max(1, int(np.ceil((duration_s - beats.times_s[-1]) / step_s[1])))
    times_s = np.concatenate(
        [
            beats.times_s[0] - step_s[0] * np.arange(before, 0, -1),
            beats.times_s,
            beats.times_s[-1] + step_s[1] * np.arange(1, after + 1),
        ]
    )
    count = beats.signature.numerator
    head = (beats.position[0] - 1 - np.arange(before, 0, -1)) % count + 1
    tail = (beats.position[-1] - 1 + np.arange(1, after + 1)) % count + 1
    return replace(beats, times_s=times_s, position=np.concatenate([head, beats.position, tail]))
