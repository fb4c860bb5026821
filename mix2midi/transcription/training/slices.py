"""Slices for the transcriber: drums with the hits in them, alone, in a mix, or as a separator gives them back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.training.company_pool import Clip, CompanyPool
from mix2midi.training.drum_kit import Voice, draw_kit, plain_kit
from mix2midi.training.drum_part import draw_hits
from mix2midi.training.drum_track import Hits, render_drums
from mix2midi.training.effects import produce
from mix2midi.training.kits import RATE_HZ, KitLibrary
from mix2midi.training.performances import Performance
from mix2midi.training.slices import Slice, to_16_bits
from mix2midi.transcription.level import reference_gain, window_levels_db
from mix2midi.transcription.network import NetworkConfig
from mix2midi.transcription.training.recipe import SliceRecipe
from mix2midi.transcription.training.views import mix, separated, separated_by
from mix2midi.units import decibels_to_gain

#: In `SliceRecipe.whole_kits`: any kit with at least this many kinds of drums.
ANY_KIT, WHOLE_KIT_DRUMS = "any", 6


@dataclass
class SliceRenderer:
    """Renders slices from a library, performances and, where there is one, a pool of company.

    With `varied` as for training: kits are put together anew, tuned and turned, parts are played on other drums and at
    other tempos. Without it the kit is played as it was recorded and the part as it was performed.
    """

    recipe: SliceRecipe
    network: NetworkConfig
    library: KitLibrary
    performances: list[Performance]
    company: CompanyPool | None
    seed: int
    varied: bool = True
    separator: str | None = None
    _alone: dict[str, KitLibrary] = field(default_factory=dict, init=False, repr=False)

    @property
    def samples(self) -> int:
        """Samples of a slice, the context on both sides included."""
        return self.recipe.frames * self.network.hop_length + 2 * self.network.context_samples

    def render(self, number: int) -> Slice:
        """Slice `number`.

        Returns
        -------
        audio : ndarray [shape=(samples,), int16]
        hits : ndarray [shape=(hits, 3), float32]
            Frame (fractional), row of the piece, velocity; only hits inside the frames.
        """
        rng = np.random.default_rng([self.seed, number])
        duration_s = self.samples / RATE_HZ
        view = str(rng.choice(list(self.recipe.views), p=list(self.recipe.views.values())))
        clip = self.company.draw(rng) if self.company and self.company.clips and view != "clean" else None
        hits, company_start_s = draw_hits(rng, self.recipe, self.performances, clip, duration_s, self.varied)
        kit = self._draw_kit(rng)
        drums, heard = render_drums(rng, hits, kit, duration_s)
        hits, drums = hits.where(heard), drums[: self.samples]
        audio = self._produce(rng, view, drums, clip, company_start_s)
        return to_level(rng, audio), hit_table(hits, self.network, self.recipe.frames)

    def _draw_kit(self, rng: Generator) -> dict[int, Voice]:
        recipe = self.recipe
        if not self.varied:
            return plain_kit(self.library)
        library = self._draw_library(rng) if recipe.whole_kits else self.library
        return draw_kit(rng, library, recipe.synthetic_share, recipe.acoustic_share, recipe.attack_share)

    def _draw_library(self, rng: Generator) -> KitLibrary:
        """One kit alone, as often as the recipe says, or all of them."""
        shares = self.recipe.whole_kits
        drawn = int(np.searchsorted(np.cumsum(list(shares.values())), rng.random(), side="right"))
        if drawn == len(shares):
            return self.library
        kit = list(shares)[drawn]
        if kit == ANY_KIT:
            whole = [name for name, drums in self.library.by_kit.items() if len(drums) >= WHOLE_KIT_DRUMS]
            if not whole:
                raise OptionError(f"whole_kits: no kit to learn from has {WHOLE_KIT_DRUMS} kinds of drums for 'any'")
            kit = str(rng.choice(whole))
        if kit not in self._alone:
            self._alone[kit] = self.library.alone(kit)
        return self._alone[kit]

    def _produce(
        self, rng: Generator, view: str, drums: NDArray[np.float32], clip: Clip | None, company_start_s: float
    ) -> NDArray[np.float32]:
        drums = produce(rng, drums, self.recipe.drum_effects)
        if clip is not None and self.company is not None:
            company = self.company.read(clip, company_start_s, len(drums))
            if not drums.any():  # company alone: what a song without drums sounds like
                return produce(rng, company, self.recipe.master_effects)
            drums, company = mix(rng, drums, company, self.recipe.company_db, self.recipe.company_spread_db)
            drums = self._separated(rng, drums, company) if view == "separated" else drums + company
        return produce(rng, drums, self.recipe.master_effects)

    def _separated(
        self, rng: Generator, drums: NDArray[np.float32], company: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if self.separator is not None and rng.random() < self.recipe.separator_share:
            return separated_by(self.separator, drums + company)
        return separated(rng, drums, company)


def hit_table(hits: Hits, network: NetworkConfig, frames: int) -> NDArray[np.float32]:
    """Frame, row and velocity of the hits of a slice that begins `network.context_samples` before frame 0."""
    frame = (hits.onset_s * RATE_HZ - network.context_samples) / network.hop_length
    inside = (frame > -2.0) & (frame < frames + 1.0)
    return np.stack([frame, hits.row.astype(np.float64), hits.velocity], axis=1)[inside].astype(np.float32)


def to_level(rng: Generator, audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """At the level that the transcriber brings songs to, as far as one slice can tell."""
    level_db = float(rng.normal(0.0, 3.0)) - (float(rng.uniform(6.0, 24.0)) if rng.random() < 0.12 else 0.0)
    gain = reference_gain([window_levels_db(audio, RATE_HZ)]) * float(decibels_to_gain(level_db))
    return to_16_bits(audio * np.float32(gain))
