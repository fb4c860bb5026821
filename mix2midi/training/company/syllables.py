"""Recorded syllables cut into consonant, vowel and end, and laid onto new pitches and lengths.

Pitch-synchronous overlap-add (Moulines and Charpentier, 1990): periods of the vowel are repeated or left out and set
at the distance of the new pitch; consonants are copied as they are, since theirs are the attacks that resemble drums.
A vocoder (WORLD) sounds no better for this purpose and ran at twice real time, fifty times slower.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shutil import which

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from scipy.signal import medfilt

from mix2midi.training.company.production import Audio
from mix2midi.training.flags import longest_run
from mix2midi.training.kits import RATE_HZ

_FRAME = 2048
_HOP = 256
_LOWEST_HZ, _HIGHEST_HZ = 75.0, 420.0
_VOICED = 0.55
_MAX_SYLLABLE_S = 1.2
_FLOOR, _GAP_S = 0.02, 0.12

# Short words with the consonants that drums are mistaken for, sung and rapped by espeak-ng.
_WORD_LIST = """
stop take kiss this sky fast trust back street shake touch fire light night dance breaks cash sweet east west kick
chance tough speak city six flesh ship gold time heart road love burn deep star snow spin trick black wheel crash
tell chase slip mist hot skip talk task pitch steps rise fall dream wait fight such things just cut sick twist
"""
WORDS = tuple(_WORD_LIST.split())


@dataclass(frozen=True, eq=False)
class Syllable:
    """A syllable at 44.1 kHz: samples, the pitch marks of its vowel, and the vowel's mean period in samples."""

    samples: Audio
    marks: NDArray[np.int64]
    period: float

    @property
    def pitch(self) -> float:
        """MIDI pitch at which it was spoken."""
        return float(69 + 12 * np.log2(RATE_HZ / self.period / 440.0))


def read_mono(path: Path, start_s: float = 0.0, duration_s: float | None = None) -> Audio:
    """A stretch of a sound file as mono at 44.1 kHz."""
    with sf.SoundFile(path) as opened:
        rate_hz = opened.samplerate
        opened.seek(int(start_s * rate_hz))
        frames = -1 if duration_s is None else int(duration_s * rate_hz)
        samples = opened.read(frames, dtype="float32", always_2d=True).mean(axis=1)
    return to_rate(samples, rate_hz)


def to_rate(samples: Audio, rate_hz: int) -> Audio:
    """Resample to 44.1 kHz."""
    if rate_hz == RATE_HZ or len(samples) == 0:
        return samples.astype(np.float32)
    import soxr

    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), dtype=np.float32)


def trim(samples: Audio) -> Audio:
    """Cut what is quieter than a fiftieth of the peak at both ends."""
    loud = np.flatnonzero(np.abs(samples) > _FLOOR * np.abs(samples).max(initial=1e-9))
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def cut_syllable(samples: Audio) -> Syllable | None:
    """Find the vowel and its pitch marks; None where there is no steady voice of at least 60 ms."""
    samples = trim(samples)[: int(_MAX_SYLLABLE_S * RATE_HZ)]
    if len(samples) < 3 * _FRAME:
        return None
    samples = samples / np.abs(samples).max()
    periods, clarity = _periods(samples)
    voiced = medfilt((clarity > _VOICED).astype(float), 5) > 0
    first, stop = longest_run(voiced)
    if (stop - first) * _HOP < 0.06 * RATE_HZ:
        return None
    marks = _pitch_marks(samples, medfilt(periods, 5), first, stop)
    if len(marks) < 6:
        return None
    return Syllable(samples.astype(np.float32), marks, float(np.mean(np.diff(marks))))


