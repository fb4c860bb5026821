"""Renderer processes that keep the ring of slices ahead of training."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mix2midi.errors import Mix2MidiError, OptionError
from mix2midi.training.recipe import DrumSliceRecipe
from mix2midi.training.slices import Slice, SliceRing

_IDLE_S = 0.2


class Renderer(Protocol):
    """Renders slices by number; pickled into each process."""

    @property
    def recipe(self) -> DrumSliceRecipe:
        """How many slices lie ready."""
        ...

    @property
    def samples(self) -> int:
        """Length of a slice."""
        ...

    def render(self, number: int) -> Slice:
        """Slice `number`, the same whenever it is asked for."""
        ...


def _work(renderer: Renderer, folder: Path, share: int, of: int, wanted: Any, troubles: Any) -> None:
    """Render until it is stopped; what is wrong with the data is told and not printed, so that it is said once."""
    try:
        _render_until_stopped(renderer, folder, share, of, wanted)
    except Mix2MidiError as error:
        troubles.put(str(error))


def _render_until_stopped(renderer: Renderer, folder: Path, share: int, of: int, wanted: Any) -> None:
    """Render every slice whose number falls to this worker, up to the number that training has asked for."""
    import torch

    torch.set_num_threads(1)
    if hasattr(os, "nice"):  # not on Windows
        os.nice(5)
    trainer = multiprocessing.parent_process()
    ring = SliceRing(folder, renderer.recipe.capacity, renderer.samples)
    number = max(0, wanted.value - renderer.recipe.capacity)
    number += (share - number) % of
    while trainer is None or trainer.is_alive():  # one that was killed takes its workers along
        if number >= wanted.value:
            time.sleep(_IDLE_S)
            continue
        if not ring.holds(number):
            ring.put(number, *renderer.render(number))
        number += of


class RenderWorkers(AbstractContextManager["RenderWorkers"]):
    """Starts renderer processes on entry and ends them on exit.

    Parameters
    ----------
    renderer : Renderer
        Copied into each process.
    folder : Path
        Where the ring lies.
    workers : int
        Number of processes.
    first_wanted : int
        Slices below this number are wanted at once.
    """

    def __init__(self, renderer: Renderer, folder: Path, workers: int, first_wanted: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._wanted = context.Value("q", first_wanted)
        self._troubles = context.SimpleQueue()
        self._processes = [
            context.Process(
                target=_work, args=(renderer, folder, share, workers, self._wanted, self._troubles), daemon=True
            )
            for share in range(workers)
        ]

    def want(self, number: int) -> None:
        """Ask for all slices below `number`."""
        self._wanted.value = max(self._wanted.value, number)

    def check(self) -> None:
        """Raise `OptionError` where a renderer has died: training would wait for it for ever."""
        if not all(process.is_alive() for process in self._processes):
            if not self._troubles.empty():
                raise OptionError(self._troubles.get())
            raise OptionError("a renderer of training slices has died; what it stumbled over stands above")

    def __enter__(self) -> RenderWorkers:
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
