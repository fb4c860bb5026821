"""A drum track from a performance and a kit, and the changes that make one performance many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.drums import PIECES, TOMS
from mix2midi.training.drum_kit import Voice
from mix2midi.training.kits import RATE_HZ
from mix2midi.training.performances import ROW_OF_PIECE, Performance

#: How often a slice goes without a family of drums, so that no drum is heard for the company it usually keeps.
_ABSENT = {"kick": 0.06, "snare": 0.08, "hats": 0.22, "cymbals": 0.12, "toms": 0.05}
_CHOKING_ROWS = [ROW_OF_PIECE[key] for key in ("closed_hat", "pedal_hat")]
_OPEN_HAT = ROW_OF_PIECE["open_hat"]
_CHOKE_FADE = int(0.03 * RATE_HZ)
_ATTACK_SAMPLES = int(0.04 * RATE_HZ)
_DROWNED = 10.0 ** (-20.0 / 10.0)  # a hit 20 dB below the rest of the drums, at low and at high frequencies
#: Before a slice begins, its drums have been ringing for this long.
LEAD_IN_S = 3.0
#: Hits that come together with others, so that a drum is neither taken for granted beside another nor missed under it:
#: (played with, also played, share of slices).
_DOUBLES = (
    ("kick", "crash", 0.06),
    ("kick", "low_tom", 0.05),
    ("kick", "open_hat", 0.03),
    ("snare", "low_tom", 0.06),
    ("snare", "crash", 0.06),
    ("snare", "mid_tom", 0.02),
    ("snare", "kick", 0.06),
    ("snare", "clap", 0.03),
    ("closed_hat", "ride", 0.02),
    ("low_tom", "high_tom", 0.03),
)
#: How often the hats of a slice leave out most of the kicks or snares, and how often these go without the hats.
_PARTED = 0.12
_TOGETHER_S = 0.03
#: What is played on another drum than written, and how often: (from, to, share of slices).
_SWAPS = (
    ("closed_hat", "ride", 0.14),
    ("closed_hat", "crash", 0.12),
    ("closed_hat", "open_hat", 0.12),
    ("closed_hat", "china", 0.02),
    ("closed_hat", "low_tom", 0.03),
    ("ride", "closed_hat", 0.15),
    ("ride", "crash", 0.15),
    ("ride", "bell", 0.06),
    ("snare", "side_stick", 0.05),
    ("snare", "clap", 0.03),
    ("crash", "china", 0.12),
    ("crash", "splash", 0.12),
    ("pedal_hat", "closed_hat", 0.10),
)


@dataclass(frozen=True)
class Hits:
    """Hits of one slice.

    Attributes
    ----------
    onset_s : ndarray [shape=(hits,)]
        From the start of the slice; negative for hits that are still ringing when it begins.
    row, velocity : ndarray [shape=(hits,)]
        As in `Performance`.
    """

    onset_s: NDArray[np.float64]
    row: NDArray[np.int64]
    velocity: NDArray[np.float64]

    def where(self, wanted: NDArray[np.bool_]) -> Hits:
        """The hits for which `wanted` [shape=(hits,)] is true."""
        return Hits(self.onset_s[wanted], self.row[wanted], self.velocity[wanted])


def cut_hits(performance: Performance, duration_s: float, speed: float, start_s: float) -> Hits:
    """Hits of a stretch of a performance that starts at `start_s` of the sped-up part and lasts `duration_s`."""
    onset_s = performance.onset_s / speed - start_s
    inside = (onset_s >= -LEAD_IN_S) & (onset_s < duration_s)
    return Hits(onset_s[inside], performance.row[inside].copy(), performance.velocity[inside].copy())


def vary_hits(rng: Generator, hits: Hits, duration_s: float, tempo_bpm: float) -> Hits:
    """The same performance with other drums in it, so that one becomes many."""
    onset_s, row, velocity = hits.onset_s, hits.row.copy(), hits.velocity
    for source, target, share in _SWAPS:
        if rng.random() < share:
            row[row == ROW_OF_PIECE[source]] = ROW_OF_PIECE[target]
    absent = [family for family, share in _ABSENT.items() if rng.random() < share]
    present = np.array([PIECES[r].family not in absent for r in row], dtype=bool)
    onset_s, row, velocity = onset_s[present], row[present], velocity[present]
    toms = [ROW_OF_PIECE[key] for key in TOMS]
    if rng.random() < 0.15:  # the same fill on other toms
        order = rng.permutation(toms)
        row = np.array([order[toms.index(r)] if r in toms else r for r in row], dtype=np.int64)
    onset_s, row, velocity = _regrouped(rng, onset_s, row, velocity)
    if rng.random() < 0.1:  # a lighter or heavier hand
        velocity = np.clip(velocity * rng.uniform(0.5, 1.3), 3, 127)
    if rng.random() < 0.06:  # somebody else plays along on a percussion instrument
        return _with_percussion(rng, Hits(onset_s, row, velocity), tempo_bpm, duration_s)
    return Hits(onset_s, row, velocity)


def _regrouped(
    rng: Generator, onset_s: NDArray[np.float64], row: NDArray[np.int64], velocity: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Other drums together than usual: what is mostly heard at once must still be told apart."""
    if rng.random() < _PARTED:
        under = np.isin(row, [ROW_OF_PIECE["kick"], ROW_OF_PIECE["snare"]])
        keys = ("closed_hat", "open_hat", "pedal_hat", "ride", "crash")
        over = np.isin(row, [ROW_OF_PIECE[key] for key in keys])
        leaving, staying = (over, under) if rng.random() < 0.7 else (under, over)
        kept = ~(leaving & _beside(onset_s, onset_s[staying]) & (rng.random(len(row)) < rng.uniform(0.5, 1.0)))
        onset_s, row, velocity = onset_s[kept], row[kept], velocity[kept]
    for source, target, share in _DOUBLES:
        if rng.random() >= share:
            continue
        hit = (row == ROW_OF_PIECE[source]) & (rng.random(len(row)) < rng.choice([1.0, rng.uniform(0.1, 1.0)]))
        hit &= ~_beside(onset_s, onset_s[row == ROW_OF_PIECE[target]])
        added_s = onset_s[hit] + rng.normal(0.0, 0.004, int(hit.sum()))
        added_velocity = np.clip(velocity[hit] * rng.uniform(0.5, 1.2) + rng.normal(0.0, 8.0, len(added_s)), 8, 127)
        order = np.argsort(np.concatenate([onset_s, added_s]), kind="stable")
        onset_s = np.concatenate([onset_s, added_s])[order]
        row = np.concatenate([row, np.full(len(added_s), ROW_OF_PIECE[target])])[order]
        velocity = np.concatenate([velocity, added_velocity])[order]
    return onset_s, row, velocity


