"""The training loop: batches from the ring, loss, optimiser, averaged weights, checkpoints, a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.errors import ModelError
from mix2midi.training.learning import Learner, append_log, learning_rate
from mix2midi.training.slices import SliceRing, slices_of_step
from mix2midi.training.workers import RenderWorkers
from mix2midi.transcription.network import DrumNetwork, NetworkConfig
from mix2midi.transcription.training.recipe import OptimiserRecipe, Recipe
from mix2midi.transcription.training.targets import paint_targets
from mix2midi.transcription.weights import Weights, load_weights, save_weights

_LOG_EVERY = 50


class Trainer(Learner[DrumNetwork]):
    """A training run of the transcriber, and one step of it.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Of the run: checkpoint, log and weights lie here.
    device : str
        A device that torch knows.
    """

    def __init__(self, recipe: Recipe, folder: Path, device: str = "cpu") -> None:
        torch.manual_seed(recipe.seed)
        network = DrumNetwork(NetworkConfig(**recipe.network)).to(device)
        super().__init__(network, _optimiser(network, recipe.optimiser), recipe.optimiser, folder, device)
        self.recipe = recipe
        self.class_weight = _class_weight(recipe.optimiser).to(device)

    def learn(self, audio: NDArray[np.float32], hits: NDArray[np.float32]) -> tuple[float, float]:
        """One step of the optimiser; returns the onset and velocity losses."""
        options = self.recipe.optimiser
        self.set_learning_rate()
        self.network.train()
        if options.freeze_norms:
            _freeze_norms(self.network)
        onset_loss, velocity_loss = self.losses(self.network, audio, hits)
        self.advance(onset_loss + options.velocity_weight * velocity_loss)
        return float(onset_loss.detach()), float(velocity_loss.detach())

    def losses(
        self, network: DrumNetwork, audio: NDArray[np.float32], hits: NDArray[np.float32]
    ) -> tuple[Tensor, Tensor]:
        """Weighted cross entropy of the onsets, and squared error of the velocities around them."""
        options = self.recipe.optimiser
        targets = paint_targets(hits, self.recipe.slices.frames, options.target_width_frames)
        onset, velocity, weight = (target.to(self.device) for target in targets)
        logits, strength = network(torch.from_numpy(audio).to(self.device))
        positive = torch.tensor(options.positive_weight, device=self.device)
        entropy = functional.binary_cross_entropy_with_logits(logits, onset, pos_weight=positive, reduction="none")
        onset_loss = (entropy * self.class_weight).mean() * 10.0  # of the size of the velocity loss
        velocity_loss = (weight * (strength - velocity).square()).sum() / (weight.sum() + 1.0)
        return onset_loss, velocity_loss * 10.0

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, each at once."""
        self.save_checkpoint(self.recipe.to_dict())
        notes = {"steps": self.step, "elapsed_s": round(self.elapsed_s), "seed": self.recipe.seed}
        save_weights(Weights(self.average, {}, notes), self.folder / "weights.safetensors")

    def start_from(self, path: Path) -> None:
        """Begin a new run with weights that were trained before.

        Raises
        ------
        ModelError
            They cannot be read, or belong to another network than the recipe's.
        """
        weights = load_weights(path)
        if weights.network.config != self.network.config:
            raise ModelError(f"{path}: weights of another network than the recipe's; leave them out to start anew")
        self.begin_with(weights.network)

    def begin_with(self, network: DrumNetwork) -> None:
        """Take the weights of a network of the same configuration."""
        for own in (self.network, self.average):
            own.load_state_dict(network.state_dict())


def run(
    trainer: Trainer,
    ring: SliceRing,
    workers: RenderWorkers,
    validate: Callable[[DrumNetwork], float],
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Train to the recipe's last step; the log and the checkpoint are written on the way.

    Parameters
    ----------
    trainer, ring, workers
        Made for the same recipe.
    validate : callable
        Loss of a network on slices that nobody trains on.
    report : callable
        Gets each line of the log as it is written.
    """
    recipe, started_s = trainer.recipe, time.monotonic() - trainer.elapsed_s
    config, sums = trainer.network.config, np.zeros(2)
    audio_s = config.hop_length * recipe.slices.frames / config.rate_hz
    while trainer.step < recipe.optimiser.steps:
        numbers, ready = slices_of_step(recipe.slices, recipe.seed, recipe.optimiser.batch_size, trainer.step)
        # Renderers may work ahead by half of what the ring holds beyond the slices that are still drawn.
        workers.want(ready + (recipe.slices.capacity - recipe.slices.window) // 2)
        sums += trainer.learn(*ring.get(numbers, workers.check))
        trainer.elapsed_s = time.monotonic() - started_s
        if trainer.step % recipe.checkpoint_every == 0 or trainer.step == recipe.optimiser.steps:
            trainer.save()
        validates = trainer.step % recipe.validate_every == 0 or trainer.step == recipe.optimiser.steps
        if trainer.step % _LOG_EVERY == 0 or validates:
            since = (trainer.step - 1) % _LOG_EVERY + 1
            line = {
                "step": trainer.step,
                "elapsed_s": round(trainer.elapsed_s, 1),
                "audio_s": round(trainer.step * recipe.optimiser.batch_size * audio_s),
                "loss_onset": round(float(sums[0] / since), 5),
                "loss_velocity": round(float(sums[1] / since), 5),
                "learning_rate": round(learning_rate(recipe.optimiser, trainer.step - 1), 7),
                "validation_loss": round(validate(trainer.average), 5) if validates else "",
            }
            sums[:] = 0.0
            append_log(trainer.folder / "log.csv", line)
            report(line)


def _optimiser(network: DrumNetwork, options: OptimiserRecipe) -> torch.optim.AdamW:
    """AdamW; norms and biases are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.learning_rate)


def _class_weight(options: OptimiserRecipe) -> Tensor:
    keys = [*(piece.key for piece in PIECES), *FAMILIES]
    # [1, row, 1], to be multiplied with [batch, row, frame]
    return torch.tensor([options.rare_weight.get(key, 1.0) for key in keys])[None, :, None]


def _freeze_norms(network: DrumNetwork) -> None:
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.eval()
