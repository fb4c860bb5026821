"""The second sieve of recordings: our own network says where it hears drums that nobody has labelled.

Rendered clips are left alone: what the network takes for drums in them is known to be none, and worth training on.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from mix2midi.files import atomic_write
from mix2midi.training.company.pool import read_index, write_index
from mix2midi.training.slices import from_16_bits
from mix2midi.transcription.heat_map import HeatMap

PASSAGES_NAME = "passages.csv"
JUDGED_FAMILIES = ("kick", "snare", "hats")
_MERGE_S = 0.03
#: Kind of the clips that are looked at, and the activation, 0 to 1, from which on a hit is one.
_JUDGED_KIND, _SURE = "recording", 0.5
#: A window with more hits than this is marked.
_WINDOW_S, _MAX_HITS_PER_S = 4.0, 0.75


class PaintsHeatMaps(Protocol):
    """The part of `Transcriber` that is needed here."""

    def heat_map(self, audio: NDArray[np.float32]) -> HeatMap:
        """Heat map of mono audio at 44.1 kHz."""


@dataclass(frozen=True)
class Passage:
    """A stretch of a clip in which the network hears drums, and how many hits a second."""

    file: str
    start_s: float
    stop_s: float
    hits_per_s: float


def hits_in(heat_map: HeatMap) -> NDArray[np.float64]:
    """Times in seconds of the hits of kick, snare and hats that the network hears, sorted; families count apart."""
    times = []
    for family in JUDGED_FAMILIES:
        curve = heat_map.family_onset[heat_map.families.index(family)]
        peaks, _ = find_peaks(curve, height=_SURE, distance=max(1, round(_MERGE_S * heat_map.fps)))
        times.append(peaks / heat_map.fps)
    return np.sort(np.concatenate(times))


def passages_of(file: str, hits_s: NDArray[np.float64], duration_s: float) -> list[Passage]:
    """Windows with too many hits, neighbours joined."""
    edges_s = np.append(np.arange(0.0, duration_s, _WINDOW_S), duration_s)
    passages: list[Passage] = []
    for start_s, stop_s in zip(edges_s[:-1], edges_s[1:], strict=True):
        n_hits = int(np.sum((hits_s >= start_s) & (hits_s < stop_s)))
        if n_hits <= _MAX_HITS_PER_S * _WINDOW_S:
            continue
        if passages and passages[-1].stop_s == start_s:
            start_s = passages.pop().start_s
            n_hits = int(np.sum((hits_s >= start_s) & (hits_s < stop_s)))
        passages.append(Passage(file, float(start_s), float(stop_s), round(n_hits / (stop_s - start_s), 3)))
    return passages


def filter_pool(
    pool_dir: Path,
    transcriber: PaintsHeatMaps,
    *,
    max_share: float | None = None,
) -> list[Passage]:
    """Mark the passages of recordings in which the network hears kick, snare or hats often.

    Parameters
    ----------
    pool_dir : Path
        A pool with `index.csv`; `passages.csv` (file, start_s, stop_s, hits_per_s) is written beside it.
    transcriber : Transcriber
        Anything with its `heat_map`.
    max_share : float, optional
        Take clips out of the index of which more than this share is marked; their files stay.

    Returns
    -------
    passages : list of Passage
        Marked passages of all clips looked at.
    """
    passages: list[Passage] = []
    dropped: set[str] = set()
    for entry in read_index(pool_dir):
        if entry.kind != _JUDGED_KIND:
            continue
        samples = from_16_bits(np.load(pool_dir / entry.file))
        hits_s = hits_in(transcriber.heat_map(samples))
        found = passages_of(entry.file, hits_s, entry.duration_s)
        passages += found
        marked_s = sum(passage.stop_s - passage.start_s for passage in found)
        if max_share is not None and marked_s > max_share * entry.duration_s:
            dropped.add(entry.file)
    _write_passages(pool_dir, passages)
    if dropped:
        write_index(pool_dir, [entry for entry in read_index(pool_dir) if entry.file not in dropped])
    return passages


def _write_passages(pool_dir: Path, passages: Sequence[Passage]) -> None:
    with atomic_write(pool_dir / PASSAGES_NAME) as partial, partial.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, [column.name for column in fields(Passage)])
        writer.writeheader()
        writer.writerows(asdict(passage) for passage in passages)