def _periods(samples: Audio) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Period in samples and clarity (0..1) of every frame, from the normalised autocorrelation."""
    starts = np.arange(0, len(samples) - _FRAME, _HOP)
    frames = samples[starts[:, None] + np.arange(_FRAME)] * np.hanning(_FRAME)  # [frame, sample]
    spectra = np.fft.rfft(frames, 2 * _FRAME)
    correlation = np.fft.irfft(np.abs(spectra) ** 2)[:, :_FRAME]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(_FRAME), 2 * _FRAME)) ** 2)[:_FRAME]
    correlation = correlation / np.maximum(correlation[:, :1], 1e-9) / (window / window[0]).clip(0.05)
    low, high = int(RATE_HZ / _HIGHEST_HZ), int(RATE_HZ / _LOWEST_HZ)
    search = correlation[:, low:high] * np.linspace(1.0, 0.85, high - low)
    best = search.argmax(axis=1)
    loudness = np.sqrt(np.mean(frames**2, axis=1))
    clarity = search[np.arange(len(best)), best] * (loudness > 0.05 * loudness.max())
    return (best + low).astype(np.float64), clarity


def _pitch_marks(samples: Audio, periods: NDArray[np.float64], first: int, stop: int) -> NDArray[np.int64]:
    """Positions of the glottal pulses: each the highest peak within a fifth of a period of where it is expected."""
    position = first * _HOP + _FRAME // 2
    last = min(stop * _HOP + _FRAME // 2, len(samples) - 1)
    marks: list[int] = []
    while position < last:
        period = periods[min(max((position - _FRAME // 2) // _HOP, 0), len(periods) - 1)]
        reach = int(period / (2 if not marks else 5))
        start = max(0, position - reach)
        mark = start + int(np.argmax(samples[start : position + reach + 1]))
        if marks and mark <= marks[-1]:
            break
        marks.append(mark)
        position = mark + int(period)
    return np.array(marks, dtype=np.int64)


@lru_cache(maxsize=400)
def load_syllable(path: Path) -> Syllable | None:
    """The syllable in a sound file, cut; None where there is none or the file cannot be read."""
    try:
        return cut_syllable(read_mono(path, 0.0, 4.0))
    except (sf.LibsndfileError, RuntimeError):
        return None


def has_espeak() -> bool:
    """Whether espeak-ng is installed."""
    return which("espeak-ng") is not None


@lru_cache(maxsize=40)
def speak_words(voice: str, words: tuple[str, ...]) -> tuple[Syllable, ...]:
    """Words spoken one by one by a voice of espeak-ng, cut as syllables."""
    command = ["espeak-ng", "-v", voice, "-s", "140", "-g", "40", "--stdout", " , ".join(words)]
    spoken = subprocess.run(command, capture_output=True, check=False).stdout
    try:
        samples, rate_hz = sf.read(io.BytesIO(spoken), dtype="float32")
    except sf.LibsndfileError:
        return ()
    cut = (cut_syllable(piece) for piece in split_at_silence(to_rate(samples, rate_hz)))
    return tuple(syllable for syllable in cut if syllable is not None)


def split_at_silence(samples: Audio) -> list[Audio]:
    """Pieces between silences of at least 0.12 s."""
    hop = RATE_HZ // 100
    n_hops = len(samples) // hop
    if n_hops == 0:
        return []
    loud = np.abs(samples[: n_hops * hop]).reshape(n_hops, hop).max(axis=1) > 0.01 * np.abs(samples).max()
    edges = np.flatnonzero(loud)
    if len(edges) == 0:
        return []
    breaks = np.flatnonzero(np.diff(edges) > _GAP_S * 100)
    firsts = np.concatenate(([edges[0]], edges[breaks + 1]))
    lasts = np.concatenate((edges[breaks], [edges[-1]]))
    return [samples[first * hop : (last + 1) * hop] for first, last in zip(firsts, lasts, strict=True)]


def sing_syllable(syllable: Syllable, pitch: NDArray[np.float64], hop: int = 64) -> tuple[Audio, int]:
    """Sing a syllable on a pitch curve.

    Parameters
    ----------
    syllable : Syllable
    pitch : float64 [hops]
        MIDI pitch of the vowel every `hop` samples; its length sets the vowel's.
    hop : int

    Returns
    -------
    sound : float32 [samples]
        Consonant, vowel and end.
    n_before : int
        Samples before the vowel: start that much before the beat.
    """
    n_vowel = len(pitch) * hop
    first, last = int(syllable.marks[0]), int(syllable.marks[-1])
    half = int(syllable.period) + 1
    out = np.zeros(first + n_vowel + (len(syllable.samples) - last) + 2 * half, dtype=np.float32)
    fade = min(half, first)
    if first:
        head = syllable.samples[:first].copy()
        head[first - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        out[:first] += head
    source = np.concatenate([np.zeros(half, np.float32), syllable.samples, np.zeros(2 * half, np.float32)])
    position, window = 0.0, np.hanning(2 * half + 1).astype(np.float32)
    while position < n_vowel:
        mark = syllable.marks[min(int(position / n_vowel * len(syllable.marks)), len(syllable.marks) - 1)]
        start = first + int(position)
        grain = source[mark : mark + 2 * half + 1] * window
        lead = max(0, half - start)
        out[start - half + lead : start + half + 1] += grain[lead:]
        position += RATE_HZ / (440.0 * 2 ** ((pitch[min(int(position) // hop, len(pitch) - 1)] - 69) / 12))
    tail = syllable.samples[last:].copy()
    rise = min(half, len(tail))
    tail[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    out[first + n_vowel : first + n_vowel + len(tail)] += tail
    return out, first
