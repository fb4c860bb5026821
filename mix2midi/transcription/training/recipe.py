"""What decides how a transcriber turns out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mix2midi.drums import FAMILIES, PIECES_BY_KEY
from mix2midi.errors import OptionError
from mix2midi.training.recipe import (
    DrumSliceRecipe,
    LearningRecipe,
    TrainingRecipe,
    build_settings,
    check_counts,
    check_effects,
    check_names,
    check_not_negative,
    check_partial_shares,
    check_shares,
    load_settings,
)
from mix2midi.transcription.peaks import VIEWS

if TYPE_CHECKING:
    from mix2midi.transcription.network import NetworkConfig


@dataclass(frozen=True)
class SliceRecipe(DrumSliceRecipe):
    """What a slice of training audio is made of, beside its drums.

    Attributes
    ----------
    frames : int
        Length in frames of the heat map (128 samples each).
    views : mapping
        Shares of the three views, see `views`.
    separator_share : float
        Share of the separated views that `data.separator` makes; the others are made by a bent ideal mask.
    company_db, company_spread_db : float
        Level of the company beside the drums.
    whole_kits : mapping
        Shares of the slices that are played on one kit alone, by its name; ``any`` is any of the kits that have
        `slices.WHOLE_KIT_DRUMS` kinds of drums. The rest is played on drums of several kits.
    master_effects : mapping
        Probability of each effect on the whole, see `mix2midi.training.effects`.
    """

    frames: int = 1376
    views: Mapping[str, float] = field(default_factory=lambda: {"clean": 0.34, "mix": 0.33, "separated": 0.33})
    separator_share: float = 0.0
    company_db: float = -2.0
    company_spread_db: float = 5.0
    master_effects: Mapping[str, float] = field(default_factory=dict)
    whole_kits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "frames")
        check_partial_shares("whole_kits", self.whole_kits)
        check_shares(self, "separator_share")
        check_not_negative(self, "company_spread_db")
        check_effects("master_effects", self.master_effects)
        if (
            min(self.views.values(), default=0.0) < 0.0
            or set(self.views) != set(VIEWS)
            or abs(sum(self.views.values()) - 1.0) > 1e-6
        ):
            raise OptionError(f"views gives shares of {', '.join(VIEWS)} that add up to 1")


@dataclass(frozen=True)
class OptimiserRecipe(LearningRecipe):
    """How the network learns, and what.

    Attributes
    ----------
    target_width_frames : float
        Standard deviation of the bump that a hit leaves in the target.
    positive_weight : float
        Weight of "there is a hit" against "there is none".
    velocity_weight : float
        What the loss of the velocities counts for beside that of the onsets.
    freeze_norms : bool
        Keep the statistics of the batch normalisation: few sounds must not stand for all.
    initial_share : float
        What the weights that a run started from count for in its result, 0 to 1, see `blend.blend_networks`.
    rare_weight : mapping
        Factor on the loss of a piece or family by its key; 1 where it is not named.
    """

    target_width_frames: float = 1.4
    positive_weight: float = 3.0
    velocity_weight: float = 1.0
    freeze_norms: bool = False
    initial_share: float = 0.0
    rare_weight: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares(self, "initial_share")
        check_not_negative(self, "target_width_frames", "positive_weight", "velocity_weight")
        check_names("rare_weight", self.rare_weight, (*PIECES_BY_KEY, *FAMILIES))
        for name, weight in self.rare_weight.items():
            if not weight >= 0.0:
                raise OptionError(f"rare_weight: {name}: {weight} is negative; give 0 or more")


@dataclass(frozen=True)
class Recipe(TrainingRecipe):
    """Everything that decides what comes out of a training run of the transcriber."""

    trains: str = "transcriber"
    network: Mapping[str, Any] = field(default_factory=dict)
    slices: SliceRecipe = field(default_factory=SliceRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)

    def network_config(self) -> NetworkConfig:
        """Sizes of all layers. Raises `OptionError` for a setting that does not exist or cannot be one."""
        from mix2midi.transcription.network import NetworkConfig

        config = build_settings(NetworkConfig, self.network, "network")
        for name, value in config.to_dict().items():
            if name not in ("pieces", "families") and np.min(value, initial=1) <= 0:
                raise OptionError(f"network: {name}: {value} is no size; give numbers above 0")
        return config


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    OptionError
        The file is missing, no YAML, names a setting that does not exist, or has a value that cannot be one.
    """
    recipe: Recipe = load_settings(Recipe, path)
    try:
        stride = recipe.network_config().slow_stride
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from error
    if recipe.slices.frames % stride:
        raise OptionError(f"{path}: slices: frames: {recipe.slices.frames} is no multiple of {stride}")
    return recipe
