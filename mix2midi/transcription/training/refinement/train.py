"""From a recipe and a transcriber's weights to the same weights with a refinement network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mix2midi.drums import PIECES
from mix2midi.errors import ModelError, OptionError
from mix2midi.training.blend import blend_networks
from mix2midi.training.learning import Learner
from mix2midi.training.recipe import load_settings
from mix2midi.training.run_folder import claim_run_folder
from mix2midi.training.team import Team
from mix2midi.transcription.recollection import family_curves
from mix2midi.transcription.refinement_network import RefinementNetwork
from mix2midi.transcription.training.refinement.examples import SongExample, damage
from mix2midi.transcription.training.refinement.recipe import RefinementRecipe
from mix2midi.transcription.training.refinement.songs import render_songs
from mix2midi.transcription.weights import SHIPPED_WEIGHTS, load_weights, save_weights

_SURE = 1e-4


def train_refinement(
    recipe_path: Path,
    data_folder: Path,
    run_folder: Path,
    *,
    device: str = "cpu",
    steps: int | None = None,
    initial_weights: Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> Path:
    """Train a refinement network for a transcriber; a run that was stopped is taken up where it stood.

    One process learns alone: with songs at hand it takes minutes.

    Parameters
    ----------
    recipe_path : Path
        YAML, see `recipe.RefinementRecipe`.
    data_folder, run_folder : Path
        As for `mix2midi.transcription.training.train.train`; the run also keeps the songs.
    device : str
        Where it learns; songs are rendered and heard on the CPU.
    steps : int, optional
        Replaces the recipe's number of steps.
    initial_weights : Path, optional
        Of the transcriber that is refined; the shipped ones by default. Its thresholds fit no longer: `mix2midi tune`
        chooses new ones.
    report : callable
        Gets each line of the log.

    Returns
    -------
    Path
        The transcriber's weights with the network in them.

    Raises
    ------
    OptionError
        The recipe or its data cannot be used.
    ModelError
        The weights, or the checkpoint in `run_folder`, cannot be used.
    """
    recipe = load_settings(RefinementRecipe, recipe_path).with_steps(steps)
    weights = initial_weights or SHIPPED_WEIGHTS
    trainer = RefinementTrainer(recipe, run_folder, weights, Team(device=device))
    claim_run_folder(run_folder, recipe, weights, data=recipe.data.listings(data_folder))
    trainer.resume()
    slices = recipe.slices
    songs = render_songs(recipe, data_folder, weights, run_folder / "songs", slices.count)
    judged = render_songs(
        recipe, data_folder, weights, run_folder / "validation-songs", slices.validation_count, is_validation=True
    )
    if not songs or not judged:
        raise OptionError(f"{recipe_path}: slices.count and slices.validation_count leave no song to learn or judge by")
    trainer.learn_from(songs, judged, report)
    return run_folder / "weights.safetensors"


class RefinementTrainer(Learner[RefinementNetwork]):
    """A training run of the refinement network.

    Parameters
    ----------
    recipe : RefinementRecipe
    folder : Path
        Of the run.
    weights : Path
        Of the transcriber, which stays as it is.
    team : Team
        The device.
    """

    def __init__(self, recipe: RefinementRecipe, folder: Path, weights: Path, team: Team) -> None:
        torch.manual_seed(recipe.seed)
        self._weights, options = load_weights(weights), recipe.optimiser
        brought = self._weights.refinements
        self._start = brought[0] if options.goes_on and len(brought) == 1 else None
        if options.goes_on and (self._start is None or self._start.config != recipe.network):
            raise ModelError(f"{weights}: holds no single refinement of the recipe's network to go on from")
        if options.joins and not brought:
            raise ModelError(f"{weights}: holds no refinement to join")
        network = RefinementNetwork(recipe.network)
        if self._start is not None:
            network.load_state_dict(self._start.state_dict())
        network = network.to(team.device)
        optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
        super().__init__(network, optimiser, recipe, folder, team)
        self.recipe = recipe

    def learn_from(
        self, songs: Sequence[SongExample], judged: Sequence[SongExample], report: Callable[[dict[str, Any]], None]
    ) -> None:
        """Learn to the recipe's last step; the log, the checkpoint and the result are written on the way."""
        self.learn_to_end(lambda: self._learn(songs), lambda: self._judge(judged), report)

    def _learn(self, songs: Sequence[SongExample]) -> float:
        """One step of the optimiser; which songs it sees, and how damaged, follows from seed and step."""
        options = self.recipe.optimiser
        rng = np.random.default_rng([self.recipe.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))  # of the dropout
        self.set_learning_rate()
        self.network.train()
        losses = []
        for number in rng.integers(len(songs), size=options.batch_size):
            song = songs[int(number)]
            first = int(rng.integers(max(1, len(song.times_s) - options.crop_instants + 1)))
            song = song.part(first, first + options.crop_instants)
            losses.append(self._loss(self.network, damage(rng, song) if rng.random() < options.damage_share else song))
        loss = torch.stack(losses).mean()
        self.advance(loss)
        return float(loss.detach())

    def _loss(self, network: RefinementNetwork, song: SongExample) -> Tensor:
        """Cross entropy of the curves that notes are picked from, and of each row."""
        parts = (song.times_s, song.logits, song.velocity, song.loudness, song.truth)
        times_s, logits, velocity, loudness, truth = (part.to(self.device) for part in parts)
        with self.arithmetic():
            refined = network(times_s, logits, velocity, loudness).float()
        curves = family_curves(refined).clamp(_SURE, 1.0 - _SURE)
        of_families = functional.binary_cross_entropy(curves, truth[:, len(PIECES) :])
        return 3.0 * (of_families + functional.binary_cross_entropy_with_logits(refined, truth))

    def _judge(self, songs: Sequence[SongExample]) -> float:
        with torch.inference_mode():
            return float(np.mean([float(self._loss(self.average, song)) for song in songs]))

    def save_result(self) -> None:
        """Write the transcriber's weights with the averaged network in them."""
        share = self.recipe.optimiser.learnt_share
        notes = {"steps": self.step, "seed": self.recipe.seed, "learnt_share": share}
        if self._start is None:
            learnt = self.average.tempered(share).to("cpu")
        else:
            learnt = blend_networks(self._start, self.average, share)
        refinements, told = [learnt], [notes]
        if self.recipe.optimiser.joins:
            refinements = [*self._weights.refinements, learnt]
            told = [*self._weights.notes.get("refinements", []), notes]
        all_notes = {**self._weights.notes, "refinements": told}
        weights = replace(self._weights, refinements=tuple(refinements), notes=all_notes)
        save_weights(weights, self.folder / "weights.safetensors")
