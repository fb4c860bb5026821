"""Several processes that train together, as torchrun starts them: the same steps as one that has the data of all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mix2midi.errors import OptionError
from mix2midi.training.recipe import LearningRecipe
from mix2midi.training.team import Team, join_team
from tests.team_member import MEMBERS, RECIPE, STEPS, LineLearner, share_of

ROOT = Path(__file__).parents[1]


def test_a_team_takes_the_steps_of_one_process_with_all_the_data(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(MEMBERS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "-m", "tests.team_member", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    states = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(MEMBERS)]

    alone = LineLearner(Team(), seed=0)
    for step in range(STEPS):
        inputs, sums = zip(*(share_of(rank, step) for rank in range(MEMBERS)), strict=True)
        alone.learn(np.concatenate(inputs), np.concatenate(sums))
    for state in states:
        torch.testing.assert_close(state["weight"], alone.network.weight.detach())
        torch.testing.assert_close(state["average"], alone.average.weight)
    assert not torch.equal(alone.network.weight, LineLearner(Team(), seed=0).network.weight), "it learnt"


def test_without_torchrun_a_team_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_team("cpu") as team:
        assert team == Team(0, 1, "cpu") and team.is_first


def test_members_have_chances_of_their_own() -> None:
    seeds = {RECIPE.for_member(rank).seed for rank in range(8)}
    assert len(seeds) == 8 and RECIPE.for_member(0) == RECIPE


def test_mixed_precision_learns_as_single_precision_does() -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        recipe = replace(RECIPE, optimiser=replace(RECIPE.optimiser, precision=precision))
        learner = LineLearner(Team(), seed=0, recipe=recipe)
        losses[precision] = [learner.learn(*share_of(0, step))["loss"] for step in range(20)]
    assert losses["bfloat16"] != losses["float32"], "it is another arithmetic"
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.1, atol=0.02)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(OptionError, match="float32 or bfloat16"):
        LearningRecipe(precision="float8")
