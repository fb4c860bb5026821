"""What happens to drums between the stick and the listener: room, tone, dynamics, noise, old media, codecs.

Filters are causal, so that no effect moves an onset to an earlier time; what codecs and low rates smear around it they
smear as they do in users' files. The equaliser is torchaudio's (the cookbook biquads of Robert Bristow-Johnson),
resampling is soxr's; rooms, compressors and scratches have no home there and are a few lines each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from mix2midi.audio import read_audio
from mix2midi.training.codecs import CODECS, encode
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import decibels_to_gain

Audio = NDArray[np.float32]
Effect = Callable[[Generator, Audio], Audio]

#: Rates of old samplers, telephones and small files.
_LOW_RATES_HZ = (32000, 24000, 22050, 16000, 11025)


def rms(audio: Audio) -> float:
    """Root mean square, never 0."""
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)) + 1e-12))


def room(rng: Generator, audio: Audio) -> Audio:
    """A room of random size and brightness: early reflections, then decaying noise."""
    decay_s = float(rng.choice([rng.uniform(0.08, 0.4), rng.uniform(0.3, 1.3)]))
    length = int(min(decay_s * 1.2, 1.0) * RATE_HZ)
    time_s = np.arange(length) / RATE_HZ
    response = rng.standard_normal(length) * 10.0 ** (-3.0 * time_s / decay_s)
    brightness_hz = rng.uniform(2000, 12000)
    response = sosfilt(butter(1, brightness_hz, fs=RATE_HZ, output="sos"), response)
    pre_delay = int(rng.uniform(0.001, 0.025) * RATE_HZ)
    response = np.concatenate([np.zeros(pre_delay), response])
    for _ in range(int(rng.integers(2, 8))):
        response[int(rng.uniform(0.001, 0.03) * RATE_HZ)] += rng.choice([-1.0, 1.0]) * rng.uniform(2.0, 12.0)
    wet = fftconvolve(audio, response.astype(np.float32))[: len(audio)]
    share = float(rng.uniform(0.05, 0.6) ** 1.5)
    return audio + wet * np.float32(share * rms(audio) / rms(wet))


def equaliser(rng: Generator, audio: Audio) -> Audio:
    """A few random bells and shelves."""
    import torch
    from torchaudio import functional

    x = torch.from_numpy(np.ascontiguousarray(audio))
    x = functional.bass_biquad(x, RATE_HZ, gain=float(rng.normal(0, 4)), central_freq=float(rng.uniform(60, 250)))
    x = functional.treble_biquad(x, RATE_HZ, gain=float(rng.normal(0, 5)), central_freq=float(rng.uniform(2500, 9000)))
    for _ in range(int(rng.integers(0, 3))):
        centre_hz = float(np.exp(rng.uniform(np.log(120), np.log(9000))))
        x = functional.equalizer_biquad(x, RATE_HZ, centre_hz, float(rng.normal(0, 5)), float(rng.uniform(0.5, 3.0)))
    # torchaudio's filters clamp to full scale, so audio comes in well below it (see `produce`).
    return x.numpy()


def compressor(rng: Generator, audio: Audio) -> Audio:
    """A feed-forward compressor on the peak envelope, with make-up gain left to the level that follows."""
    hop = 64
    count = -(-len(audio) // hop)
    peaks = np.abs(np.pad(audio, (0, count * hop - len(audio)))).reshape(count, hop).max(axis=1)
    release = float(np.exp(-hop / (RATE_HZ * rng.uniform(0.03, 0.3))))
    envelope = lfilter([1.0 - release], [1.0, -release], peaks)
    threshold = float(np.percentile(envelope, rng.uniform(40, 90))) + 1e-6
    slope = 1.0 - 1.0 / float(rng.uniform(1.5, 8.0))
    gain = np.minimum(1.0, (np.maximum(envelope, 1e-9) / threshold) ** -slope)
    return audio * np.interp(np.arange(len(audio)), np.arange(count) * hop, gain).astype(np.float32)


def saturation(rng: Generator, audio: Audio) -> Audio:
    """Tape and console: a soft curve, now and then a hard clip."""
    peak = float(np.abs(audio).max()) + 1e-9
    drive = float(decibels_to_gain(rng.uniform(0, 14)))
    driven = audio / np.float32(peak) * np.float32(drive)
    shaped = np.clip(driven, -1.0, 1.0) if rng.random() < 0.25 else np.tanh(driven)
    return (shaped * np.float32(peak / max(1.0, 0.5 * drive))).astype(np.float32)


def band_limit(rng: Generator, audio: Audio) -> Audio:
    """A low-pass as old media have it, sometimes a high-pass too."""
    cutoff_hz = float(np.exp(rng.uniform(np.log(5000), np.log(17000))))
    limited = sosfilt(butter(int(rng.integers(2, 7)), cutoff_hz, fs=RATE_HZ, output="sos"), audio)
    if rng.random() < 0.3:
        limited = sosfilt(butter(2, rng.uniform(30, 150), btype="high", fs=RATE_HZ, output="sos"), limited)
    return limited.astype(np.float32)


def noise(rng: Generator, audio: Audio) -> Audio:
    """Hiss or rumble, 25 to 60 dB below the music."""
    hiss = rng.standard_normal(len(audio)).astype(np.float32)
    if rng.random() < 0.5:
        hiss = lfilter([1.0], [1.0, -0.95], hiss).astype(np.float32)
    level = rms(audio) * float(decibels_to_gain(-rng.uniform(25, 60)))
    return audio + hiss * np.float32(level / rms(hiss))


def scratches(rng: Generator, audio: Audio) -> Audio:
    """Clicks of an old record, 15 to 45 dB below the loudest sample: up to fifteen a second, each of its own tone."""
    count = 1 + int(rng.poisson(float(rng.uniform(1.0, 15.0)) * len(audio) / RATE_HZ))
    clicks = np.zeros(len(audio), dtype=np.float32)
    loudest = float(np.abs(audio).max()) + 1e-9
    for start in rng.integers(0, len(audio), count):
        length = int(rng.uniform(0.0002, 0.003) * RATE_HZ)
        click = rng.standard_normal(length) * np.exp(-5.0 * np.arange(length) / length)
        gain = loudest * float(decibels_to_gain(-rng.uniform(15, 45)))
        room_left = len(audio) - int(start)
        clicks[start : start + length] += (gain * click / np.abs(click).max()).astype(np.float32)[:room_left]
    return audio + clicks


def resampling(rng: Generator, audio: Audio) -> Audio:
    """A lower sampling rate and back, as small files and old samplers have: nothing is left above half of it."""
    rate_hz = int(rng.choice(_LOW_RATES_HZ))
    low = soxr.resample(audio, RATE_HZ, rate_hz)
    return _at_length(soxr.resample(low, rate_hz, RATE_HZ), len(audio))


def codec(rng: Generator, audio: Audio) -> Audio:
    """Mp3, AAC or Opus at a low or middling bit rate, read back as users' files are."""
    kind = list(CODECS.values())[int(rng.integers(len(CODECS)))]
    bit_rate_bps = round(float(np.exp(rng.uniform(np.log(kind.lowest_bps), np.log(kind.highest_bps)))))
    with tempfile.TemporaryDirectory(prefix="mix2midi-") as folder:
        path = Path(folder) / f"slice{kind.suffix}"
        encode(audio, RATE_HZ, path, kind, bit_rate_bps)
        return _at_length(read_audio(path, RATE_HZ, mono=True)[0], len(audio))


