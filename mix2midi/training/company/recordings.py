"""Real recordings: passages of freely licensed music in which nothing percussive is heard.

The test is a first sieve, meant to drop too much rather than too little: it counts broadband attacks, frames in which
most of the spectrum rises at once. `filter_pool` in `transcription/training/company_sieve.py` is the second, with our
own network.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.training.company.production import Audio, at_level
from mix2midi.training.company.recipe import Source
from mix2midi.training.company.score import Rng
from mix2midi.training.company.syllables import read_mono
from mix2midi.training.flags import runs_of
from mix2midi.training.kits import RATE_HZ

FRAME_RATE_HZ = 100
_HOP = RATE_HZ // FRAME_RATE_HZ
_WINDOW = 1024
_LOWEST_HZ, _HIGHEST_HZ = 1500.0, 14000.0
_RISE_DB = 9.0
_BROADBAND = 0.4
_STEP_S = 1.0
_MAX_ATTACKS_PER_S = 0.34
_REACH_S = 6.0
_MIN_PASSAGE_S = 12.0
_SILENT = 1e-3
_FADE_S = 0.5


def broadband_attacks(audio: Audio) -> NDArray[np.float32]:
    """Share of the bins from 1.5 to 14 kHz that rise by at least 9 dB within 20 ms, 100 times a second.

    Parameters
    ----------
    audio : float32 [samples]
        At 44.1 kHz.

    Returns
    -------
    shares : float32 [frames]
        0..1; above 0.4 at most drum hits with a skin, a stick or a cymbal, seldom at a piano's or a guitar's notes.
    """
    n_frames = max(0, (len(audio) - _WINDOW) // _HOP + 1)
    if n_frames < 3:
        return np.zeros(n_frames, dtype=np.float32)
    frequency_hz = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ)
    band = (frequency_hz >= _LOWEST_HZ) & (frequency_hz <= _HIGHEST_HZ)
    window = np.hanning(_WINDOW).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[::_HOP]
    shares = np.zeros(n_frames, dtype=np.float32)
    floor = 1e-4 * max(float(np.abs(audio).max()), 1e-6)
    for start in range(0, n_frames, 2000):
        # Two frames of overlap with the last chunk, so that rises across the seam are seen.
        first = max(0, start - 2)
        spectra = np.abs(np.fft.rfft(views[first : start + 2000] * window, axis=1))[:, band]  # [frame, bin]
        level_db = 20 * np.log10(spectra / _WINDOW + floor * 0.05)
        rise_db = level_db[2:] - level_db[:-2]
        shares[first + 2 : first + 2 + len(rise_db)] = np.mean(rise_db > _RISE_DB, axis=1)
    return shares


def attack_times(shares: NDArray[np.float32]) -> NDArray[np.int64]:
    """Frames at which the share of the bins is that of an attack, at most every 50 ms."""
    over = np.flatnonzero(shares > _BROADBAND)
    if len(over) == 0:
        return over
    return over[np.concatenate(([True], np.diff(over) > 5))]


@lru_cache(maxsize=500)
def quiet_passages(path: Path) -> tuple[tuple[float, float], ...]:
    """(start_s, stop_s) of passages of at least 12 s with few broadband attacks and with sound.

    A second counts as percussive when the six seconds around it hold more than one attack in three seconds.
    """
    try:
        audio = read_mono(path)
    except (sf.LibsndfileError, RuntimeError):
        return ()
    n_steps = int(len(audio) / RATE_HZ / _STEP_S)
    attacks = np.bincount(
        (attack_times(broadband_attacks(audio)) / (FRAME_RATE_HZ * _STEP_S)).astype(int), minlength=n_steps + 1
    )[:n_steps]
    reach = np.ones(int(_REACH_S / _STEP_S)) / _REACH_S
    is_calm = np.convolve(attacks, reach, "same") <= _MAX_ATTACKS_PER_S if n_steps >= len(reach) else attacks == 0
    power = np.mean(np.square(audio[: n_steps * RATE_HZ].reshape(n_steps, RATE_HZ)), axis=1) if n_steps else np.zeros(0)
    fit = is_calm & (power > 1e-5)
    return tuple((float(start), float(stop)) for start, stop in runs_of(fit) if stop - start >= _MIN_PASSAGE_S)


def draw_passage(source: Source, duration_s: float, rng: Rng) -> tuple[Audio, Path] | None:
    """Up to `duration_s` of a calm passage of one file of a source, and the file; None where five tries find none."""
    for index in rng.permutation(len(source.files))[:5]:
        passages = quiet_passages(source.files[index])
        if not passages:
            continue
        lengths = np.array([stop - start for start, stop in passages])
        start_s, stop_s = passages[int(rng.choice(len(passages), p=lengths / lengths.sum()))]
        length_s = min(duration_s, stop_s - start_s)
        audio = read_mono(source.files[index], start_s + rng.uniform(0, stop_s - start_s - length_s), length_s)
        return at_level(audio, -20.0), source.files[index]
    return None


def draw_stretch(source: Source, duration_s: float, rng: Rng) -> tuple[Audio, Path]:
    """Up to `duration_s` of a track that is known to hold no drums, however hard it attacks, and its file.

    Raises
    ------
    OptionError
        The file cannot be read.
    """
    file = source.files[int(rng.integers(len(source.files)))]
    try:
        track = read_mono(file)
    except (sf.LibsndfileError, RuntimeError) as error:
        raise OptionError(f"{file}: cannot be read ({error}); take it out of {source.name}") from error
    sounding = np.flatnonzero(np.abs(track) > _SILENT)
    track = track[sounding[0] : sounding[-1] + 1] if len(sounding) else track
    start = int(rng.uniform(0, max(1, len(track) - duration_s * RATE_HZ)))
    if not len(track):
        raise OptionError(f"{file}: holds no samples; take it out of {source.name}")
    return at_level(track[start : start + round(duration_s * RATE_HZ)], -20.0), file


def filling(passage: Audio, n_samples: int) -> Audio:
    """A passage repeated with cross-fades until it is `n_samples` long."""
    fade = min(int(_FADE_S * RATE_HZ), len(passage) // 4)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    out = np.zeros(n_samples + len(passage), dtype=np.float32)
    position = 0
    while position < n_samples:
        piece = passage.copy()
        piece[len(piece) - fade :] *= ramp[::-1]
        if position:
            piece[:fade] *= ramp
        out[position : position + len(piece)] += piece
        position += len(piece) - fade
    return out[:n_samples]
