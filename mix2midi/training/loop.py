"""The training loop of runs that learn from slices: rendered ahead, taken from the ring in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mix2midi.training.learning import Network, SliceLearner
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

        def learn() -> Mapping[str, float]:
            numbers, ready = slices_of_step(slices, recipe.seed, recipe.optimiser.batch_size, learner.step)
            # Renderers may work ahead by half of what the ring holds beyond the slices that are still drawn.
            workers.want(ready + (slices.capacity - slices.window) // 2)
            return learner.learn(*ring.get(numbers, workers.check))

        def progress() -> Mapping[str, float]:
            audio_s = learner.step * recipe.optimiser.batch_size * learner.slice_s
            return {"elapsed_s": round(learner.elapsed_s, 1), "audio_s": round(audio_s)}

        learner.take_steps(
            learn,
            lambda: validate(learner.average),
            report,
            figures=learner.figures,
            log_every=_LOG_EVERY,
            progress=progress,
        )
