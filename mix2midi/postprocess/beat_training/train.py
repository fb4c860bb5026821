"""From a recipe to the weights of a beat network: three quarters of an hour on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mix2midi.postprocess.beat_network import BeatNetwork
from mix2midi.postprocess.beat_training.augment import make_example
from mix2midi.postprocess.beat_training.grooves import Groove, load_grooves, without_lead
from mix2midi.postprocess.beat_training.recipe import BeatExampleRecipe, BeatRecipe
from mix2midi.postprocess.beat_training.variations import (
    in_other_meter,
    pattern_groove,
    swung,
    with_pause,
    with_section,
)
from mix2midi.postprocess.beat_weights import save_beat_weights
from mix2midi.training.learning import Learner
from mix2midi.training.recipe import load_settings
from mix2midi.training.run_folder import claim_run_folder
from mix2midi.training.team import Team

_VALIDATION_SEED = 7_000_001
_VALIDATION_EXAMPLES = 32


def train_beats(
    recipe_path: Path,
    data_folder: Path,
    run_folder: Path,
    *,
    device: str = "cpu",
    steps: int | None = None,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> Path:
    """Train a beat network; a run that was stopped is taken up where its last checkpoint stands.

    Parameters
    ----------
    recipe_path : Path
        YAML, see `recipe.BeatRecipe`.
    data_folder, run_folder, device, steps, report
        As for `mix2midi.transcription.training.train.train`.

    Returns
    -------
    Path
        The trained weights.

    Raises
    ------
    OptionError
        The recipe or its data cannot be used.
    ModelError
        The checkpoint in `run_folder` cannot be used.
    """
    recipe = load_settings(BeatRecipe, recipe_path).with_steps(steps)
    archive = data_folder / recipe.examples.grooves
    grooves, judged = (
        [without_lead(groove) for groove in load_grooves(archive, split)] for split in ("train", "validation")
    )
    claim_run_folder(run_folder, recipe, data={recipe.examples.grooves: archive})
    trainer = BeatTrainer(recipe, run_folder, Team(device=device))
    trainer.resume()
    trainer.learn_from(grooves, judged, report)
    return run_folder / "weights.safetensors"


class BeatTrainer(Learner[BeatNetwork]):
    """A training run of the beat network.

    Parameters
    ----------
    recipe : BeatRecipe
    folder : Path
        Of the run.
    team : Team
        The device.
    """

    def __init__(self, recipe: BeatRecipe, folder: Path, team: Team) -> None:
        torch.manual_seed(recipe.seed)
        network = BeatNetwork(recipe.network).to(team.device)
        options = recipe.optimiser
        optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
        super().__init__(network, optimiser, recipe, folder, team)
        self.recipe = recipe

    def learn_from(
        self, grooves: Sequence[Groove], judged: Sequence[Groove], report: Callable[[dict[str, Any]], None]
    ) -> None:
        """Learn to the recipe's last step; the log, the checkpoint and the result are written on the way."""
        rng = np.random.default_rng(_VALIDATION_SEED)
        judged_by = self._examples(judged, _VALIDATION_EXAMPLES, rng)
        self.learn_to_end(lambda: self._learn(grooves), lambda: self._judge(*judged_by), report)

    def _learn(self, grooves: Sequence[Groove]) -> float:
        """One step of the optimiser; what it sees follows from seed and step."""
        rng = np.random.default_rng([self.recipe.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))  # of the dropout
        self.set_learning_rate()
        self.network.train()
        roll, target = self._examples(grooves, self.recipe.optimiser.batch_size, rng)
        with self.arithmetic():
            logits = self.network(roll)
        loss = self._loss(logits.float(), target)
        self.advance(loss)
        return float(loss.detach())

    def _judge(self, roll: Tensor, target: Tensor) -> float:
        with torch.inference_mode():
            return float(self._loss(self.average(roll), target))

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        weight = torch.tensor(self.recipe.optimiser.positive_weight, device=self.device)
        return functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)

    def _examples(self, grooves: Sequence[Groove], count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Drum rolls [examples, rows, frames] and their targets [examples, 2, frames]."""
        recipe = self.recipe.examples
        drawn = [make_example(draw_groove(grooves, recipe, rng), recipe.duration_s, rng) for _ in range(count)]
        rolls, targets = (np.stack(arrays) for arrays in zip(*((e.roll, e.target) for e in drawn), strict=True))
        return torch.from_numpy(rolls).to(self.device), torch.from_numpy(targets).to(self.device)

    def save_result(self) -> None:
        """Write the averaged network."""
        notes = {
            "recipe": self.recipe.to_dict(),
            "steps": self.step,
            "data": "Groove MIDI Dataset 1.0.0 (CC BY 4.0), training split; generated patterns",
        }
        save_beat_weights(self.average, self.folder / "weights.safetensors", notes)


def draw_groove(grooves: Sequence[Groove], recipe: BeatExampleRecipe, rng: np.random.Generator) -> Groove:
    """One of the grooves or a generated pattern, made more like a song."""
    groove = _draw_one(grooves, recipe, rng)
    if rng.random() < recipe.section_share:
        groove = with_section(groove, _draw_one(grooves, recipe, rng), rng)
    if rng.random() < recipe.pause_share:
        groove = with_pause(groove, rng)
    groove = in_other_meter(groove, rng)
    return swung(groove, rng) if rng.random() < recipe.swing_share else groove


def _draw_one(grooves: Sequence[Groove], recipe: BeatExampleRecipe, rng: np.random.Generator) -> Groove:
    """Long performances come more often, but not in proportion: they repeat themselves."""
    if rng.random() < recipe.pattern_share:
        return pattern_groove(rng)
    weight = np.sqrt([groove.bars for groove in grooves])
    return grooves[rng.choice(len(grooves), p=weight / weight.sum())]
