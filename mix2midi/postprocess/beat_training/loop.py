"""The training loop of the beat network: minutes on one core."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mix2midi.errors import OptionError
from mix2midi.postprocess.beat_network import BeatNetwork, BeatNetworkConfig
from mix2midi.postprocess.beat_training.augment import make_example
from mix2midi.postprocess.beat_training.grooves import Groove, load_grooves


@dataclass(frozen=True)
class BeatRecipe:
    """Everything that decides about the weights.

    Attributes
    ----------
    seed, steps, batch_size : int
    channels : int
        Width of the network.
    example_s : float
        Length of an example in seconds.
    learning_rate, weight_decay, clip : float
        AdamW with a linear start and a cosine end; gradients are clipped to a norm of `clip`.
    average : float
        Decay of the moving average of the weights, which is what is kept.
    positive_weight : float
        How much more a frame with a beat weighs than one without.
    report_every : int
        Steps.
    """

    seed: int = 1
    steps: int = 4000
    batch_size: int = 8
    channels: int = 24
    example_s: float = 24.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.998
    positive_weight: float = 3.0
    report_every: int = 100

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BeatRecipe:
        """Fields by name; what is left out keeps its default.

        Raises
        ------
        OptionError
            A name is not known.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise OptionError(f"recipe: {', '.join(sorted(unknown))} is not known; see BeatRecipe for what is")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def train(recipe: BeatRecipe, archive: Path, on_progress: Callable[[str], None]) -> BeatNetwork:
    """Train a network on the training split.

    Parameters
    ----------
    recipe : BeatRecipe
    archive : Path
        The Groove MIDI Dataset.
    on_progress : callable
        Called with a line of text now and then.

    Returns
    -------
    BeatNetwork
        The moving average, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    grooves = load_grooves(archive, "train")
    held_out = load_grooves(archive, "validation")
    network = BeatNetwork(BeatNetworkConfig(channels=recipe.channels))
    kept = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, recipe.steps, pct_start=0.1)
    losses = []
    for step in range(1, recipe.steps + 1):
        loss = _loss(network, *_batch(grooves, recipe, rng), recipe)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        schedule.step()
        _average(kept, network, min(recipe.average, step / (step + 10)))
        losses.append(loss.item())
        if step % recipe.report_every == 0:
            recent = np.mean(losses[-recipe.report_every :])
            on_progress(f"step {step}: loss {recent:.4f}, held out {_held_out_loss(kept, held_out, recipe):.4f}")
    return kept


def _batch(grooves: list[Groove], recipe: BeatRecipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Long performances come more often, but not in proportion: they repeat themselves."""
    weight = np.sqrt([groove.bars for groove in grooves])
    chosen = rng.choice(len(grooves), recipe.batch_size, p=weight / weight.sum())
    examples = [make_example(grooves[index], recipe.example_s, rng) for index in chosen]
    roll = torch.from_numpy(np.stack([example.roll for example in examples]))
    return roll, torch.from_numpy(np.stack([example.target for example in examples]))


def _loss(network: BeatNetwork, roll: Tensor, target: Tensor, recipe: BeatRecipe) -> Tensor:
    weight = torch.tensor(recipe.positive_weight)
    return functional.binary_cross_entropy_with_logits(network(roll), target, pos_weight=weight)


@torch.no_grad()
def _held_out_loss(network: BeatNetwork, grooves: list[Groove], recipe: BeatRecipe) -> float:
    """Loss on the validation split, always on the same examples."""
    return _loss(network, *_batch(grooves, recipe, np.random.default_rng(0)), recipe).item()


@torch.no_grad()
def _average(kept: BeatNetwork, network: BeatNetwork, decay: float) -> None:
    for average, value in zip(kept.parameters(), network.parameters(), strict=True):
        average.lerp_(value, 1.0 - decay)
