"""One process of `tests/test_team.py`: takes a few steps on its own share of the data, and writes its weights.

``torchrun --nproc-per-node 2 -m tests.team_member FOLDER``
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from mix2midi.training.learning import Learner
from mix2midi.training.recipe import LearningRecipe, TrainingRecipe
from mix2midi.training.team import Team, join_team

MEMBERS, STEPS = 2, 5
RECIPE = TrainingRecipe("line", optimiser=LearningRecipe(steps=STEPS, learning_rate=0.1, warmup_steps=1))


class LineLearner(Learner[torch.nn.Linear]):
    """Learns to add its inputs."""

    figures, slice_s = (), 1.0

    def __init__(self, team: Team, seed: int, recipe: TrainingRecipe = RECIPE) -> None:
        torch.manual_seed(seed)
        network = torch.nn.Linear(3, 1)
        optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
        super().__init__(network, optimiser, recipe, Path(), team)

    def learn(self, audio: NDArray[np.float32], hits: NDArray[np.float32]) -> dict[str, float]:
        self.set_learning_rate()
        with self.arithmetic():
            found = self.network(torch.from_numpy(audio)).float()
        loss = (found[:, 0] - torch.from_numpy(hits)).square().mean()
        self.advance(loss)
        return {"loss": float(loss.detach())}

    def save_result(self) -> None:
        raise NotImplementedError


def share_of(rank: int, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a member learns from in a step."""
    inputs = np.random.default_rng([rank, step]).standard_normal((4, 3)).astype(np.float32)
    return inputs, inputs.sum(axis=1)


def main() -> None:
    with join_team("cpu") as team:
        learner = LineLearner(team, seed=team.rank)
        for network in (learner.network, learner.average):
            team.share(network)
        for step in range(STEPS):
            learner.learn(*share_of(team.rank, step))
        state = {**learner.network.state_dict(), "average": learner.average.weight}
        save_file(state, Path(sys.argv[1]) / f"{team.rank}.safetensors")


if __name__ == "__main__":
    main()
