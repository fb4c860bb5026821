"""Songs with references that settings are chosen on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mix2midi.scores import Reference
from mix2midi.transcription import HeatMap
from mix2midi.transcription.repetition import recall_repetitions


@dataclass(frozen=True)
class TuningSet:
    """Songs that belong together, as heat maps with their references."""

    name: str
    heat_maps: Sequence[HeatMap]
    references: Sequence[Reference]

    def recalled(self, shares: Mapping[str, float]) -> TuningSet:
        """The set with the repetitions of each song taken into account, once for all thresholds that are tried."""
        heat_maps = [recall_repetitions(heat_map, shares) for heat_map in self.heat_maps]
        return TuningSet(self.name, heat_maps, self.references)
