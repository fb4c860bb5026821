"""Slices of drums alone, for the separator to find in their mixes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mix2midi.separation.training.recipe import SliceRecipe
from mix2midi.training.drum_kit import draw_kit
from mix2midi.training.drum_part import draw_hits
from mix2midi.training.drum_track import render_drums
from mix2midi.training.effects import produce
from mix2midi.training.kits import RATE_HZ, KitLibrary
from mix2midi.training.performances import Performance
from mix2midi.training.slices import Slice, to_16_bits

#: Loudest sample of a slice: its level says nothing, since mixes are made at random levels.
_PEAK = 0.9


@dataclass
class DrumRenderer:
    """Renders drums from a library and performances; the slices carry no hits."""

    recipe: SliceRecipe
    library: KitLibrary
    performances: list[Performance]
    seed: int

    @property
    def samples(self) -> int:
        """Length of a slice."""
        return round(self.recipe.duration_s * RATE_HZ)

    def render(self, number: int) -> Slice:
        """Slice `number`.

        Returns
        -------
        audio : ndarray [shape=(samples,), int16]
        hits : ndarray [shape=(0, 3), float32]
        """
        rng = np.random.default_rng([self.seed, number])
        recipe = self.recipe
        hits, _ = draw_hits(rng, recipe, self.performances, None, recipe.duration_s)
        kit = draw_kit(rng, self.library, recipe.synthetic_share, recipe.acoustic_share, recipe.attack_share)
        drums, _ = render_drums(rng, hits, kit, recipe.duration_s)
        drums = produce(rng, drums[: self.samples], recipe.drum_effects)
        drums = drums * np.float32(_PEAK / max(1e-9, float(np.abs(drums).max())))
        return to_16_bits(drums), np.zeros((0, 3), dtype=np.float32)
