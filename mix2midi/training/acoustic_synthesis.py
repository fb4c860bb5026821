"""Cymbals, hats and toms from a model of what is struck: more of them than the free libraries hold.

Recorded kits under free licences have some thirty crashes and as many rides, and what a network learns from thirty
cymbals it hears on the thirty-first badly. A cymbal is modelled as what is heard of it: single modes below, a cloud of
them above that is noise to the ear, each band with its own decay, and energy that climbs into the upper bands after a
hard stroke (Fletcher and Rossing, The Physics of Musical Instruments, ch. 20; Chaigne, Touzé and Thomas, 2005). A tom
is a membrane: the modes of a circle with the detuning of two heads and a pitch that falls as the skin comes to rest
(Fletcher and Rossing, ch. 18). All values are random within what such instruments are.

Instruments are numbered, and those that were struck are kept: a process computes each of them once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.drums import HATS, TOMS
from mix2midi.training.kits import RATE_HZ, Layer
from mix2midi.training.synthesis import SyntheticInstrument, log_uniform
from mix2midi.units import decibels_to_gain

#: Instruments of each piece; a number stands for a set of hats, of toms, or for one cymbal.
COUNT = 48
_LAYER_VELOCITIES = (55, 115)
_LONGEST_S = 2.5
_BANDS = 18
_LOWEST_HZ, _HIGHEST_HZ = 180.0, 19000.0
#: Modes of a circular membrane beside the lowest: zeros of Bessel functions.
_MEMBRANE = np.array([1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501, 3.600, 4.060])


@dataclass(frozen=True)
class Plate:
    """One cymbal, or a pair of hats in one position.

    Attributes
    ----------
    band_db : ndarray [shape=(bands,)]
        Level of the noise in each band.
    decay_s : ndarray [shape=(bands,)]
        Time constant of each band.
    rise_s : ndarray [shape=(bands,)]
        How long energy takes to get into each band.
    modes_hz, mode_db, mode_decay_s : ndarray [shape=(modes,)]
        Single modes that are heard as tones.
    ping_db : float
        Level of the stick's own sound on the plate.
    rattle : float
        How much the noise flickers, 0 to 1: two plates that touch, or rivets.
    """

    band_db: NDArray[np.float64]
    decay_s: NDArray[np.float64]
    rise_s: NDArray[np.float64]
    modes_hz: NDArray[np.float64]
    mode_db: NDArray[np.float64]
    mode_decay_s: NDArray[np.float64]
    ping_db: float
    rattle: float


#: What of a stroke sounds in each band, in dB: about the medians over recorded cymbals and hats.
_CYMBAL_DB = np.array([-42, -35, -28, -21, -18, -17, -18, -17, -16, -14, -11, -8, -8, -9, -11, -15, -24, -36.0])
_HAT_DB = np.array([-33, -30, -26, -23, -20, -20, -20, -20, -20, -19, -16, -13, -10, -10, -8, -8, -10, -18.0])


@dataclass(frozen=True)
class Character:
    """Ranges of what makes a kind of plate, each from the lowest to the highest.

    Attributes
    ----------
    decay_s : tuple of float
        Time constant of the middle bands.
    tilt_db : tuple of float
        Brighter or darker than the median, per band.
    ping_db : tuple of float
        Level of the stick's click.
    modes_db : tuple of float
        Level of the single modes.
    rise_s : float
        How long it takes until a hard stroke is in full sound.
    """

    decay_s: tuple[float, float]
    tilt_db: tuple[float, float]
    ping_db: tuple[float, float]
    modes_db: tuple[float, float]
    rise_s: float


_CHARACTERS = {
    "crash": Character((0.25, 0.9), (-0.4, 1.4), (-24.0, -2.0), (-16.0, 2.0), 0.030),
    "china": Character((0.15, 0.6), (-0.6, 0.6), (-24.0, -2.0), (-14.0, 4.0), 0.012),
    "splash": Character((0.1, 0.45), (0.6, 2.2), (-20.0, 0.0), (-16.0, 2.0), 0.030),
    "ride": Character((0.2, 1.1), (-0.2, 1.4), (4.0, 15.0), (-12.0, 6.0), 0.010),
    "bell": Character((0.25, 0.9), (-0.5, 0.5), (4.0, 14.0), (4.0, 16.0), 0.006),
    "open_hat": Character((0.1, 0.6), (-0.1, 1.3), (-10.0, 4.0), (-18.0, 0.0), 0.012),
    "closed_hat": Character((0.016, 0.09), (0.2, 2.0), (-30.0, -2.0), (-16.0, 2.0), 0.004),
    "pedal_hat": Character((0.018, 0.08), (0.0, 1.7), (-40.0, -16.0), (-16.0, 2.0), 0.03),
}
CYMBALS = ("crash", "china", "splash", "ride", "bell")


@cache
def acoustic_instrument(piece: str, number: int) -> SyntheticInstrument:
    """Cymbal, hat or tom `number`, 0 to `COUNT` - 1; hats and toms of one number belong together.

    Layers are one soft and one hard stroke.
    """
    layers = []
    for velocity in _LAYER_VELOCITIES:
        family = TOMS if piece in TOMS else HATS if piece in HATS else (piece,)
        shared = np.random.default_rng([number, _seed_of(family[0])])
        stroke = np.random.default_rng([number, _seed_of(piece), velocity])
        audio = (
            _tom(shared, stroke, piece, velocity) if piece in TOMS else _struck(_plate(shared, piece), stroke, velocity)
        )
        layers.append(Layer(velocity, (audio / (np.abs(audio).max() + 1e-9)).astype(np.float32)))
    return SyntheticInstrument("acoustic", piece, tuple(layers))


def _seed_of(name: str) -> int:
    """A number for a name that is the same in every process, as that of `hash` is not."""
    return sum(map(ord, name))


def _plate(rng: Generator, piece: str) -> Plate:
    """The character of a plate; what hats of one number share is drawn first, so that it is the same for all three."""
    position = np.linspace(-1.0, 1.0, _BANDS)
    colour_db = np.convolve(rng.normal(0.0, 5.5, _BANDS + 2), [0.25, 0.5, 0.25], mode="valid")
    tilt_share, decay_share, slope = rng.random(), rng.random(), rng.uniform(0.0, 1.0)
    count = int(rng.integers(12, 70))
    modes_hz = np.exp(rng.uniform(np.log(220.0), np.log(7000.0), count))
    mode_spread_db = rng.normal(0.0, 6.0, count)
    mode_decay = np.exp(rng.normal(0.0, 0.4, count))
    character = _CHARACTERS[piece]
    shortest_s, longest_s = character.decay_s
    middle_s = shortest_s * (longest_s / shortest_s) ** decay_share
    decay_s = middle_s * np.exp(-slope * position) * np.exp(rng.normal(0.0, 0.15, _BANDS))
    tilt = character.tilt_db[0] + (character.tilt_db[1] - character.tilt_db[0]) * tilt_share
    band_db = (_HAT_DB if piece in HATS else _CYMBAL_DB) + colour_db + tilt * (np.arange(_BANDS) - _BANDS / 2)
    modes_band = np.log(modes_hz / _LOWEST_HZ) / np.log(_HIGHEST_HZ / _LOWEST_HZ) * (_BANDS - 1)
    mode_db = np.interp(modes_band, np.arange(_BANDS), band_db - band_db.max()) + mode_spread_db
    return Plate(
        band_db=band_db,
        decay_s=decay_s,
        rise_s=character.rise_s * rng.uniform(0.2, 1.5) * (0.3 + np.maximum(0.0, position) ** 1.5),
        modes_hz=modes_hz,
        mode_db=float(rng.uniform(*character.modes_db)) + mode_db,
        mode_decay_s=middle_s * mode_decay * (modes_hz / 1000.0) ** -0.3,
        ping_db=float(rng.uniform(*character.ping_db)),
        rattle=float(rng.uniform(0.0, 0.8)) if piece == "open_hat" else float(rng.choice([0.0, 0.0, 0.4])),
    )


def _struck(plate: Plate, rng: Generator, velocity: int) -> NDArray[np.float64]:
    """One stroke: a soft one is darker, and its energy climbs less."""
    length_s = min(_LONGEST_S, 7.0 * float(plate.decay_s.max()))
    time_s = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    softness = 1.0 - velocity / 127.0
    band_db = plate.band_db - softness * np.linspace(0.0, 18.0, _BANDS)
    spectrum = np.fft.rfft(rng.standard_normal(len(time_s)))
    frequency_hz = np.maximum(1.0, np.fft.rfftfreq(len(time_s), 1.0 / RATE_HZ))
    octave = np.log(frequency_hz / _LOWEST_HZ) / np.log(_HIGHEST_HZ / _LOWEST_HZ) * (_BANDS - 1)
    audio = np.zeros(len(time_s))
    for band in range(_BANDS):
        # Triangles over the logarithm of frequency: neighbouring bands add up to what the noise was.
        window = np.maximum(0.0, 1.0 - np.abs(octave - band))
        noise = np.fft.irfft(spectrum * window, len(time_s))
        noise /= np.sqrt(np.mean(np.square(noise))) + 1e-12
        envelope = np.exp(-time_s / plate.decay_s[band]) * (1.0 - 0.85 * np.exp(-time_s / plate.rise_s[band]))
        audio += decibels_to_gain(band_db[band]) * noise * envelope
    if plate.rattle > 0.0:
        flicker = np.repeat(rng.random(len(time_s) // 256 + 1), 256)[: len(time_s)]
        audio *= 1.0 - plate.rattle * flicker
    level = float(np.sqrt(np.mean(np.square(audio[: int(0.02 * RATE_HZ)])))) + 1e-9
    return audio + level * (_modes(plate, rng, time_s) + _ping(plate, rng, time_s, softness))


def _modes(plate: Plate, rng: Generator, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    tones = np.zeros(len(time_s))
    for hz, level_db, decay_s in zip(plate.modes_hz, plate.mode_db, plate.mode_decay_s, strict=True):
        heard = min(len(time_s), int(6.0 * decay_s * RATE_HZ))
        at = time_s[:heard]
        tone = np.sin(2.0 * np.pi * hz * at + rng.uniform(0.0, 2.0 * np.pi)) * np.exp(-at / decay_s)
        tones[:heard] += decibels_to_gain(level_db) * tone
    return tones


def _ping(plate: Plate, rng: Generator, time_s: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
    """The stick itself: a click that is over in milliseconds."""
    click = rng.standard_normal(len(time_s)) * np.exp(-time_s / rng.uniform(0.0015, 0.006))
    return np.asarray(decibels_to_gain(plate.ping_db - 6.0 * softness) * 2.0 * click)


def _tom(shared: Generator, rng: Generator, piece: str, velocity: int) -> NDArray[np.float64]:
    """One stroke on a tom; pitches of one number are drawn together and ordered."""
    highest_hz = log_uniform(shared, 120.0, 300.0)
    steps = shared.uniform(1.2, 1.55, 2)
    base_hz = highest_hz / np.concatenate([[1.0], np.cumprod(steps)])[TOMS.index(piece)]
    decay_s = log_uniform(shared, 0.07, 0.5) * (110.0 / base_hz) ** 0.4
    glide, glide_s = shared.uniform(0.0, 0.18), log_uniform(shared, 0.015, 0.08)
    upper_db, upper_decay = shared.uniform(-16.0, 0.0), shared.uniform(0.3, 1.0)
    detuned = _MEMBRANE * (1.0 + shared.normal(0.0, 0.03, len(_MEMBRANE)))
    skin_db, skin_hz = shared.uniform(-14.0, 4.0), log_uniform(shared, 1000.0, 9000.0)
    hardness = velocity / 127.0
    time_s = np.arange(int(min(_LONGEST_S, 7.0 * decay_s) * RATE_HZ)) / RATE_HZ
    bend_s = time_s + glide * hardness * glide_s * (1.0 - np.exp(-time_s / glide_s))
    audio = np.zeros(len(time_s))
    for index, ratio in enumerate(detuned):
        level_db = 0.0 if index == 0 else upper_db - 1.5 * index - 8.0 * (1.0 - hardness) + rng.normal(0.0, 2.0)
        fading_s = decay_s / ratio**upper_decay
        tone = np.sin(2.0 * np.pi * base_hz * ratio * bend_s) * np.exp(-time_s / fading_s)
        audio += decibels_to_gain(level_db) * tone
    noise = np.fft.rfft(rng.standard_normal(len(time_s)))
    frequency_hz = np.fft.rfftfreq(len(time_s), 1.0 / RATE_HZ)
    skin = np.fft.irfft(noise / (1.0 + (frequency_hz / skin_hz) ** 2), len(time_s))
    skin *= np.exp(-time_s / rng.uniform(0.004, 0.03)) / (np.abs(skin).max() + 1e-9)
    attack = 1.0 - np.exp(-time_s / shared.uniform(0.0003, 0.003))
    return np.asarray(attack * audio + decibels_to_gain(skin_db - 10.0 * (1.0 - hardness)) * 3.0 * skin)
