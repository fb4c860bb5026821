"""The most likely beats of what a network heard, by metricon's bar-pointer model.

F. Krebs, S. Böck and G. Widmer, "An efficient state-space model for joint tempo and meter tracking", ISMIR 2015.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mix2midi.postprocess.beat_roll import BEAT_FPS
from mix2midi.postprocess.beats import BeatOptions

#: Beats per bar that are looked for, and how common they are. 6 stands for 6/8, counted in eighths. Drums alone hardly
#: tell 2/4 from 4/4, so 2/4 must be asked for.
METER_PRIOR = {4: 0.9, 3: 0.06, 6: 0.04}
#: Range of tempos that are looked for, in counted beats per minute.
MIN_BEAT_BPM, MAX_BEAT_BPM = 55.0, 220.0
#: A tempo that is given narrows the search to this much around it.
GIVEN_TEMPO_RANGE = 0.06
#: 6/8 with slower eighths than this is something else, heard wrongly.
MIN_EIGHTH_BPM = 115.0
#: Silence before and after the song for the decoder, in frames: a beat on the very first frame counts as well.
PADDING = BEAT_FPS // 2
#: Of a song longer than 15 minutes, the meter is that of its busiest 15: metricon decodes all meters at the same time,
#: which takes 0.8 GB for an hour of music, and one takes 0.4 GB.
METER_FRAMES = 15 * 60 * BEAT_FPS
#: Frames per second, number of tempos, and steepness of the prior against changes of tempo, as madmom decodes beats. A
#: beat lasts whole frames, so at the network's 50 a second 210 beats per minute are 14 and 15 frames by turns: changes
#: that cost more than to hear every third beat. Tempos of all frames at 100 a second give the same beats in 1.7 times
#: the time.
DECODED_FPS, DECODED_TEMPOS, TRANSITION_LAMBDA = 100, 60, 100.0


def decode_beats(
    observations: NDArray[np.float64],
    options: BeatOptions,
    meters: tuple[int, ...],
    tempos: tuple[float, float] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The most likely beats.

    Parameters
    ----------
    observations : ndarray [shape=(2, frames), float64]
        How likely each frame is a beat, and a downbeat, with `PADDING` around.
    options : BeatOptions
    meters : tuple of int
        Beats per bar that are looked for, unless the options name a time signature.
    tempos : tuple of float, optional
        Slowest and fastest, in counted beats per minute.

    Returns
    -------
    times_s, position : ndarray [shape=(beats,)]
        Seconds from the song's start, and positions in the bar from 1.
    """
    import metricon

    if options.signature is None and len(meters) > 1 and observations.shape[1] > METER_FRAMES:
        meters = _meter_of_busiest(observations, options, meters)
    settings = _decoder_settings(options, meters)
    if tempos is not None:
        settings["min_bpm"], settings["max_bpm"] = tempos
    settings |= {"num_tempi": DECODED_TEMPOS, "transition_lambda": TRANSITION_LAMBDA}
    tracker = metricon.DownbeatTracker(fps=DECODED_FPS, **settings)
    beat, downbeat = _on_finer_frames(observations)
    frames = metricon.Activations.from_activations(beat, downbeat, fps=DECODED_FPS)
    anchors = None if options.downbeat_s is None else [options.downbeat_s + PADDING / BEAT_FPS]
    found = tracker.track(frames, downbeat_anchors=anchors, snap="center")
    times_s = np.asarray(found.times, dtype=np.float64) - PADDING / BEAT_FPS
    end_s = (observations.shape[1] - 2 * PADDING) / BEAT_FPS
    inside = (times_s >= -1.0 / BEAT_FPS) & (times_s < end_s)
    return times_s[inside], np.asarray(found.numbers, dtype=np.int64)[inside]


def _on_finer_frames(observations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Observations [2, frames] at `DECODED_FPS` instead of `BEAT_FPS`."""
    frames = np.arange(observations.shape[1])
    finer = np.arange(0, frames[-1] + 1e-9, BEAT_FPS / DECODED_FPS)
    return np.stack([np.interp(finer, frames, row) for row in observations])


def _meter_of_busiest(
    observations: NDArray[np.float64], options: BeatOptions, meters: tuple[int, ...]
) -> tuple[int, ...]:
    """The meter of the `METER_FRAMES` with the most beats."""
    beats = np.cumsum(observations[0])
    start = int(np.argmax(beats[METER_FRAMES:] - beats[:-METER_FRAMES])) + 1
    # A downbeat says where bars begin, not how long they are, and it may lie elsewhere.
    _, position = decode_beats(observations[:, start : start + METER_FRAMES], replace(options, downbeat_s=None), meters)
    meter = int(position.max(initial=0))
    return (meter,) if meter in meters else meters


def _decoder_settings(options: BeatOptions, meters: tuple[int, ...]) -> dict[str, Any]:
    """Meters and tempos to look for."""
    settings: dict[str, Any] = {"beats_per_bar": meters, "meter_prior": METER_PRIOR}
    settings |= {"min_bpm": MIN_BEAT_BPM, "max_bpm": MAX_BEAT_BPM}
    beat_quarters = Fraction(1)
    if options.signature is not None:
        beat_quarters = options.signature.beat_quarters
        settings |= {"beats_per_bar": (options.signature.numerator,), "meter_prior": None}
        settings["max_bpm"] = MAX_BEAT_BPM / min(1.0, float(beat_quarters)) ** 0.5
        if counts_eighths(options):
            settings["min_bpm"] = MIN_EIGHTH_BPM
    if options.tempo_bpm is not None:
        tempo_bpm = options.tempo_bpm / float(beat_quarters)
        settings["min_bpm"] = tempo_bpm * (1.0 - GIVEN_TEMPO_RANGE)
        settings["max_bpm"] = tempo_bpm * (1.0 + GIVEN_TEMPO_RANGE)
        if options.signature is None:
            # A tempo in quarters says nothing about eighths: look for meters that count quarters.
            settings["beats_per_bar"] = tuple(beats for beats in meters if beats != 6)
    return settings


def counts_eighths(options: BeatOptions) -> bool:
    """Whether the beats that are asked for are eighths, or shorter."""
    return options.signature is not None and options.signature.beat_quarters < 1
