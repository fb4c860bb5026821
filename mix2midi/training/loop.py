"""The training loop: batches from the ring, steps, validation, checkpoints, a log."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mix2midi.training.learning import Network, SliceLearner, append_log, learning_rate
from mix2midi.training.recipe import TrainingRecipe
from mix2midi.training.slices import SliceRing, slices_of_step
from mix2midi.training.workers import Renderer, RenderWorkers

_LOG_EVERY = 50
#: Of a new run; enough for what `SliceLearner.begin` measures.
_FIRST_SLICES = 160


def train_to_end(
    learner: SliceLearner[Network],
    recipe: TrainingRecipe,
    renderer: Renderer,
    validate: Callable[[Network], Mapping[str, float]],
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Train to the recipe's last step; the log, the checkpoint and the result are written on the way.

    Of several processes that train together, the first one writes them.

    Parameters
    ----------
    learner : SliceLearner
        New, or resumed; the slices lie in its folder.
    recipe : TrainingRecipe
        Of a team, each member's own, see `TrainingRecipe.for_member`.
    renderer : Renderer
        Of the slices to learn from.
    validate : callable
        Figures of a network on slices that nobody trains on, by their names.
    report : callable
        Gets each line of the log as it is written.
    """
    slices, team = recipe.slices, learner.team
    folder = learner.folder / ("slices" if team.is_first else f"slices-{team.rank}")
    ring = SliceRing(folder, slices.capacity, renderer.samples)
    first_wanted = slices.first + int(learner.step * slices.fresh_per_step)
    with RenderWorkers(renderer, folder, recipe.workers, first_wanted) as workers:
        if learner.step == 0:
            learner.begin(ring.get(np.arange(min(slices.first, _FIRST_SLICES)), workers.check)[0])
        for network in (learner.network, learner.average):
            team.share(network)
        _learn(learner, recipe, ring, workers, validate, report)


def _learn(
    learner: SliceLearner[Network],
    recipe: TrainingRecipe,
    ring: SliceRing,
    workers: RenderWorkers,
    validate: Callable[[Network], Mapping[str, float]],
    report: Callable[[dict[str, Any]], None],
) -> None:
    started_s = time.monotonic() - learner.elapsed_s
    losses: dict[str, list[float]] = defaultdict(list)
    while learner.step < recipe.optimiser.steps:
        numbers, ready = slices_of_step(recipe.slices, recipe.seed, recipe.optimiser.batch_size, learner.step)
        # Renderers may work ahead by half of what the ring holds beyond the slices that are still drawn.
        workers.want(ready + (recipe.slices.capacity - recipe.slices.window) // 2)
        for name, loss in learner.learn(*ring.get(numbers, workers.check)).items():
            losses[name].append(loss)
        learner.elapsed_s = time.monotonic() - started_s
        if not learner.team.is_first:
            continue
        is_last = learner.step == recipe.optimiser.steps
        validates = learner.step % recipe.validate_every == 0 or is_last
        line: dict[str, Any] = {}
        if learner.step % _LOG_EVERY == 0 or validates:
            figures = validate(learner.average) if validates else dict.fromkeys(learner.figures, "")
            line = {
                "step": learner.step,
                "elapsed_s": round(learner.elapsed_s, 1),
                "audio_s": round(learner.step * recipe.optimiser.batch_size * learner.slice_s),
                **{name: round(float(np.mean(values)), 5) for name, values in losses.items()},
                "learning_rate": round(learning_rate(recipe.optimiser, learner.step - 1), 7),
                **figures,
            }
            losses.clear()
            append_log(learner.folder / "log.csv", line)
        if learner.step % recipe.checkpoint_every == 0 or is_last:
            learner.save()  # after the log: what a checkpoint holds is not logged again
        if line:
            report(line)
