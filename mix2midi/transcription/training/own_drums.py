"""Tuning trained weights to somebody's own drums without forgetting all others.

Three things keep the rest: other kits in half of the slices where there are any, statistics of the normalisation that
stay as they are, and the mean of old and new weights in the end (M. Wortsman et al., "Robust fine-tuning of zero-shot
models", CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES
from mix2midi.notes import DrumNote
from mix2midi.training.drum_kit import plain_kit
from mix2midi.training.drum_track import Hits, cut_hits, render_drums
from mix2midi.training.kits import RATE_HZ, KitLibrary
from mix2midi.training.patterns import generate_pattern
from mix2midi.training.performances import Performance
from mix2midi.training.slices import Slice, batch_of, slices_of_step
from mix2midi.transcription.network import NetworkConfig
from mix2midi.transcription.training.recipe import Recipe
from mix2midi.transcription.training.slices import SliceRenderer, hit_table, to_level
from mix2midi.units import unit_to_velocity

if TYPE_CHECKING:
    from mix2midi.transcription.weights import Weights

#: Share of the tuned weights in the mean of old and new; with more of them other drums are forgotten.
NEW_SHARE = 0.25
#: Last part of each recording, which is kept for judging.
HELD_OUT_SHARE = 0.25
#: Songs to judge by, and songs by which the share is chosen.
HELD_OUT_SEED, CHOICE_SEED = 8_000_001, 8_000_002
_SONG_S = 20.0
#: What keeps the time in songs to choose and judge by: hats as often as in music, whatever chance would have drawn.
_HANDS = ("closed_hat", "ride", "closed_hat", "open_hat", "crash", "closed_hat", "ride", "closed_hat")
_GENERAL_SHARE = 0.5


@dataclass(frozen=True)
class Excerpt:
    """Drums with what was played.

    Attributes
    ----------
    audio : ndarray [shape=(samples,), float32]
        Mono at `kits.RATE_HZ`.
    hits : Hits
        From the start of the audio.
    """

    audio: NDArray[np.float32]
    hits: Hits

    @property
    def notes(self) -> list[DrumNote]:
        """The hits as notes."""
        velocities = unit_to_velocity(self.hits.velocity / 127.0)
        return [
            DrumNote(float(onset_s), PIECES[row].note, int(velocity))
            for onset_s, row, velocity in zip(self.hits.onset_s, self.hits.row, velocities, strict=True)
        ]

    def part(self, start: int, stop: int) -> Excerpt:
        """From one sample to another; what is not there is silence."""
        audio = np.zeros(stop - start, dtype=np.float32)
        inside = self.audio[max(0, start) : max(0, stop)]
        audio[max(0, -start) : max(0, -start) + len(inside)] = inside
        onset_s = self.hits.onset_s - start / RATE_HZ
        hits = Hits(onset_s, self.hits.row, self.hits.velocity)
        return Excerpt(audio, hits.where((onset_s >= 0) & (onset_s < len(audio) / RATE_HZ)))


class SliceSource(Protocol):
    """Whatever renders slices by number."""

    def render(self, number: int) -> Slice:
        """Audio and hits, as `slices.SliceRenderer.render` returns them."""


@dataclass(frozen=True)
class RecordedSlices:
    """Slices cut from recordings."""

    recordings: Sequence[Excerpt]
    network: NetworkConfig
    frames: int
    seed: int

    def render(self, number: int) -> Slice:
        """A stretch of one recording, at a level that varies a little."""
        rng = np.random.default_rng([self.seed, number])
        recording = self.recordings[int(rng.integers(len(self.recordings)))]
        samples = self.frames * self.network.hop_length + 2 * self.network.context_samples
        start = int(rng.integers(-samples // 4, max(1, len(recording.audio) - samples // 2)))
        part = recording.part(start, start + samples)
        return to_level(rng, part.audio), hit_table(part.hits, self.network, self.frames)


def kit_slices(recipe: Recipe, library: KitLibrary, performances: list[Performance]) -> SliceRenderer:
    """Slices played on a kit: from patterns, and from performances where there are any."""
    share = 0.5 if performances else 1.0
    slices = replace(recipe.slices, pattern_share=share)
    return SliceRenderer(slices, recipe.network_config(), library, performances, None, recipe.seed)


def split_recordings(recordings: Sequence[Excerpt]) -> tuple[list[Excerpt], list[Excerpt]]:
    """First parts to learn from, and last parts to judge by."""
    borders = [round(len(recording.audio) * (1.0 - HELD_OUT_SHARE)) for recording in recordings]
    pairs = list(zip(recordings, borders, strict=True))
    return [r.part(0, border) for r, border in pairs], [r.part(border, len(r.audio)) for r, border in pairs]


def songs_on_kit(library: KitLibrary, songs: int, seed: int = HELD_OUT_SEED) -> list[Excerpt]:
    """The kit as it is, without effects, playing parts that training does not draw: styles and time keepers in turn."""
    found = []
    for number in range(songs):
        rng = np.random.default_rng([seed, number])
        performance = generate_pattern(rng, bars=16, style=number, hand=_HANDS[number % len(_HANDS)])
        hits = cut_hits(performance, _SONG_S, speed=1.0, start_s=0.0)
        hits = hits.where(hits.onset_s >= 0.0)
        audio, heard = render_drums(rng, hits, plain_kit(library), _SONG_S)
        peak = max(float(np.abs(audio).max()), 1e-9)
        found.append(Excerpt((0.9 / peak * audio).astype(np.float32), hits.where(heard)))
    return found


def tune_to(
    weights: Weights,
    recipe: Recipe,
    own: Sequence[SliceSource],
    general: SliceSource | None,
    folder: Path,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> Weights:
    """Tune weights to somebody's drums; `share_weights` makes of the result what does not forget all others.

    Parameters
    ----------
    weights : Weights
        Stay as they are.
    recipe : Recipe
        Its network must be that of the weights.
    own : sequence of SliceSource
        Slices of the drums to be learnt.
    general : SliceSource, optional
        Slices of other drums, which make up half.
    folder : Path
        For temporary files.
    device : str
        A device that torch knows.
    report : callable
        Gets the step and its losses now and then.

    Returns
    -------
    Weights
        With the pickings of the old ones.
    """
    from mix2midi.training.team import Team
    from mix2midi.transcription.training.trainer import Trainer

    trainer = Trainer(recipe, folder, Team(device=device))
    trainer.begin_with(weights.network)
    slices: dict[int, Slice] = {}
    every = max(1, recipe.optimiser.steps // 10)
    while trainer.step < recipe.optimiser.steps:
        numbers, ready = slices_of_step(recipe.slices, recipe.seed, recipe.optimiser.batch_size, trainer.step)
        for number in range(max(slices, default=-1) + 1, ready):
            slices[number] = _mixed(recipe.seed, number, own, general)
            slices.pop(number - recipe.slices.window, None)  # no longer drawn
        losses = trainer.learn(*batch_of([slices[number] for number in numbers]))
        if trainer.step % every == 0:
            report({"step": trainer.step, **{name: round(loss, 4) for name, loss in losses.items()}})
    notes = {**weights.notes, "own_drums": {"steps": recipe.optimiser.steps}}
    return replace(weights, network=deepcopy(trainer.average).to("cpu").eval(), notes=notes)


def share_weights(old: Weights, tuned: Weights, new_share: float = NEW_SHARE) -> Weights:
    """The mean of old and tuned weights, of which the tuned ones are a share of 0 to 1; both stay as they are."""
    from mix2midi.training.blend import blend_networks

    own_drums = {**tuned.notes.get("own_drums", {}), "new_share": new_share}
    network = blend_networks(old.network, tuned.network, new_share)
    return replace(old, network=network, notes={**tuned.notes, "own_drums": own_drums})


def _mixed(seed: int, number: int, own: Sequence[SliceSource], general: SliceSource | None) -> Slice:
    rng = np.random.default_rng([seed, number, 2])
    if general is not None and rng.random() < _GENERAL_SHARE:
        return general.render(number)
    return own[int(rng.integers(len(own)))].render(number)
