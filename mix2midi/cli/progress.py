"""Progress bars on a terminal, on stderr; nothing anywhere else."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_STAGES = {"separate": "separating drums", "transcribe": "transcribing"}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream leads to a terminal; Python has None for one that is closed, as services start programs."""
    return stream is not None and stream.isatty()


class Bars:
    """One bar for each stage of a song, and for each file that is fetched; gone when the block ends.

    Parameters
    ----------
    wanted : bool
        Whether to draw at all; where stderr is no terminal, nothing is drawn in any case.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted and is_terminal(sys.stderr)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def start(self, title: str) -> None:
        """Begin a song."""
        self.clear()
        if self._wanted:
            self._open().console.print(title, style="bold", markup=False, highlight=False)

    def stage(self, stage: str, fraction: float) -> None:
        """Move the bar of a stage of the pipeline; see `mix2midi.pipeline.converter.OnStage`."""
        self._move(_STAGES[stage], fraction, 1.0)

    def download(self, name: str, done_bytes: int, total_bytes: int) -> None:
        """Move the bar of a file that is fetched; see `mix2midi.separation.download.OnDownload`."""
        self._move(f"fetching {name}", done_bytes, total_bytes or None)

    def clear(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._tasks.clear()

    def _move(self, label: str, done: float, total: float | None) -> None:
        if not self._wanted:
            return
        progress = self._open()
        if label not in self._tasks:
            self._tasks[label] = progress.add_task(label, total=total)
        progress.update(self._tasks[label], completed=done, total=total)

    def _open(self) -> Progress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress
