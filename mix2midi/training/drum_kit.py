"""Which sounds a track is played with: one random drum kit, put together from the library."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, iirpeak, sosfilt

from mix2midi.drums import HATS, PIECES, PIECES_BY_KEY, TOMS
from mix2midi.training.acoustic_synthesis import COUNT, CYMBALS, acoustic_instrument
from mix2midi.training.kits import RATE_HZ, Instrument, KitLibrary, Layer
from mix2midi.training.performances import ROW_OF_PIECE
from mix2midi.training.synthesis import SyntheticInstrument, log_uniform, synthesise_kit
from mix2midi.units import decibels_to_gain

#: Usual level of each piece beside the snare, for a hit at full velocity whose sample peaks at 1.0.
_LEVELS_DB = {
    "kick": 0.0,
    "snare": 0.0,
    "side_stick": -5.0,
    "clap": -4.0,
    "closed_hat": -12.0,
    "pedal_hat": -14.0,
    "open_hat": -11.0,
    "high_tom": -2.0,
    "mid_tom": -2.0,
    "low_tom": -2.0,
    "crash": -6.0,
    "ride": -11.0,
    "bell": -9.0,
    "china": -7.0,
    "splash": -8.0,
    "tambourine": -12.0,
    "cowbell": -9.0,
}
#: Standard deviation of those levels: cymbals are recorded anywhere between a wash over everything and a hint.
_LEVEL_SPREAD_DB = {"kick": 3.5, "snare": 3.5, "toms": 4.0, "hats": 4.5, "cymbals": 5.5, "percussion": 4.0}
_FOREIGN_SHARE = 0.3  # how often a piece comes from another kit than the rest
_PLAIN_CURVE = 1.6  # amplitude against velocity, the middle of what training draws
_MIXED_MACHINE_SHARE = 0.4  # how often a synthetic kit plays only some of the pieces


@dataclass(frozen=True)
class Tone:
    """What makes one recorded drum many: tuning, damping, microphone, and a second drum blended in.

    Attributes
    ----------
    pitch : float
        Speed at which the samples are played; 1 leaves them as they are.
    decay_s : float
        Time constant of an additional decay: tape on the skin, a hand on the cymbal. Infinity for none.
    filters : ndarray [shape=(sections, 6), float64]
        Second-order sections; none leaves the sound as it is.
    attack : float
        Gain of the first moments beside the rest: below 1 for the shoulder of the stick on the edge of a cymbal and for
        compressed drums, above 1 for transients that were lifted.
    attack_s : float
        Time constant of those first moments.
    blend : tuple of Instrument and float, optional
        Another drum of the same kind and its share, 0 to 1, in the sound.
    """

    pitch: float = 1.0
    decay_s: float = math.inf
    filters: NDArray[np.float64] | None = None
    attack: float = 1.0
    attack_s: float = 0.01
    blend: tuple[Instrument, float] | None = None

    def apply(self, layer: Layer) -> NDArray[np.float32]:
        """A sample with this tone; peak 1.0."""
        audio = _resampled(layer.audio, self.pitch)
        if self.blend is not None:
            other, share = self.blend
            nearest = min(other.layers, key=lambda candidate: abs(candidate.velocity - layer.velocity))
            audio = _blended(audio, _resampled(nearest.audio, self.pitch), share)
        if math.isfinite(self.decay_s):
            audio = audio * np.exp(-np.arange(len(audio)) / (self.decay_s * RATE_HZ)).astype(np.float32)
        if self.attack != 1.0:
            since_s = np.arange(len(audio)) / RATE_HZ
            audio = audio * (1.0 + (self.attack - 1.0) * np.exp(-since_s / self.attack_s)).astype(np.float32)
        if self.filters is not None:
            audio = sosfilt(self.filters, audio).astype(np.float32)
        return audio / np.float32(np.abs(audio).max() + 1e-9)


@dataclass(frozen=True)
class Voice:
    """One drum as this track plays it.

    Attributes
    ----------
    instrument : Instrument
        Whose samples they are.
    tone : Tone
        What is done to the samples.
    gain : float
        Amplitude of a hit at full velocity.
    curve : float
        Amplitude grows with (velocity / 127) to this power.
    """

    instrument: Instrument | SyntheticInstrument
    tone: Tone
    gain: float
    curve: float
    _tuned: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)  # layers that were hit so far

    def hit(self, rng: Generator, velocity: float) -> tuple[NDArray[np.float32], float]:
        """Sample of a hit and the gain to play it at; of layers alike any, as round robins do."""
        aim = velocity + rng.normal(0.0, 6.0)
        layers = self.instrument.layers
        distance = np.abs(np.array([layer.velocity for layer in layers]) - aim)
        nearest = np.flatnonzero(distance == distance.min())
        index = int(rng.choice(nearest) if len(nearest) > 1 else nearest[0])
        if index not in self._tuned:
            self._tuned[index] = self.tone.apply(layers[index])
        wander = float(decibels_to_gain(rng.normal(0.0, 0.6)))
        return self._tuned[index], self.gain * wander * (velocity / 127.0) ** self.curve


def draw_kit(
    rng: Generator,
    library: KitLibrary,
    synthetic_share: float = 0.0,
    acoustic_share: float = 0.0,
    attack_share: float = 0.0,
) -> dict[int, Voice]:
    """A random kit: a voice for each row of `mix2midi.drums.PIECES` that the library can play.

    `synthetic_share` of the kits have some or all of their pieces from a synthetic drum machine, `acoustic_share` of
    the cymbals, and of the sets of hats and of toms, come from `acoustic_synthesis`, and `attack_share` of the voices
    have another attack than was recorded.

    Toms and hats are drawn as sets, so that high stays above low and open stays the open side of the same pair.
    """
    kits = list(library.by_kit)
    sizes = np.array([len(library.by_kit[kit]) for kit in kits], dtype=np.float64)
    base = kits[int(rng.choice(len(kits), p=sizes / sizes.sum()))]
    curve = float(rng.uniform(1.1, 2.2))
    chosen: dict[str, tuple[Instrument | SyntheticInstrument, float]] = {}
    for piece in PIECES:
        if piece.key not in (*TOMS, *HATS):
            instrument = _draw_instrument(rng, library, base, piece.key)
            if instrument is not None:
                chosen[piece.key] = (instrument, 1.0)
    chosen |= _draw_set(rng, library, base, HATS, semitones_apart=0.0)
    chosen |= _draw_set(rng, library, base, TOMS, semitones_apart=4.0)
    if rng.random() < synthetic_share:
        machine = synthesise_kit(rng)
        taken = 0.5 if rng.random() < _MIXED_MACHINE_SHARE else 1.0
        chosen |= {key: (instrument, 1.0) for key, instrument in machine.items() if rng.random() < taken}
    chosen |= _draw_acoustic(rng, acoustic_share)
    tunings = {family: float(rng.normal(0.0, spread)) for family, spread in sorted(_TUNING_SEMITONES.items())}
    return {
        ROW_OF_PIECE[key]: _voice(rng, key, tunings, curve, library.by_piece.get(key, []), attack_share, *part)
        for key, part in chosen.items()
    }


def plain_kit(library: KitLibrary) -> dict[int, Voice]:
    """The kit as its makers recorded it, at usual levels: what a track for judging is played on.

    Of several drums for one piece the one with the most velocity layers plays.
    """
    kit: dict[int, Voice] = {}
    for row, piece in enumerate(PIECES):
        instruments = library.by_piece.get(piece.key, [])
        if instruments:
            best = max(instruments, key=lambda instrument: len(instrument.files))
            kit[row] = Voice(best, Tone(), float(decibels_to_gain(_LEVELS_DB[piece.key])), _PLAIN_CURVE)
    return kit


_SHORTEST_DECAY_S = {"kick": 0.08, "snare": 0.05, "toms": 0.12, "hats": 0.02, "cymbals": 0.5, "percussion": 0.05}
#: How far an attack may be softened (the shoulder of the stick on a cymbal most) or lifted.
_ATTACK_DB = {
    "kick": (-6.0, 5.0),
    "snare": (-6.0, 5.0),
    "toms": (-8.0, 5.0),
    "hats": (-9.0, 4.0),
    "cymbals": (-12.0, 3.0),
    "percussion": (-6.0, 5.0),
}
_TUNING_SEMITONES = {"kick": 1.5, "snare": 1.5, "toms": 2.0, "hats": 0.8, "cymbals": 1.2, "percussion": 1.5}


def _draw_instrument(rng: Generator, library: KitLibrary, base: str, piece: str) -> Instrument | None:
    own = library.by_kit[base].get(piece, [])
    candidates = own if own and rng.random() > _FOREIGN_SHARE else library.by_piece.get(piece, [])
    return candidates[int(rng.integers(len(candidates)))] if candidates else None


def _draw_set(
    rng: Generator, library: KitLibrary, base: str, pieces: tuple[str, ...], semitones_apart: float
) -> dict[str, tuple[Instrument, float]]:
    """Instruments of one kit for pieces that belong together; a missing one is its neighbour, tuned away."""
    having = [kit for kit in library.by_kit if sum(piece in library.by_kit[kit] for piece in pieces) >= 2]
    if not having:
        singles = {piece: _draw_instrument(rng, library, base, piece) for piece in pieces}
        return {piece: (instrument, 1.0) for piece, instrument in singles.items() if instrument is not None}
    kit = base if base in having and rng.random() > _FOREIGN_SHARE else having[int(rng.integers(len(having)))]
    parts = library.by_kit[kit]
    result: dict[str, tuple[Instrument, float]] = {}
    for index, piece in enumerate(pieces):
        if piece in parts:
            result[piece] = (parts[piece][int(rng.integers(len(parts[piece])))], 1.0)
        elif semitones_apart:
            nearest = min((p for p in pieces if p in parts), key=lambda p: abs(pieces.index(p) - index))
            shift = semitones_apart * (pieces.index(nearest) - index)
            result[piece] = (parts[nearest][int(rng.integers(len(parts[nearest])))], 2.0 ** (shift / 12.0))
        else:
            instrument = _draw_instrument(rng, library, base, piece)
            if instrument is not None:
                result[piece] = (instrument, 1.0)
    return result


def _draw_acoustic(rng: Generator, share: float) -> dict[str, tuple[SyntheticInstrument, float]]:
    """Modelled cymbals, each on its own, and sets of hats and of toms."""
    drawn: dict[str, tuple[SyntheticInstrument, float]] = {}
    for pieces in (*((cymbal,) for cymbal in CYMBALS), HATS, TOMS):
        if rng.random() < share:
            number = int(rng.integers(COUNT))
            drawn |= {piece: (acoustic_instrument(piece, number), 1.0) for piece in pieces}
    return drawn


def _voice(
    rng: Generator,
    key: str,
    tunings: dict[str, float],
    curve: float,
    alternatives: list[Instrument],
    attack_share: float,
    instrument: Instrument | SyntheticInstrument,
    pitch: float,
) -> Voice:
    family = PIECES_BY_KEY[key].family
    pitch *= 2.0 ** (tunings[family] / 12.0)
    shortest_s = _SHORTEST_DECAY_S[family]
    decay_s = shortest_s * float(np.exp(rng.uniform(0.0, 3.0))) if rng.random() < 0.18 else math.inf
    filters = _microphone(rng) if rng.random() < 0.4 else None
    attack, attack_s = 1.0, 0.01
    if rng.random() < attack_share:
        attack = float(decibels_to_gain(rng.uniform(*_ATTACK_DB[family])))
        attack_s = log_uniform(rng, 0.004, 0.03)
    blend = None
    if len(alternatives) > 1 and rng.random() < 0.12:
        blend = (alternatives[int(rng.integers(len(alternatives)))], float(rng.uniform(0.15, 0.6)))
    level_db = _LEVELS_DB[key] + rng.normal(0.0, _LEVEL_SPREAD_DB[family])
    return Voice(
        instrument, Tone(pitch, decay_s, filters, attack, attack_s, blend), float(decibels_to_gain(level_db)), curve
    )


def _microphone(rng: Generator) -> NDArray[np.float64]:
    """A gentle low- or high-pass and a resonance, as microphones and their places have them."""
    if rng.random() < 0.5:
        slope = butter(1, float(np.exp(rng.uniform(np.log(1500), np.log(9000)))), fs=RATE_HZ, output="sos")
    else:
        slope = butter(1, float(np.exp(rng.uniform(np.log(40), np.log(600)))), btype="high", fs=RATE_HZ, output="sos")
    centre_hz = float(np.exp(rng.uniform(np.log(150), np.log(9000))))
    b, a = iirpeak(centre_hz, float(rng.uniform(0.7, 4.0)), fs=RATE_HZ)
    strength = float(rng.uniform(-0.6, 1.5))  # added to the flat response: a dip or a bump at the centre
    resonance = np.concatenate([a + strength * b, a])[None]
    return np.concatenate([slope, resonance])


def _resampled(audio: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """A sample played `ratio` times as fast.

    Linear interpolation is enough here: the ratios are near 1 and what it loses lies above 15 kHz.
    """
    if ratio == 1.0:
        return audio
    count = max(64, int(len(audio) / ratio))
    return np.interp(np.arange(count) * ratio, np.arange(len(audio)), audio).astype(np.float32)


def _blended(audio: NDArray[np.float32], other: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    mixed = np.zeros(max(len(audio), len(other)), dtype=np.float32)
    mixed[: len(audio)] += np.float32(1.0 - share) * audio
    mixed[: len(other)] += np.float32(share) * other
    return mixed
