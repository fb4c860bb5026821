"""From a recipe to weights: gathers the sounds, starts the renderers, runs the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mix2midi.errors import OptionError
from mix2midi.transcription.training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from mix2midi.training.kits import KitLibrary
    from mix2midi.training.slices import Batch
    from mix2midi.transcription.network import DrumNetwork
    from mix2midi.transcription.training.slices import SliceRenderer
    from mix2midi.transcription.training.trainer import Trainer

_VALIDATION_SLICES = 48
_PICTURED_SLICES = 4
_VALIDATION_SEED = 7_000_001


def train(
    recipe_path: Path,
    data_folder: Path,
    run_folder: Path,
    *,
    device: str = "cpu",
    steps: int | None = None,
    initial_weights: Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> Path:
    """Train the transcriber; a run that was stopped is taken up where its last checkpoint stands.

    Started by `torchrun`, several processes train together, see `mix2midi.training.team`.

    Parameters
    ----------
    recipe_path : Path
        YAML, see `recipe.Recipe`.
    data_folder : Path
        The recipe's data paths start here.
    run_folder : Path
        Checkpoint, `log.csv`, `weights.safetensors`, the ring of slices and `pictures` of targets and heat maps are
        kept here.
    device : str
        A device that torch knows.
    steps : int, optional
        Replaces the recipe's number of steps: to try a recipe, or to end a run sooner.
    initial_weights : Path, optional
        A new run starts from these instead of from chance; they must be of the recipe's network.
    report : callable
        Gets each line of the log.

    Returns
    -------
    Path
        The trained weights.

    Raises
    ------
    OptionError
        The recipe or its data cannot be used.
    ModelError
        The checkpoint in `run_folder`, or the initial weights, cannot be used.
    """
    from mix2midi.training.loop import train_to_end
    from mix2midi.training.run_folder import claim_run_folder
    from mix2midi.training.team import join_team
    from mix2midi.transcription.training.trainer import Trainer

    recipe = load_recipe(recipe_path).with_steps(steps)
    claim_run_folder(run_folder, recipe, initial_weights, data=recipe.data.listings(data_folder))
    with join_team(device) as team:
        recipe = recipe.for_member(team.rank)
        trainer = Trainer(recipe, run_folder, team)
        if not trainer.resume() and initial_weights is not None:
            trainer.start_from(initial_weights)
        validate = _validator(trainer, validation_renderer(recipe, data_folder))
        train_to_end(trainer, recipe, training_renderer(recipe, data_folder), validate, report)
        if initial_weights is not None and team.is_first:
            trainer.blend_with(initial_weights)
    return run_folder / "weights.safetensors"


def training_renderer(recipe: Recipe, data_folder: Path) -> SliceRenderer:
    """Slices to learn from: the recipe's kits without those left out, and the training split of the grooves."""
    from mix2midi.training.kits import kits_to_learn_from

    return _renderer(recipe, data_folder, kits_to_learn_from(data_folder, recipe.data), "train", recipe.seed)


def validation_renderer(recipe: Recipe, data_folder: Path) -> SliceRenderer:
    """Slices to be judged by: the kits that are left out, and the validation split of the grooves.

    `whole_kits` and `style_shares` name what to learn from, so they do not hold here.
    """
    from mix2midi.training.kits import kits_to_judge_by

    recipe = replace(recipe, slices=replace(recipe.slices, whole_kits={}, style_shares={}))
    return _renderer(recipe, data_folder, kits_to_judge_by(data_folder, recipe.data), "validation", _VALIDATION_SEED)


def judging_renderer(recipe: Recipe, data_folder: Path, kit: str) -> SliceRenderer:
    """Stretches of the validation split as they were performed, on one kit as it was recorded."""
    from mix2midi.training.kits import kits_to_judge_by

    library = kits_to_judge_by(data_folder, recipe.data).alone(kit)
    return replace(_renderer(recipe, data_folder, library, "validation", _VALIDATION_SEED), varied=False)


def _renderer(recipe: Recipe, data_folder: Path, library: KitLibrary, split: str, seed: int) -> SliceRenderer:
    from mix2midi.training.company_pool import CompanyPool
    from mix2midi.training.performances import load_grooves
    from mix2midi.transcription.training.slices import SliceRenderer

    data = recipe.data
    company = CompanyPool(data_folder / data.company) if data.company else None
    grooves = load_grooves(data_folder / data.grooves, split)
    separator = _separator_of(recipe, data_folder)
    network = recipe.network_config()
    return SliceRenderer(recipe.slices, network, library, grooves, company, seed, separator=separator)


def _separator_of(recipe: Recipe, data_folder: Path) -> str | None:
    """As `load_separator` takes it: a name, or a folder below that of the data; `OptionError` where that is missing."""
    from mix2midi.separation import BUILTIN

    name = recipe.data.separator
    if name is None or name == BUILTIN:
        return name
    folder = data_folder / name
    if not folder.is_dir():  # a renderer would find it out at the first slice that needs it
        raise OptionError(f"{folder}: no such folder; data.separator names one of open-unmix, or {BUILTIN}")
    return str(folder)


def _validator(trainer: Trainer, renderer: SliceRenderer) -> Callable[[DrumNetwork], dict[str, float]]:
    """Onset loss on a fixed set of slices, rendered when it is first asked for; draws some of them."""
    from mix2midi.training.slices import batch_of

    stored: list[Batch] = []

    def validate(network: DrumNetwork) -> dict[str, float]:
        import torch

        if not stored:
            stored.extend(batch_of([renderer.render(number)]) for number in range(_VALIDATION_SLICES))
        with torch.inference_mode():
            _draw(trainer, network, stored[:_PICTURED_SLICES])
            loss = np.mean([float(trainer.losses(network, audio, hits)[0]) for audio, hits in stored])
        return {"validation_loss": round(float(loss), 5)}

    return validate


def _draw(trainer: Trainer, network: DrumNetwork, batches: Sequence[Batch]) -> None:
    """A picture of the same few slices at every validation, to see what the network has learnt since the last."""
    import torch

    from mix2midi.transcription.training.pictures import draw_heat_maps
    from mix2midi.transcription.training.targets import paint_targets

    recipe, config = trainer.recipe, network.config
    width_frames = recipe.optimiser.target_width_frames
    targets = [paint_targets(hits, recipe.slices.frames, width_frames)[0][0].numpy() for _, hits in batches]
    produced = [
        torch.sigmoid(network(torch.from_numpy(audio).to(trainer.device))[0][0]).cpu().numpy() for audio, _ in batches
    ]
    path = trainer.folder / "pictures" / f"{trainer.step:07d}.png"
    draw_heat_maps(path, targets, produced, config.hop_length / config.rate_hz)
