"""How hard: the network's velocity head, and how loud each hit is beside the others of the song.

The head knows what a hard stroke sounds like, but not how loud this kit was recorded; loudness within the song knows
which of two hits was the harder one, but not how hard either was. About half of each: on six real songs (MDB Drums++)
the mean correlation within a song rose from .51 to .60, on kits left out of training the pooled one from .75 to .77.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES
from mix2midi.notes import DrumNote
from mix2midi.units import MAX_VELOCITY, seconds_to_frames

if TYPE_CHECKING:
    from torch import Tensor

    from mix2midi.transcription.heat_map import HeatMap
    from mix2midi.transcription.network import NetworkConfig

#: Where each family has most of its sound, and least of the others'.
_RANGES_HZ = {
    "kick": (30.0, 180.0),
    "snare": (180.0, 6000.0),
    "toms": (90.0, 1000.0),
    "hats": (6000.0, 16000.0),
    "cymbals": (2500.0, 16000.0),
}
#: Frames after an onset in which its sound is measured, and before it for what was sounding already. The window of a
#: frame reaches four frames to either side.
_AFTER_FRAMES = range(4, 10)
_BEFORE_FRAMES = range(-9, -3)
#: Decibels for ten times the velocity: amplitude grows with velocity to the power 1.6, as in most samplers.
_DB_PER_DECADE = 32.0
#: What loudness within the song counts for beside the head. Kicks have their range nearly to themselves (their
#: correlation on MDB Drums++ is .62 with half, .68 with this); toms share theirs with kicks and snares.
_LOUDNESS_SHARES = {"kick": 0.65, "snare": 0.5, "toms": 0.4, "hats": 0.5, "cymbals": 0.5}
_SOFTEST_DB, _LOUDEST_DB = -45.0, 6.0  # beside the loud hits of the song; beyond lie errors of measurement
_FEWEST_HITS = 4  # fewer cannot be compared
#: Mean velocity of a drum in a song below which it was played softer than the network says, by what power of how much
#: it lies below, and hits that this needs.
_MIDDLE_VELOCITY = {"kick": 78.0, "snare": 68.0, "toms": 78.0, "hats": 83.0, "cymbals": 88.0}
_SOFTENING = 0.6
_DOUBT_HITS = 5.0
_FLOOR = 1e-2  # what the bands were lifted by before their logarithm was taken, see `network.LogBands`


def family_loudness_db(config: NetworkConfig, fast_bands: Tensor) -> Tensor:
    """Level of the audio in the range of each family, frame by frame.

    Parameters
    ----------
    config : NetworkConfig
    fast_bands : Tensor [shape=(batch, bands, frames)]
        See `network.DrumNetwork.features`.

    Returns
    -------
    Tensor [shape=(batch, families, frames)]
        In dB, to no particular reference.
    """
    import torch

    centres_hz = _band_centres_hz(config)
    ranges_hz = [_RANGES_HZ[family] for family in config.families]
    inside = np.array([(low_hz <= centres_hz) & (centres_hz < high_hz) for low_hz, high_hz in ranges_hz])
    members = torch.from_numpy(inside.astype(np.float32)).to(fast_bands.device)
    power = (torch.pow(10.0, fast_bands) - _FLOOR).square()
    return 10.0 * torch.log10(torch.matmul(members, power) + 1e-9)


def _band_centres_hz(config: NetworkConfig) -> NDArray[np.float64]:
    """Where the bands of the fast view lie: evenly on HTK's mel scale."""
    lowest, highest = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (config.min_frequency_hz, config.max_frequency_hz))
    mel = np.linspace(float(lowest), float(highest), config.fast_bands + 2)[1:-1]
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0), dtype=np.float64)


def balance_velocities(notes: Sequence[DrumNote], heat_map: HeatMap, family: str) -> list[DrumNote]:
    """Velocities of one family's notes, drawn towards how loud they are beside each other; their mean stays.

    Parameters
    ----------
    notes : sequence of DrumNote
        All notes of the family in the song, with velocities from the network.
    heat_map : HeatMap
    family : str
        Notes of percussion, and of a family with very few, stay as they are.
    """
    if family not in FAMILIES or len(notes) < _FEWEST_HITS:
        return list(notes)
    level_db = _onset_levels_db(heat_map, heat_map.families.index(family), [note.onset_s for note in notes])
    beside_db = np.clip(level_db - np.quantile(level_db, 0.9), _SOFTEST_DB, _LOUDEST_DB)
    loudness = 10.0 ** (beside_db / _DB_PER_DECADE)
    strength = np.array([note.velocity for note in notes], dtype=np.float64)
    heard = loudness * strength.mean() / loudness.mean()
    share = _LOUDNESS_SHARES[family]
    velocity = np.rint((1.0 - share) * strength + share * heard)
    limited = np.clip(velocity, 1, MAX_VELOCITY).astype(int)
    return [replace(note, velocity=int(value)) for note, value in zip(notes, limited, strict=True)]


def soften_soft_drums(notes: Sequence[DrumNote], family: str) -> list[DrumNote]:
    """Velocities of one family's notes, lower where the family is soft throughout the song.

    The network doubts each hit by itself, and where it doubts it keeps to what is usual (regression to the mean):
    snares of mean velocity 34 were heard at 66. What all hits of a song agree on is less doubtful than any of them, as
    in hierarchical estimates (Efron and Morris, 1975), so their mean is moved away from the middle again. Hard parts
    are left as they are: renders of e-drums want them harder, real ones (MDB Drums++) softer.

    Parameters
    ----------
    notes : sequence of DrumNote
        All notes of the family in the song.
    family : str
        Notes of percussion, and of a family with very few, stay as they are.
    """
    if family not in _MIDDLE_VELOCITY or len(notes) < _FEWEST_HITS:
        return list(notes)
    mean = float(np.mean([note.velocity for note in notes]))
    certainty = len(notes) / (len(notes) + _DOUBT_HITS)
    return scale_velocities(notes, min(1.0, mean / _MIDDLE_VELOCITY[family]) ** (_SOFTENING * certainty))


def scale_velocities(notes: Sequence[DrumNote], factor: float) -> list[DrumNote]:
    """All velocities times a factor, 1 to 127."""
    scaled = np.clip(np.rint([note.velocity * factor for note in notes]), 1, MAX_VELOCITY).astype(int)
    return [replace(note, velocity=int(value)) for note, value in zip(notes, scaled, strict=True)]


def _onset_levels_db(heat_map: HeatMap, row: int, onset_s: Sequence[float]) -> NDArray[np.float64]:
    """What each onset added to the level of a row."""
    frames = np.rint(seconds_to_frames(np.asarray(onset_s), heat_map.hop_length, heat_map.rate_hz)).astype(np.int64)
    levels_db = heat_map.loudness_db[row].astype(np.float64)
    powers = []
    for offsets in (_AFTER_FRAMES, _BEFORE_FRAMES):
        near = np.clip(frames[:, None] + np.array(offsets), 0, len(levels_db) - 1)
        powers.append((10.0 ** (levels_db[near] / 10.0)).mean(axis=1))
    after, before = powers
    # Half a decibel above what sounded before is nothing that can be measured.
    return np.asarray(10.0 * np.log10(np.maximum(after - before, 0.1 * after) + 1e-9))
