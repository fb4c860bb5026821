"""Which sounds a track is played with: one random drum kit, put together from the library."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.drums import PIECES, PIECES_BY_KEY
from mix2midi.transcription.training.kits import Instrument, KitLibrary
from mix2midi.units import decibels_to_gain

_TOMS = ("high_tom", "mid_tom", "low_tom")
_HATS = ("closed_hat", "pedal_hat", "open_hat")
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
_LEVEL_SPREAD_DB = 3.5
_FOREIGN_SHARE = 0.3  # how often a piece comes from another kit than the rest


@dataclass(frozen=True)
class Voice:
    """One drum as this track plays it.

    Attributes
    ----------
    instrument : Instrument
        Whose samples they are.
    pitch : float
        Speed at which the samples are played; 1 leaves them as they are.
    length : float
        Share of each sample after which it has faded out: damped drums, choked cymbals.
    gain : float
        Amplitude of a hit at full velocity.
    curve : float
        Amplitude grows with (velocity / 127) to this power.
    """

    instrument: Instrument
    pitch: float
    length: float
    gain: float
    curve: float
    _tuned: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)  # layers that were hit so far

    def hit(self, rng: Generator, velocity: float) -> tuple[NDArray[np.float32], float]:
        """Sample of a hit and the gain to play it at; which layer is chosen varies a little, as round robins do."""
        aim = velocity + rng.normal(0.0, 6.0)
        layers = self.instrument.layers
        index = min(range(len(layers)), key=lambda candidate: abs(layers[candidate].velocity - aim))
        if index not in self._tuned:
            self._tuned[index] = _tuned(layers[index].audio, self.pitch, self.length)
        wander = float(decibels_to_gain(rng.normal(0.0, 0.6)))
        return self._tuned[index], self.gain * wander * (velocity / 127.0) ** self.curve


def draw_kit(rng: Generator, library: KitLibrary) -> dict[int, Voice]:
    """A random kit: a voice for each row of `mix2midi.drums.PIECES` that the library can play.

    Toms and hats are drawn as sets, so that high stays above low and open stays the open side of the same pair.
    """
    kits = list(library.by_kit)
    sizes = np.array([len(library.by_kit[kit]) for kit in kits], dtype=np.float64)
    base = kits[int(rng.choice(len(kits), p=sizes / sizes.sum()))]
    curve = float(rng.uniform(1.1, 2.2))
    chosen: dict[str, tuple[Instrument, float]] = {}
    for piece in PIECES:
        if piece.key not in (*_TOMS, *_HATS):
            instrument = _draw_instrument(rng, library, base, piece.key)
            if instrument is not None:
                chosen[piece.key] = (instrument, 1.0)
    chosen |= _draw_set(rng, library, base, _HATS, semitones_apart=0.0)
    chosen |= _draw_set(rng, library, base, _TOMS, semitones_apart=4.0)
    rows = {piece.key: row for row, piece in enumerate(PIECES)}
    tunings = {family: float(rng.normal(0.0, _TUNING_SEMITONES[family])) for family in sorted(_TUNING_SEMITONES)}
    return {rows[key]: _voice(rng, key, tunings, curve, *part) for key, part in chosen.items()}


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


def _voice(
    rng: Generator, key: str, tunings: dict[str, float], curve: float, instrument: Instrument, pitch: float
) -> Voice:
    pitch *= 2.0 ** (tunings[PIECES_BY_KEY[key].family] / 12.0)
    length = float(rng.uniform(0.35, 1.0)) if rng.random() < 0.3 else 1.0
    level_db = _LEVELS_DB[key] + rng.normal(0.0, _LEVEL_SPREAD_DB)
    return Voice(instrument, pitch, length, float(decibels_to_gain(level_db)), curve)


def _tuned(audio: NDArray[np.float32], ratio: float, length: float) -> NDArray[np.float32]:
    """A sample played `ratio` times as fast, fading out after `length` of it.

    Linear interpolation is enough here: the ratios are near 1 and what it loses lies above 15 kHz.
    """
    count = max(64, int(len(audio) / ratio))
    tuned = np.interp(np.arange(count) * ratio, np.arange(len(audio)), audio).astype(np.float32)
    if length < 1.0:
        stop = max(64, int(count * length))
        tuned = tuned[:stop] * np.linspace(1.0, 0.0, stop, dtype=np.float32)
    return tuned
