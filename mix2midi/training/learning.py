"""How networks learn: learning rate, steps of the optimiser, averaged weights, checkpoints, the log."""

from __future__ import annotations

import csv
import io
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mix2midi.errors import ModelError, OptionError
from mix2midi.files import atomic_write
from mix2midi.training.recipe import LearningRecipe, RunRecipe
from mix2midi.training.team import Team

_LOG_EVERY = 25

Network = TypeVar("Network", bound=torch.nn.Module)


class Learner(ABC, Generic[Network]):
    """State of a training run: a network, the running average of its weights, and its optimiser.

    Parameters
    ----------
    network : torch Module
        On its device.
    optimiser : torch Optimizer
        Over its parameters.
    recipe : RunRecipe
    folder : Path
        Of the run: the checkpoint lies here.
    team : Team
        With whom it learns, and on which device.
    """

    def __init__(
        self, network: Network, optimiser: torch.optim.Optimizer, recipe: RunRecipe, folder: Path, team: Team
    ) -> None:
        self.network, self.optimiser, self.folder, self.team = network, optimiser, folder, team
        self.average = deepcopy(network).eval().requires_grad_(False)
        self.step, self.elapsed_s = 0, 0.0
        self._recipe, self._options = recipe, recipe.optimiser

    @abstractmethod
    def save_result(self) -> None:
        """Write what the run has made so far."""

    @property
    def device(self) -> str:
        """Where the network is."""
        return self.team.device

    def arithmetic(self) -> AbstractContextManager[Any]:
        """In this block networks compute as the recipe says; losses stay in single precision."""
        is_mixed = self._options.precision == "bfloat16"
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=is_mixed)

    def set_learning_rate(self) -> None:
        """That of the step that comes."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self._options, self.step)

    def advance(self, loss: Tensor) -> None:
        """Down the gradient of a loss.

        Raises
        ------
        OptionError
            The loss is no number: from here on nothing would be learnt, and the result would be spoilt.
        """
        if not torch.isfinite(loss):
            raise OptionError(
                f"{self.folder}: the loss of step {self.step + 1} is no number; lower the recipe's learning_rate, or "
                "its weights, and begin again"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.team.average_gradients(self.network.parameters())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._options.clip_norm)
        self.optimiser.step()
        self.step += 1
        # A young average forgets faster, so that it is not held back by the random start.
        self._follow(min(self._options.average_decay, (1 + self.step) / (10 + self.step)))

    def _follow(self, decay: float) -> None:
        """Exponential moving average of weights and running statistics."""
        with torch.no_grad():
            pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
            for kept, new in pairs:
                if kept.dtype.is_floating_point:
                    kept.lerp_(new, 1.0 - decay)
                else:
                    kept.copy_(new)

    def learn_to_end(
        self, learn: Callable[[], float], judge: Callable[[], float], report: Callable[[dict[str, Any]], None]
    ) -> None:
        """Learn to the recipe's last step from examples that are at hand; log, checkpoint and result on the way.

        What is heard or rendered while it learns goes through `mix2midi.training.loop.train_to_end` instead.

        Parameters
        ----------
        learn : callable
            Makes one step and returns its loss.
        judge : callable
            Returns the loss of the averaged network on examples that nothing is learnt from.
        report : callable
            Gets each line of the log.
        """
        self.take_steps(
            lambda: {"loss": learn()},
            lambda: {"validation_loss": round(judge(), 5)},
            report,
            figures=("validation_loss",),
            log_every=_LOG_EVERY,
        )

    def take_steps(
        self,
        learn: Callable[[], Mapping[str, float]],
        validate: Callable[[], Mapping[str, float]],
        report: Callable[[dict[str, Any]], None],
        *,
        figures: Sequence[str],
        log_every: int,
        progress: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Learn to the recipe's last step; of a team, the first member logs, validates and writes.

        Parameters
        ----------
        learn : callable
            Makes one step and returns its losses by their names.
        validate : callable
            Returns the figures of the averaged network on what nothing is learnt from, by their names.
        report : callable
            Gets each line of the log as it is written.
        figures : sequence of str
            Those names, for lines of the log without a validation.
        log_every : int
            In steps; each validation makes a line as well.
        progress : callable, optional
            What a line of the log says besides, after the step.
        """
        recipe, losses = self._recipe, defaultdict[str, list[float]](list)
        started_s = time.monotonic() - self.elapsed_s
        while self.step < recipe.optimiser.steps:
            for name, loss in learn().items():
                losses[name].append(loss)
            self.elapsed_s = time.monotonic() - started_s
            if not self.team.is_first:
                continue
            is_last = self.step == recipe.optimiser.steps
            validates = self.step % recipe.validate_every == 0 or is_last
            line: dict[str, Any] = {}
            if self.step % log_every == 0 or validates:
                line = {
                    "step": self.step,
                    **progress(),
                    **{name: round(float(np.mean(values)), 5) for name, values in losses.items()},
                    "learning_rate": round(learning_rate(recipe.optimiser, self.step - 1), 7),
                    **(validate() if validates else dict.fromkeys(figures, "")),
                }
                losses.clear()
                append_log(self.folder / "log.csv", line)
            if self.step % recipe.checkpoint_every == 0 or is_last:
                self.save()  # after the log: what a checkpoint holds is not logged again
            if line:
                report(line)

    def save(self) -> None:
        """Write all that a run goes on from, and its result, each at once.

        Raises
        ------
        OutputError
            The disk is full, or the folder cannot be written; what was written before stays.
        """
        state = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        data = io.BytesIO()  # of a full disk torch itself would say something else
        torch.save(state, data)
        with atomic_write(self.folder / "checkpoint.pt") as partial:
            partial.write_bytes(data.getbuffer())
        self.save_result()

    def resume(self) -> bool:
        """Take up the checkpoint of the folder; False where there is none.

        Raises
        ------
        ModelError
            The checkpoint is damaged or belongs to another network.
        """
        path = self.folder / "checkpoint.pt"
        if path.is_file():
            self._take_up(path)
        if self.team.is_first:
            cut_log(self.folder / "log.csv", self.step)
        return path.is_file()

    def _take_up(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        except Exception as error:  # torch names a damaged file in many ways
            reason = str(error).splitlines()[0]
            message = f"{path}: cannot resume from it ({reason}); remove the run's folder to start anew"
            raise ModelError(message) from error
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])


