"""Training recipes: YAML that a person edits, read into settings that are checked before the first hour is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from mix2midi.errors import OptionError

VIEWS = ("clean", "mix", "separated")


@dataclass(frozen=True)
class DataRecipe:
    """Where the sounds lie, relative to the data folder."""

    kits: str = "kits"
    grooves: str = "groove.zip"
    company: str | None = None
    left_out_kits: tuple[str, ...] = ()


@dataclass(frozen=True)
class SliceRecipe:
    """What a slice of training audio is made of.

    Attributes
    ----------
    frames : int
        Length in frames of the heat map (128 samples each).
    capacity : int
        Slices that lie ready on disk; the oldest are replaced by new ones while training runs.
    first : int
        Slices that are rendered before the first step.
    window : int
        Of these most recent slices a batch is drawn; the rest of the capacity is room for working ahead.
    fresh_per_step : float
        New slices for each step of the optimiser.
    views : mapping
        Shares of the three views, see `views`.
    company_db, company_spread_db : float
        Level of the company beside the drums.
    pattern_share : float
        Share of slices played from generated patterns, the rest from Groove MIDI.
    empty_share : float
        Share of slices without any drum.
    synthetic_share : float
        Share of slices in which a synthetic drum machine plays some or all pieces, see `synthesis`.
    drum_effects, master_effects : mapping
        Probability of each effect, see `effects`.
    """

    frames: int = 1376
    capacity: int = 6000
    first: int = 400
    window: int = 1500
    fresh_per_step: float = 2.5
    views: Mapping[str, float] = field(default_factory=lambda: {"clean": 0.34, "mix": 0.33, "separated": 0.33})
    company_db: float = -2.0
    company_spread_db: float = 5.0
    pattern_share: float = 0.3
    empty_share: float = 0.03
    synthetic_share: float = 0.0
    drum_effects: Mapping[str, float] = field(default_factory=dict)
    master_effects: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimiserRecipe:
    """How the network learns.

    Attributes
    ----------
    steps : int
        Steps of the optimiser in all.
    warmup_steps : int
        Steps over which the learning rate rises.
    decay_share : float
        Last share of the steps, over which the learning rate falls to nothing.
    target_width_frames : float
        Standard deviation of the bump that a hit leaves in the target.
    positive_weight : float
        Weight of "there is a hit" against "there is none".
    freeze_norms : bool
        Keep the statistics of the batch normalisation: few sounds must not stand for all.
    rare_weight : mapping
        Factor on the loss of a piece or family by its key; 1 where it is not named.
    """

    batch_size: int = 8
    steps: int = 20000
    learning_rate: float = 0.003
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.01
    clip_norm: float = 2.0
    average_decay: float = 0.998
    target_width_frames: float = 1.4
    positive_weight: float = 3.0
    velocity_weight: float = 1.0
    freeze_norms: bool = False
    rare_weight: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out of a training run."""

    seed: int = 1
    workers: int = 1
    validate_every: int = 1000
    checkpoint_every: int = 500
    network: Mapping[str, Any] = field(default_factory=dict)
    data: DataRecipe = field(default_factory=DataRecipe)
    slices: SliceRecipe = field(default_factory=SliceRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    OptionError
        The file is missing, no YAML, or names a setting that does not exist.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot read the recipe ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise OptionError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(values, dict):
        raise OptionError(f"{path}: a recipe is a table of settings")
    recipe: Recipe = _build(Recipe, values, str(path))
    if set(recipe.slices.views) != set(VIEWS) or abs(sum(recipe.slices.views.values()) - 1.0) > 1e-6:
        raise OptionError(f"{path}: slices.views gives shares of {', '.join(VIEWS)} that add up to 1")
    return recipe


def _build(kind: type, values: Mapping[str, Any], where: str) -> Any:
    known = {item.name: item for item in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise OptionError(f"{where}: unknown setting {unknown[0]!r}; known are {', '.join(known)}")
    arguments = {}
    for name, value in values.items():
        part: Any = known[name].default_factory
        if isinstance(part, type) and is_dataclass(part):
            value = _build(part, value or {}, f"{where}: {name}")
        arguments[name] = tuple(value) if isinstance(value, list) else value
    return kind(**arguments)
