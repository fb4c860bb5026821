"""Which tom it was: the toms of a song sound at a few pitches, and what sounds at one pitch is one drum.

The network names each stroke by itself, and between two names it wavers: of 144 strokes of one tom it called 107 high
and 37 low. Its word is worth more when all strokes at a pitch are asked together. Which of them is the high one stays
with the network, within reason: a higher pitch never gets a lower name.

Only pitches that a song plays several times are named anew. Parameters were chosen on renders of left-out kits and of
kits of an unknown maker, alone, in mixes and separated; all of them lie on plateaus. docs/model-card.md has the gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioSource, read_audio
from mix2midi.drums import PIECES_BY_KEY, TOMS, family_of_note
from mix2midi.notes import DrumNote
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.units import seconds_to_frames

#: Sampling rate at which pitches are measured; an hour takes 29 MB.
_RATE_HZ = 2000
#: Where heads of toms ring, from a large floor tom to a small synthetic one, and the steps that are looked at.
_LOWEST_HZ, _HIGHEST_HZ, _STEPS_PER_SEMITONE = 60.0, 330.0, 4
#: What is listened to: from after the stick's noise on, until the next tom, but not shorter than half of a period's
#: resolution allows; and as long before the stroke, of what sounded already.
_AFTER_S, _LISTEN_S, _SHORTEST_S, _BEFORE_S = 0.012, 0.160, 0.050, 0.025
#: What a stroke adds is at least this share of what sounds after it.
_LEAST_ADDED = 0.02
_FFT_LENGTH = 2048
#: Kick and snare ring at the same pitches; a tom with one of them this near counts for less.
_COMPANY_S, _COMPANY_WEIGHT = (-0.04, 0.10), 0.15
#: In semitones: how far strokes of one drum scatter, how near two drums are at least, and up to where a stroke belongs
#: to a pitch.
_SCATTER, _NEAREST_DRUMS, _REACH = 0.7, 2.0, 1.5
#: A pitch is a drum's from so many strokes on, and so large a share of all.
_FEWEST_STROKES, _SMALLEST_SHARE = 4.0, 0.08
#: Semitones from which on two pitches are rather two drums than one, and what each semitone beside that counts for
#: against the network's word, in logarithms of odds.
_APART, _APART_WEIGHT = 3.5, 1.5
_DOUBT = 0.02  # the network is never quite sure


@dataclass(frozen=True)
class _Pitch:
    """A pitch of the song: where it lies in semitones, its strokes, their weight, and log odds of `TOMS` for each."""

    semitone: float
    strokes: NDArray[np.int64]
    weight: float
    log_odds: NDArray[np.float64]


def name_toms(notes: Sequence[DrumNote], heat_map: HeatMap, source: AudioSource) -> list[DrumNote]:
    """Give strokes of one tom one name.

    Parameters
    ----------
    notes : sequence of DrumNote
        As `pick_notes` gives them.
    heat_map : HeatMap
        What they were picked from.
    source : AudioSource
        The drums, or the mix where nothing else was heard; read once more where there are toms.

    Returns
    -------
    list of DrumNote
        Sorted; toms may be others, and nothing else has changed.

    Raises
    ------
    AudioError
        The source turns out to be unreadable.
    """
    places = [index for index, note in enumerate(notes) if family_of_note(note.note) == "toms"]
    if len(places) < _FEWEST_STROKES or not set(TOMS) <= set(heat_map.pieces):
        return list(notes)
    onset_s = np.array([notes[index].onset_s for index in places])
    semitone = _semitones(read_audio(source, _RATE_HZ, mono=True)[0], onset_s)
    pitches = _find_pitches(semitone, _weights(onset_s, notes), _log_odds(heat_map, onset_s))
    renamed = list(notes)
    for pitch, key in zip(pitches, _best_names(pitches), strict=True):
        for stroke in pitch.strokes:
            renamed[places[stroke]] = replace(notes[places[stroke]], note=PIECES_BY_KEY[key].note)
    return sorted(renamed)


def _semitones(samples: NDArray[np.float32], onset_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each stroke adds most to the spectrum, in semitones above 1 Hz."""
    steps = int(12 * _STEPS_PER_SEMITONE * np.log2(_HIGHEST_HZ / _LOWEST_HZ))
    grid = 12 * np.log2(_LOWEST_HZ) + np.arange(steps + 1) / _STEPS_PER_SEMITONE
    bin_hz = np.fft.rfftfreq(_FFT_LENGTH, 1.0 / _RATE_HZ)
    next_s = np.append(onset_s[1:], np.inf)
    found = []
    for start_s, end_s in zip(onset_s, next_s, strict=True):
        length = round(np.clip(end_s - start_s - _AFTER_S, _SHORTEST_S, _LISTEN_S) * _RATE_HZ)
        after = _power(samples, round((start_s + _AFTER_S) * _RATE_HZ), length)
        before = _power(samples, round((start_s + _AFTER_S - _BEFORE_S) * _RATE_HZ) - length, length)
        added = np.maximum(after - before, _LEAST_ADDED * after)
        found.append(grid[np.interp(2.0 ** (grid / 12.0), bin_hz, added).argmax()])
    return np.array(found)