class SliceLearner(Learner[Network]):
    """A run that learns from slices of audio with the hits in them, see `loop.train_to_end`.

    Attributes
    ----------
    figures : tuple of str
        What validation measures, by the names that the log has for it.
    slice_s : float
        What one slice counts for in the log's audio heard.
    """

    figures: tuple[str, ...]
    slice_s: float

    def begin(self, audio: NDArray[np.float32]) -> None:  # noqa: B027  # most networks need nothing
        """What a new run does with its first slices [slices, samples] before it learns from them."""

    @abstractmethod
    def learn(self, audio: NDArray[np.float32], hits: NDArray[np.float32]) -> dict[str, float]:
        """One step of the optimiser on slices, see `SliceRing.get`; returns the losses by their names."""


def learning_rate(options: LearningRecipe, step: int) -> float:
    """Warm-up, a plateau, then a straight fall to a hundredth over the last `decay_share` of the steps."""
    rising = min(1.0, (step + 1) / max(1, options.warmup_steps))
    decay_steps = max(1.0, options.decay_share * options.steps)
    falling = min(1.0, (options.steps - step) / decay_steps)
    return options.learning_rate * rising * max(0.01, falling)


def append_log(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line to a log in CSV; the first one brings the names of its columns."""
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(line))
        if is_new:
            writer.writeheader()
        writer.writerow(line)


def cut_log(path: Path, step: int) -> None:
    """Leave out of a log what was learnt after a step: a run that is taken up there learns it again."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        kept = [line for line in lines if (line.get("step") or "").isdecimal() and int(line["step"]) <= step]
    with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines.fieldnames or [], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
