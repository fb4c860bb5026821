"""Choose the thresholds of the transcriber on whole songs, and write them into its weights.

The score of a family depends on no threshold but its own, so each is found alone. Songs come in sets (isolated
drums, mixes, stems; real songs, renders of kits that training never heard); a threshold must serve all sets, so the
mean of their scores decides, not the largest set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mix2midi.drums import FAMILIES
from mix2midi.scores import Reference, Scores, pool_scores, score_notes
from mix2midi.transcription import HeatMap, Picking, pick_notes

#: Thresholds that are tried.
CANDIDATES = tuple(float(value) for value in np.round(np.arange(0.10, 0.82, 0.03), 2))


@dataclass(frozen=True)
class TuningSet:
    """Songs that belong together, as heat maps with their references."""

    name: str
    heat_maps: Sequence[HeatMap]
    references: Sequence[Reference]


def choose_thresholds(sets: Sequence[TuningSet], picking: Picking | None = None) -> Picking:
    """Thresholds with the best mean F (50 ms) over the sets, one family at a time.

    Parameters
    ----------
    sets : sequence of TuningSet
        At least one. A set in which a family never plays has no say in that family's threshold.
    picking : Picking, optional
        Everything but the families' thresholds is kept from here.
    """
    picking = picking or Picking()
    table = {candidate: _family_scores(sets, picking, candidate) for candidate in CANDIDATES}
    best = {
        family: max(CANDIDATES, key=lambda candidate: (_mean(table[candidate][family]), -abs(candidate - 0.5)))
        for family in FAMILIES
    }
    return replace(picking, thresholds={**picking.thresholds, **best})


def _family_scores(sets: Sequence[TuningSet], picking: Picking, threshold: float) -> dict[str, list[float]]:
    """F of each family in each set, with one threshold for all families."""
    tried = replace(picking, thresholds={**picking.thresholds, **dict.fromkeys(FAMILIES, threshold)})
    pooled: list[Scores] = [
        pool_scores(
            score_notes(reference, pick_notes(heat_map, tried))
            for heat_map, reference in zip(entry.heat_maps, entry.references)
        )
        for entry in sets
    ]
    return {family: [family_f(scores, family) for scores in pooled] for family in FAMILIES}


def family_f(scores: Scores, family: str) -> float:
    """F of one family at the widest window; NaN where it is neither there nor found."""
    return scores.families[family].counts[scores.windows_s[0]].f_measure


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else 0.0


def with_picking(path: Path, picking: Picking, target: Path) -> None:
    """Copy weights with other thresholds."""
    from mix2midi.transcription.weights import Weights, load_weights, save_weights

    weights = load_weights(path)
    save_weights(Weights(weights.network, picking.to_dict(), weights.notes), target)
