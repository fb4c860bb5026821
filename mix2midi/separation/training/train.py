"""From a recipe to a separator: gathers the sounds, starts the renderers, runs the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mix2midi.errors import OptionError
from mix2midi.separation.training.recipe import SeparatorRecipe, load_separator_recipe

if TYPE_CHECKING:
    from openunmix.model import OpenUnmix
    from torch import Tensor

    from mix2midi.separation.training.drums import DrumRenderer
    from mix2midi.separation.training.trainer import Trainer
    from mix2midi.training.company_pool import CompanyPool

_VALIDATION_MIXES = 48
_VALIDATION_SEED = 7_000_001
#: Of the company every so many-th clip is kept for validation.
_HELD_OUT = 12


def train_separator(
    recipe_path: Path,
    data_folder: Path,
    run_folder: Path,
    *,
    device: str = "cpu",
    steps: int | None = None,
    initial_weights: Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> Path:
    """Train a separator; a run that was stopped is taken up where its last checkpoint stands.

    Started by `torchrun`, several processes train together, see `mix2midi.training.team`.

    Parameters
    ----------
    recipe_path : Path
        YAML, see `recipe.SeparatorRecipe`.
    data_folder : Path
        The recipe's data paths start here.
    run_folder : Path
        Checkpoint, `log.csv`, the ring of slices and the result are kept here.
    device : str
        A device that torch knows.
    steps : int, optional
        Replaces the recipe's number of steps.
    initial_weights : Path, optional
        Folder of an open-unmix that a new run starts from instead of from chance; it must be the recipe's network.
    report : callable
        Gets each line of the log.

    Returns
    -------
    Path
        A folder of open-unmix's format, for `--separator`.

    Raises
    ------
    OptionError, ModelError
        The recipe or its data; the checkpoint in `run_folder` or the initial weights cannot be used.
    """
    from mix2midi.separation.training.mixes import Mixer
    from mix2midi.separation.training.trainer import Trainer
    from mix2midi.training.loop import train_to_end
    from mix2midi.training.run_folder import claim_run_folder
    from mix2midi.training.team import join_team

    recipe = load_separator_recipe(recipe_path).with_steps(steps)
    learnt, held_out = _company(recipe, recipe_path, data_folder)
    claim_run_folder(run_folder, recipe, initial_weights, data=recipe.data.listings(data_folder))
    with join_team(device) as team:
        recipe = recipe.for_member(team.rank)
        trainer = Trainer(recipe, Mixer(recipe.mixes, recipe.network, learnt), run_folder, team)
        if not trainer.resume() and initial_weights is not None:
            trainer.start_from(initial_weights)
        validate = _validator(trainer, held_out, _renderer(recipe, data_folder, validates=True))
        train_to_end(trainer, recipe, _renderer(recipe, data_folder, validates=False), validate, report)
        if initial_weights is not None and team.is_first:
            trainer.blend_with(initial_weights)
    return run_folder / "open-unmix"


def _company(recipe: SeparatorRecipe, recipe_path: Path, data_folder: Path) -> tuple[CompanyPool, CompanyPool]:
    """Clips to learn from, and those to be judged by."""
    from mix2midi.training.company_pool import CompanyPool

    if recipe.data.company is None:
        raise OptionError(f"{recipe_path}: a separator needs company to take drums out of; name it in data.company")
    return CompanyPool(data_folder / recipe.data.company).split(_HELD_OUT)


def _renderer(recipe: SeparatorRecipe, data_folder: Path, validates: bool) -> DrumRenderer:
    """Kits and grooves to learn from, or those to be judged by."""
    from mix2midi.separation.training.drums import DrumRenderer
    from mix2midi.training.kits import kits_to_judge_by, kits_to_learn_from
    from mix2midi.training.performances import load_grooves

    data = recipe.data
    if not validates:
        grooves = load_grooves(data_folder / data.grooves, "train")
        return DrumRenderer(recipe.slices, kits_to_learn_from(data_folder, data), grooves, recipe.seed)
    slices = replace(recipe.slices, style_shares={})  # they name what to learn from
    grooves = load_grooves(data_folder / data.grooves, "validation")
    return DrumRenderer(slices, kits_to_judge_by(data_folder, data), grooves, _VALIDATION_SEED)


def _validator(
    trainer: Trainer, held_out: CompanyPool, renderer: DrumRenderer
) -> Callable[[OpenUnmix], dict[str, float]]:
    """SDR on a fixed set of mixes of left-out kits and held-out company, rendered when it is first asked for."""
    import torch

    from mix2midi.separation.training.mixes import Mixer
    from mix2midi.training.slices import from_16_bits

    mixer = Mixer(trainer.recipe.mixes, trainer.recipe.network, held_out)
    stored: list[tuple[Tensor, Tensor]] = []

    def render() -> None:
        rng = np.random.default_rng(_VALIDATION_SEED)
        for number in range(_VALIDATION_MIXES):
            stored.append(mixer.spectra(rng, from_16_bits(renderer.render(number)[0])[None]))

    def validate(network: OpenUnmix) -> dict[str, float]:
        if not stored:
            render()
        sdr_db, gain_db = [], []
        with torch.inference_mode():
            for mix, drums in stored:
                error, target, _ = (energy.sum() for energy in trainer.separate(network, mix, drums))
                company = (mix - drums).abs().square().sum()
                if target > 0 and company > 1e-3 * target:  # neither drums nor company alone
                    sdr_db.append(float(10.0 * torch.log10(target / error)))
                    gain_db.append(float(10.0 * torch.log10(company / error)))
        return {"sdr_db": round(float(np.mean(sdr_db)), 2), "gain_db": round(float(np.mean(gain_db)), 2)}

    return validate
