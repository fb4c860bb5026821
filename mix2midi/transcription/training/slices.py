"""Slices: short stretches of audio with the hits in them, rendered by seed, kept in a ring on disk.

Slice number n is the same wherever and whenever it is rendered, since all its chance comes from (seed, n). The ring
holds the most recent ones; workers replace the oldest while training reads, so that sounds stay new without the
network ever waiting for a renderer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.transcription.level import reference_gain, window_levels_db
from mix2midi.transcription.network import NetworkConfig
from mix2midi.transcription.training.company_pool import Clip, CompanyPool
from mix2midi.transcription.training.drum_kit import draw_kit, plain_kit
from mix2midi.transcription.training.drum_track import Hits, cut_hits, render_drums, vary_hits
from mix2midi.transcription.training.effects import produce
from mix2midi.transcription.training.kits import RATE_HZ, KitLibrary
from mix2midi.transcription.training.patterns import generate_pattern
from mix2midi.transcription.training.performances import Performance
from mix2midi.transcription.training.recipe import SliceRecipe
from mix2midi.transcription.training.views import mix, separated
from mix2midi.units import decibels_to_gain

#: Hits that one slice can hold; four seconds of anything playable have fewer.
MAX_HITS = 256
_NO_HIT = -1.0
_FULL_SCALE = 32767.0


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

    @property
    def samples(self) -> int:
        """Samples of a slice, the context on both sides included."""
        return self.recipe.frames * self.network.hop_length + 2 * self.network.context_samples

    def render(self, number: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
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
        hits, company_start_s = self._draw_hits(rng, clip, duration_s)
        kit = draw_kit(rng, self.library, self.recipe.synthetic_share) if self.varied else plain_kit(self.library)
        drums, heard = render_drums(rng, hits, kit, duration_s)
        hits, drums = hits.where(heard), drums[: self.samples]
        audio = self._produce(rng, view, drums, clip, company_start_s)
        return to_int16(rng, audio), hit_table(hits, self.network, self.recipe.frames)

    def _draw_hits(self, rng: Generator, clip: Clip | None, duration_s: float) -> tuple[Hits, float]:
        """Hits of a stretch of a performance, at the tempo and on the beat of its company where that is known."""
        company_start_s = float(rng.uniform(0.0, max(0.0, clip.duration_s - duration_s))) if clip else 0.0
        if rng.random() < self.recipe.empty_share:
            nothing = np.zeros(0)
            return Hits(nothing, nothing.astype(np.int64), nothing), company_start_s
        if rng.random() < self.recipe.pattern_share:
            performance = generate_pattern(rng)
        else:
            performance = self.performances[int(rng.integers(len(self.performances)))]
        speed = float(rng.uniform(0.85, 1.2)) if self.varied else 1.0
        start_s = float(rng.uniform(-0.5, max(0.0, performance.duration_s / speed - duration_s) + 0.5))
        if self.varied and clip and clip.tempo_bpm > 0 and rng.random() < 0.7:
            ratios = clip.tempo_bpm * np.array([0.5, 1.0, 2.0]) / performance.tempo_bpm
            nearest = float(ratios[np.abs(np.log(ratios)).argmin()])
            if 0.7 < nearest < 1.45:
                speed, beat_s = nearest, 60.0 / clip.tempo_bpm
                start_s = company_start_s % beat_s + beat_s * round(start_s / beat_s)
        hits = cut_hits(performance, duration_s, speed, start_s)
        if self.varied:
            hits = vary_hits(rng, hits, duration_s, performance.tempo_bpm * speed)
        return hits, company_start_s

    def _produce(
        self, rng: Generator, view: str, drums: NDArray[np.float32], clip: Clip | None, company_start_s: float
    ) -> NDArray[np.float32]:
        drums = produce(rng, drums, self.recipe.drum_effects)
        if clip is not None and self.company is not None:
            company = self.company.read(clip, company_start_s, len(drums))
            if not drums.any():  # company alone: what a song without drums sounds like
                return produce(rng, company, self.recipe.master_effects)
            drums, company = mix(rng, drums, company, self.recipe.company_db, self.recipe.company_spread_db)
            drums = separated(rng, drums, company) if view == "separated" else drums + company
        return produce(rng, drums, self.recipe.master_effects)


def hit_table(hits: Hits, network: NetworkConfig, frames: int) -> NDArray[np.float32]:
    """Frame, row and velocity of the hits of a slice that begins `network.context_samples` before frame 0."""
    frame = (hits.onset_s * RATE_HZ - network.context_samples) / network.hop_length
    inside = (frame > -2.0) & (frame < frames + 1.0)
    return np.stack([frame, hits.row.astype(np.float64), hits.velocity], axis=1)[inside].astype(np.float32)


def to_int16(rng: Generator, audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """At the level that the transcriber brings songs to, as far as one slice can tell."""
    level_db = float(rng.normal(0.0, 3.0)) - (float(rng.uniform(6.0, 24.0)) if rng.random() < 0.12 else 0.0)
    gain = reference_gain([window_levels_db(audio, RATE_HZ)]) * float(decibels_to_gain(level_db))
    return np.rint(np.clip(audio * gain, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)


class SliceRing:
    """The slices that lie ready, as memory-mapped files shared by workers and trainer.

    Parameters
    ----------
    folder : Path
        Made if need be. A ring of the same shape that is already there is used again.
    capacity, samples : int
        Slices it holds, and samples of each.
    """

    def __init__(self, folder: Path, capacity: int, samples: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.capacity = capacity
        self.audio = _open_array(folder / "audio.npy", (capacity, samples), np.dtype(np.int16), 0)
        self.hits = _open_array(folder / "hits.npy", (capacity, MAX_HITS, 3), np.dtype(np.float32), _NO_HIT)
        self.numbers = _open_array(folder / "numbers.npy", (capacity,), np.dtype(np.int64), -1)

    def holds(self, number: int) -> bool:
        """Whether a slice is there now."""
        return bool(self.numbers[number % self.capacity] == number)

    def put(self, number: int, audio: NDArray[np.int16], hits: NDArray[np.float32]) -> None:
        """Store a slice in the place of an older one."""
        place = number % self.capacity
        self.numbers[place] = -1
        self.audio[place] = audio
        self.hits[place] = _NO_HIT
        self.hits[place, : len(hits)] = hits[:MAX_HITS]
        self.numbers[place] = number

    def get(
        self, numbers: NDArray[np.int64], while_waiting: Callable[[], None] = lambda: None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A batch; waits for slices that are still being rendered.

        Parameters
        ----------
        numbers : ndarray [shape=(batch,), int64]
        while_waiting : callable
            Called again and again until they are there; raises where they will never be.

        Returns
        -------
        audio : ndarray [shape=(batch, samples), float32]
        hits : ndarray [shape=(batch, MAX_HITS, 3), float32]
            Unused places hold -1.
        """
        while not all(self.holds(int(number)) for number in numbers):
            while_waiting()
            time.sleep(0.05)
        places = numbers % self.capacity
        return self.audio[places].astype(np.float32) / np.float32(_FULL_SCALE), np.array(self.hits[places])


def _open_array(path: Path, shape: tuple[int, ...], dtype: np.dtype, fill: float) -> np.memmap:
    if path.is_file():
        stored = np.lib.format.open_memmap(path, mode="r+")
        if stored.shape == shape and stored.dtype == dtype:
            return stored
    made = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if fill:
        made[:] = fill
    return made
