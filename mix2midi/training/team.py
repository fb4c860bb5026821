"""Processes that train one network together, one for each GPU, as `torchrun` starts them.

Each renders and learns from slices of its own; the gradients are averaged, so that all take the same step. The first
process keeps the log and the checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Team:
    """What one process has to know of the others; without any, a team of one.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    size : int
        Number of processes.
    device : str
        Where this process works.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process keeps log and checkpoints."""
        return self.rank == 0

    def share(self, network: torch.nn.Module) -> None:
        """Give the first process's weights and statistics to all."""
        if self.size > 1:
            for value in network.state_dict().values():
                distributed.broadcast(value, src=0)

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """The mean over all processes takes the place of each one's gradients."""
        if self.size > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    distributed.all_reduce(parameter.grad)
                    parameter.grad /= self.size


def team_size() -> int:
    """How many processes `torchrun` has started, this one among them; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def join_team(device: str) -> Iterator[Team]:
    """The team that `torchrun` has started this process in, by its environment variables; else a team of one.

    Parameters
    ----------
    device : str
        A device that torch knows; ``"cuda"`` becomes the card of this process.
    """
    size = team_size()
    if size == 1:
        yield Team(device=device)
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Team(distributed.get_rank(), size, device)
        distributed.barrier()  # leave together: gloo was once seen to abort a process at its exit
    finally:
        distributed.destroy_process_group()
