"""One step of the transcriber's training: targets, losses, optimiser, and the weights that come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.errors import ModelError
from mix2midi.training.blend import blend_networks
from mix2midi.training.learning import SliceLearner
from mix2midi.training.team import Team
from mix2midi.transcription.network import DrumNetwork
from mix2midi.transcription.training.recipe import OptimiserRecipe, Recipe
from mix2midi.transcription.training.targets import paint_targets
from mix2midi.transcription.weights import Weights, load_weights, save_weights


class Trainer(SliceLearner[DrumNetwork]):
    """A training run of the transcriber, and one step of it.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Of the run: checkpoint, log and weights lie here.
    team : Team, optional
        With whom it learns; by default alone, on the CPU.
    """

    figures = ("validation_loss",)

    def __init__(self, recipe: Recipe, folder: Path, team: Team | None = None) -> None:
        team = team or Team()
        torch.manual_seed(recipe.seed)
        network = DrumNetwork(recipe.network_config()).to(team.device)
        super().__init__(network, _optimiser(network, recipe.optimiser), recipe, folder, team)
        self.recipe = recipe
        self.slice_s = recipe.slices.frames * network.config.hop_length / network.config.rate_hz
        self.class_weight = _class_weight(recipe.optimiser).to(team.device)

    def learn(self, audio: NDArray[np.float32], hits: NDArray[np.float32]) -> dict[str, float]:
        """One step of the optimiser.

        Returns
        -------
        dict
            ``loss_onset`` and ``loss_velocity``.
        """
        options = self.recipe.optimiser
        self.set_learning_rate()
        self.network.train()
        if options.freeze_norms:
            _freeze_norms(self.network)
        onset_loss, velocity_loss = self.losses(self.network, audio, hits)
        self.advance(onset_loss + options.velocity_weight * velocity_loss)
        return {"loss_onset": float(onset_loss.detach()), "loss_velocity": float(velocity_loss.detach())}

    def losses(
        self, network: DrumNetwork, audio: NDArray[np.float32], hits: NDArray[np.float32]
    ) -> tuple[Tensor, Tensor]:
        """Weighted cross entropy of the onsets, and squared error of the velocities around them."""
        options = self.recipe.optimiser
        targets = paint_targets(hits, self.recipe.slices.frames, options.target_width_frames)
        onset, velocity, weight = (target.to(self.device) for target in targets)
        with self.arithmetic():
            logits, strength = (part.float() for part in network(torch.from_numpy(audio).to(self.device)))
        positive = torch.tensor(options.positive_weight, device=self.device)
        entropy = functional.binary_cross_entropy_with_logits(logits, onset, pos_weight=positive, reduction="none")
        onset_loss = (entropy * self.class_weight).mean() * 10.0  # of the size of the velocity loss
        velocity_loss = (weight * (strength - velocity).square()).sum() / (weight.sum() + 1.0)
        return onset_loss, velocity_loss * 10.0

    def save_result(self) -> None:
        """Write the averaged weights."""
        self._save(self.average)

    def blend_with(self, path: Path) -> None:
        """Let the weights that the run started from count in the result for as much as the recipe says."""
        share = self.recipe.optimiser.initial_share
        if share > 0.0:
            self._save(blend_networks(load_weights(path).network, self.average, 1.0 - share), initial_share=share)

    def _save(self, network: DrumNetwork, **remarks: float) -> None:
        notes = {"steps": self.step, "elapsed_s": round(self.elapsed_s), "seed": self.recipe.seed, **remarks}
        save_weights(Weights(network, {}, notes), self.folder / "weights.safetensors")

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
