"""The low end of a drum stem, made again of what each drum sounds like in this very song.

A mask cannot part a kick from the bass that sounds with it: they share their bins. But a drum sounds alike each time it
is hit, and the band beside it does not: the median of all kicks of a song, aligned to a fraction of a millisecond, is
the kick without the bass, and each hit is that sound again, as loud as it was here. Repetition is what Rafii and Pardo
separate by ("REpeating Pattern Extraction Technique (REPET)", IEEE TASLP 2013); that drums repeat, and when, is known
here from the transcription, as in score-informed separation (Ewert et al., IEEE Signal Processing Magazine 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

#: Where this is done, and the sampling rate that is enough for it. Above, drums differ from hit to hit.
CUTOFF_HZ, LOW_RATE_HZ = 400.0, 4410
#: What of a hit repeats: from before its onset on, how long in all, and how long it fades out.
_BEFORE_S, _LENGTH_S, _FADE_S = 0.012, 0.2, 0.067
#: A drum that is hit less often keeps what the separator gave it; and so many hits are enough to tell its sound by.
_MIN_HITS, _MOST_HITS = 4, 200
#: Onsets are known to a few milliseconds, and low drums add up only where they are in phase.
_SHIFT_S, _ROUNDS = 0.002, 3
#: The loudest hit beside the usual one, and how loud a softer one is taken to be where it tells about the sound.
_LOUDEST, _SOFTEST_TOLD = 1.6, 0.2
#: Of what a mask removes, this share is taken to be left in the stem, or lost with it.
_LEAKAGE = 0.4
#: Over how many seconds that is judged, and what repeated sounds count for at most: hits may be missed or made up.
_JUDGED_S, _LARGEST_SHARE = 1.0, 0.75
#: Kits and sounds change in the course of a record, and memory is not to grow with it: so long a stretch is made at a
#: time, with so much around it, and fades into the next one.
_STRETCH_S, _MARGIN_S, _SEAM_S = 240.0, 1.0, 0.2


def change_low_end(mix: Samples, stem: Samples, drums: Sequence[NDArray[np.floating]]) -> Samples:
    """What to add to a drum stem for its low end to be that of its drums as they sound throughout the song.

    Parameters
    ----------
    mix, stem : ndarray of float32 [channels, samples]
        A song and what a mask took out of it, at `LOW_RATE_HZ`; channels are treated one by one.
    drums : sequence of ndarray [shape=(hits,)]
        Of each drum with a low end (kick, snare, each tom) its onsets in seconds, rising.

    Returns
    -------
    ndarray of float32 [channels, samples]
        At `LOW_RATE_HZ`, with nothing above `CUTOFF_HZ`. Next to nothing where the stem is all there is in the mix.
    """
    samples, margin = stem.shape[1], round(_MARGIN_S * LOW_RATE_HZ)
    change = np.zeros_like(stem)
    edges = np.linspace(0, samples, 1 + max(1, round(samples / (_STRETCH_S * LOW_RATE_HZ)))).astype(np.int64)
    for first, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        begin, end, weight = _faded(first, stop, samples)
        local_s = [np.asarray(onsets, dtype=np.float64) + _MARGIN_S - first / LOW_RATE_HZ for onsets in drums]
        for channel in range(stem.shape[0]):
            of_mix, of_stem = (_low_pass(_cut(part[channel], first, stop, margin)) for part in (mix, stem))
            own = _change(of_mix, of_stem, local_s)[margin - (first - begin) : margin + end - first]
            change[channel, begin:end] += (weight * own).astype(np.float32)
    return change


def _faded(first: int, stop: int, samples: int) -> tuple[int, int, NDArray[np.float64]]:
    """From where to where a stretch counts, and how much: neighbours, whose sounds differ, fade into each other."""
    half = round(_SEAM_S * LOW_RATE_HZ / 2)
    begin, end = max(0, first - half), min(samples, stop + half)
    position = np.arange(begin, end, dtype=np.float64)
    weight = np.ones(len(position))
    if first > 0:
        weight *= np.clip((position - first + half) / (2 * half), 0.0, 1.0)
    if stop < samples:
        weight *= np.clip((stop + half - position) / (2 * half), 0.0, 1.0)
    return begin, end, weight


def _cut(audio: NDArray[np.float32], first: int, stop: int, margin: int) -> NDArray[np.float64]:
    """A stretch with so much around it, silence where there is nothing more."""
    begin, end = max(0, first - margin), min(len(audio), stop + margin)
    silence = (margin - (first - begin), margin - (end - stop))
    return np.pad(audio[begin:end].astype(np.float64), silence)


def _change(
    mix: NDArray[np.float64], stem: NDArray[np.float64], drums: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The way from the stem to the model, as far as the stem is in doubt.

    Of two estimates whose errors do not know of each other the mean that errs least weighs each with the other's power
    of error. That of the stem is a share of what the mask removed, and both together are the difference of the two.
    """
    from scipy.ndimage import uniform_filter1d

    model = _model(mix, stem, drums)
    judged = round(_JUDGED_S * LOW_RATE_HZ)
    removed, apart = (uniform_filter1d(part**2, judged, mode="constant") for part in (mix - stem, model - stem))
    share = np.minimum(_LEAKAGE * removed / np.maximum(apart, np.finfo(np.float32).tiny), _LARGEST_SHARE)
    return _low_pass(share * (model - stem))