def _power(samples: NDArray[np.float32], start: int, length: int) -> NDArray[np.float64]:
    """Power spectrum of a stretch; silence where it lies outside."""
    inside = samples[max(0, start) : max(0, start + length)]
    stretch = np.pad(inside, (min(length, max(0, -start)), 0))[:length]
    spectrum = np.fft.rfft(stretch * np.hanning(len(stretch)), _FFT_LENGTH)
    return np.asarray(np.abs(spectrum) ** 2, dtype=np.float64)


def _weights(onset_s: NDArray[np.float64], notes: Sequence[DrumNote]) -> NDArray[np.float64]:
    """What each stroke counts for: less where kick or snare sound with it."""
    others_s = np.array([note.onset_s for note in notes if family_of_note(note.note) in ("kick", "snare")])
    first, last = (np.searchsorted(others_s, onset_s + edge_s) for edge_s in _COMPANY_S)
    return np.where(first == last, 1.0, _COMPANY_WEIGHT)


def _log_odds(heat_map: HeatMap, onset_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the network says of each stroke, as logarithms of shares [strokes, len(TOMS)]."""
    rows = [heat_map.pieces.index(key) for key in TOMS]
    frames = np.rint(seconds_to_frames(onset_s, heat_map.hop_length, heat_map.rate_hz)).astype(np.int64)
    near = np.clip(frames[:, None] + np.arange(-1, 2), 0, heat_map.onset.shape[1] - 1)
    activation = heat_map.onset[rows][:, near].max(axis=2).T.astype(np.float64) + _DOUBT
    return np.log(activation / activation.sum(axis=1, keepdims=True))


def _find_pitches(
    semitone: NDArray[np.float64], weight: NDArray[np.float64], log_odds: NDArray[np.float64]
) -> list[_Pitch]:
    """The pitches that a song plays several times, at most one for each of `TOMS`, from low to high."""
    modes = _modes(semitone, weight)
    distance = np.abs(semitone[:, None] - modes)
    nearest = distance.argmin(axis=1)
    found = []
    for index, mode in enumerate(modes):
        strokes = np.flatnonzero((nearest == index) & (distance[:, index] < _REACH))
        total = float(weight[strokes].sum())
        if total >= max(_FEWEST_STROKES, _SMALLEST_SHARE * float(weight.sum())):
            mean = np.average(log_odds[strokes], axis=0, weights=weight[strokes])
            found.append(_Pitch(float(mode), strokes, total, mean))
    heaviest = sorted(found, key=lambda pitch: -pitch.weight)[: len(TOMS)]
    return sorted(heaviest, key=lambda pitch: pitch.semitone)


def _modes(semitone: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Peaks of the density of pitches, the heaviest first; of two that are one drum's the heavier one."""
    from scipy.signal import find_peaks

    grid = np.arange(semitone.min() - 1.0, semitone.max() + 1.0, 0.05)
    density = weight @ np.exp(-0.5 * ((grid - semitone[:, None]) / _SCATTER) ** 2)
    peaks, _ = find_peaks(density)
    modes: list[float] = []
    for peak in peaks[np.argsort(-density[peaks])]:
        if all(abs(grid[peak] - mode) >= _NEAREST_DRUMS for mode in modes):
            modes.append(float(grid[peak]))
    return np.array(modes)


def _best_names(pitches: Sequence[_Pitch]) -> list[str]:
    """Keys of `TOMS` for pitches from low to high: what the network says most, as far as the pitches allow it."""
    lowest_first = TOMS[::-1]

    def likelihood(names: tuple[int, ...]) -> float:
        said = sum(
            float(np.sqrt(pitch.weight) * pitch.log_odds[TOMS.index(lowest_first[name])])
            for pitch, name in zip(pitches, names, strict=True)
        )
        gaps = np.diff([pitch.semitone for pitch in pitches])
        is_one = np.diff(names) == 0
        contradicts = np.maximum(0.0, np.where(is_one, gaps - _APART, _APART - gaps))
        return said - _APART_WEIGHT * float(contradicts.sum())

    best = max(combinations_with_replacement(range(len(TOMS)), len(pitches)), key=likelihood)
    return [lowest_first[name] for name in best]
