"""Training from a recipe, whichever network it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mix2midi.errors import OptionError

SEPARATOR, TRANSCRIBER, REFINEMENT, BEATS = "separator", "transcriber", "refinement", "beats"


def train_from_recipe(
    recipe: Path,
    data: Path,
    run: Path,
    *,
    device: str = "cpu",
    steps: int | None = None,
    initial_weights: Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> Path:
    """Train the network that a recipe names in `trains`: the transcriber, if it names none.

    Parameters and errors are those of `mix2midi.transcription.training.train.train`,
    `mix2midi.transcription.training.refinement.train.train_refinement`,
    `mix2midi.separation.training.train.train_separator` and `mix2midi.postprocess.beat_training.train.train_beats`; the
    last one does not start from weights.

    Returns
    -------
    Path
        What was trained: weights, or a separator's folder.
    """
    from mix2midi.training.recipe import read_settings
    from mix2midi.training.team import team_size

    trains = read_settings(recipe).get("trains", TRANSCRIBER)
    if trains in (REFINEMENT, BEATS) and team_size() > 1:
        raise OptionError(f"{recipe}: {trains} is trained by one process; start it without torchrun")
    if trains == TRANSCRIBER:
        from mix2midi.transcription.training.train import train

        return train(recipe, data, run, device=device, steps=steps, initial_weights=initial_weights, report=report)
    if trains == REFINEMENT:
        from mix2midi.transcription.training.refinement.train import train_refinement

        return train_refinement(
            recipe, data, run, device=device, steps=steps, initial_weights=initial_weights, report=report
        )
    if trains not in (SEPARATOR, BEATS):
        known = f"{TRANSCRIBER}, {REFINEMENT}, {SEPARATOR} or {BEATS}"
        raise OptionError(f"{recipe}: trains {trains!r} is not known; it is {known}")
    if trains == BEATS:
        if initial_weights is not None:
            raise OptionError(f"{recipe}: {trains} are trained from chance; leave out --from")
        from mix2midi.postprocess.beat_training.train import train_beats

        return train_beats(recipe, data, run, device=device, steps=steps, report=report)
    from mix2midi.separation.training.train import train_separator

    return train_separator(
        recipe, data, run, device=device, steps=steps, initial_weights=initial_weights, report=report
    )