def _at_length(audio: Audio, length: int) -> Audio:
    """Padded or cut at the end: rates that do not divide and blocks of codecs change the length by a little."""
    return np.pad(audio[:length], (0, max(0, length - len(audio)))).astype(np.float32, copy=False)


EFFECTS: dict[str, Effect] = {
    "room": room,
    "equaliser": equaliser,
    "compressor": compressor,
    "saturation": saturation,
    "band_limit": band_limit,
    "noise": noise,
    "scratches": scratches,
    "resampling": resampling,
    "codec": codec,
}


def produce(rng: Generator, audio: Audio, shares: Mapping[str, float]) -> Audio:
    """Pass audio through each effect with its own probability, in the order of `EFFECTS`.

    Parameters
    ----------
    rng : numpy Generator
    audio : ndarray [shape=(samples,), float32]
    shares : mapping of str to float
        Probability of each effect by name, 0 to 1; one that is not named is off.
    """
    for name, effect in EFFECTS.items():
        if rng.random() < shares.get(name, 0.0):
            level = rms(audio)
            # A peak of a quarter leaves 12 dB for what the effect adds.
            audio = audio * np.float32(0.25 / (float(np.abs(audio).max()) + 1e-9))
            audio = effect(rng, audio)
            audio = audio * np.float32(level / rms(audio))
    return audio