@dataclass
class _Drum:
    """One drum: samples at which its hits begin, how loud they are, and its sound, as long as the window."""

    start: NDArray[np.int64]
    loudness: NDArray[np.float64]
    sound: NDArray[np.float64]


def _low_pass(audio: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal import butter, sosfiltfilt

    filtered: NDArray[np.float64] = sosfiltfilt(butter(4, CUTOFF_HZ, fs=LOW_RATE_HZ, output="sos"), audio)
    return filtered


def _model(
    mix: NDArray[np.float64], stem: NDArray[np.float64], drums: Sequence[NDArray[np.floating]]
) -> NDArray[np.float64]:
    """The low end made of repeated sounds; that of drums that are hit seldom is the stem's."""
    shift, window = round(_SHIFT_S * LOW_RATE_HZ), _window()
    starts = [_starts_inside(onsets, len(window), shift, len(mix)) for onsets in drums]
    nothing = np.zeros(len(window))
    known = [_Drum(start, np.ones(len(start)), nothing) for start in starts if len(start) >= _MIN_HITS]
    played = np.zeros(len(mix))
    for _ in range(_ROUNDS):
        for drum in known:
            others = played - _play(drum, len(mix))
            _learn_sound(drum, mix - others, window)
            _place_hits(drum, mix - others, shift)
            played = others + _play(drum, len(mix))
    for start in starts:
        if len(start) < _MIN_HITS:
            for first in start:
                part = slice(first, first + len(window))
                played[part] += window * (stem[part] - played[part])
    return played


def _window() -> NDArray[np.float64]:
    """Fades in before the onset, and out at the end."""
    length, rise, fall = (round(seconds * LOW_RATE_HZ) for seconds in (_LENGTH_S, _BEFORE_S / 2, _FADE_S))
    window = np.ones(length)
    window[:rise], window[-fall:] = np.linspace(0.0, 1.0, rise), np.linspace(1.0, 0.0, fall)
    return window


def _starts_inside(onsets_s: NDArray[np.floating], length: int, shift: int, samples: int) -> NDArray[np.int64]:
    start = np.rint((np.asarray(onsets_s) - _BEFORE_S) * LOW_RATE_HZ).astype(np.int64)
    return start[(start >= shift) & (start + length + shift <= samples)]


def _play(drum: _Drum, samples: int) -> NDArray[np.float64]:
    audio = np.zeros(samples)
    for start, loudness in zip(drum.start, drum.loudness, strict=True):
        audio[start : start + len(drum.sound)] += loudness * drum.sound
    return audio


def _learn_sound(drum: _Drum, rest: NDArray[np.float64], window: NDArray[np.float64]) -> None:
    """The median of its hits, each brought to the same loudness."""
    told = np.unique(np.linspace(0, len(drum.start) - 1, _MOST_HITS).astype(np.int64))
    hits = rest[drum.start[told][:, None] + np.arange(len(window))]
    drum.sound = window * np.median(hits / np.maximum(drum.loudness[told], _SOFTEST_TOLD)[:, None], axis=0)


def _place_hits(drum: _Drum, rest: NDArray[np.float64], shift: int) -> None:
    """Move each hit to where it is most like the sound, and find how loud it is."""
    length = len(drum.sound)
    around = rest[drum.start[:, None] + np.arange(-shift, length + shift)]
    likeness = np.lib.stride_tricks.sliding_window_view(around, length, axis=1) @ drum.sound  # [hits, shifts]
    best = likeness.argmax(axis=1)
    energy = max(float(drum.sound @ drum.sound), np.finfo(np.float64).tiny)
    loudness = np.take_along_axis(likeness, best[:, None], axis=1)[:, 0] / energy
    drum.loudness = np.clip(loudness, 0.0, _LOUDEST)
    drum.start = np.clip(drum.start + best - shift, shift, len(rest) - length - shift)