def _beside(onset_s: NDArray[np.float64], others_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which onsets have one of the others, which are sorted, next to them."""
    if not len(others_s):
        return np.zeros(len(onset_s), dtype=bool)
    after = np.clip(np.searchsorted(others_s, onset_s), 1, max(1, len(others_s) - 1))
    distance_s = np.minimum(
        np.abs(onset_s - others_s[np.minimum(after, len(others_s) - 1)]), np.abs(onset_s - others_s[after - 1])
    )
    return np.asarray(distance_s < _TOGETHER_S)


def _with_percussion(rng: Generator, hits: Hits, tempo_bpm: float, duration_s: float) -> Hits:
    row = ROW_OF_PIECE[str(rng.choice(["tambourine", "tambourine", "cowbell", "clap"]))]
    spacing_s = 60.0 / tempo_bpm / float(rng.choice([1, 2, 2, 4]))
    extra_s = np.arange(rng.uniform(0.0, spacing_s), duration_s, spacing_s)
    extra_s = extra_s + rng.normal(0.0, 0.006, len(extra_s))
    onset_s = np.concatenate([hits.onset_s, extra_s])
    rows = np.concatenate([hits.row, np.full(len(extra_s), row)])
    velocity = np.concatenate([hits.velocity, np.clip(rng.normal(85, 18, len(extra_s)), 10, 127)])
    order = np.argsort(onset_s, kind="stable")
    return Hits(onset_s[order], rows[order], velocity[order])


def render_drums(
    rng: Generator, hits: Hits, kit: dict[int, Voice], duration_s: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Play hits on a kit.

    Returns
    -------
    audio : ndarray [shape=(samples,), float32]
        Mono at `kits.RATE_HZ`; the onsets lie exactly where `hits` says, rounded to a sample.
    heard : ndarray [shape=(hits,), bool]
        False for hits of pieces that the kit lacks, and for those that drown in the other drums: whoever is asked to
        find what nobody can hear learns to guess it from its neighbours.
    """
    lead_in = int(LEAD_IN_S * RATE_HZ)
    audio = np.zeros(lead_in + int(round(duration_s * RATE_HZ)), dtype=np.float32)
    starts = np.rint(hits.onset_s * RATE_HZ).astype(np.int64) + lead_in
    own = np.zeros((len(starts), 2))
    for index, (start, row, velocity) in enumerate(zip(starts, hits.row, hits.velocity, strict=True)):
        if row not in kit or start < 0 or start >= len(audio):
            continue
        sample, gain = kit[row].hit(rng, float(velocity))
        if row == _OPEN_HAT:
            sample = _choked(sample, starts, hits.row, index)
        stop = min(len(audio), start + len(sample))
        audio[start:stop] += np.float32(gain) * sample[: stop - start]
        own[index] = gain**2 * _attack_energies(sample)
    whole = np.array([_attack_energies(audio[max(0, start) :]) for start in starts]).reshape(-1, 2)
    heard: NDArray[np.bool_] = np.any(own > _DROWNED * whole, axis=1)
    return audio[lead_in:], heard


def _attack_energies(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Energy of the first moments, as it is and with its highs lifted: hats live above what drowns them."""
    attack = audio[:_ATTACK_SAMPLES]
    return np.array([np.sum(np.square(attack)), np.sum(np.square(np.diff(attack, 2)))], dtype=np.float64)


def _choked(
    sample: NDArray[np.float32], starts: NDArray[np.int64], rows: NDArray[np.int64], index: int
) -> NDArray[np.float32]:
    """An open hat rings until the hats are closed; one that is struck again while open rings on."""
    later = starts[index + 1 :][np.isin(rows[index + 1 :], _CHOKING_ROWS)]
    later = later[later > starts[index]]
    if not len(later):
        return sample
    length = int(later[0] - starts[index])
    if length + _CHOKE_FADE >= len(sample):
        return sample
    choked = sample[: length + _CHOKE_FADE].copy()
    choked[length:] *= np.linspace(1.0, 0.0, _CHOKE_FADE, dtype=np.float32)
    return choked
