"""Training recipes: YAML that a person edits, read into settings that are checked before the first hour is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mix2midi.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Far from the seeds that people choose.
_SEED_STEP = 1_000_003
PRECISIONS = ("float32", "bfloat16")
#: What YAML must have read for a setting of each type, and what a person calls it.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "whole number"),
    "float": ((int, float), "number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "text"),
    "str | None": ((str, type(None)), "text"),
}


@dataclass(frozen=True)
class DataRecipe:
    """Where the sounds lie, relative to the data folder.

    Attributes
    ----------
    kits, grooves, company : str
        Library of kits, archive of the Groove MIDI Dataset, pool of clips; without a pool drums have no company.
    separator : str, optional
        A folder of open-unmix, or ``"builtin"``, that some of the separated views come from.
    left_out_kits : tuple of str
        Kits to judge by, which nothing is learnt from.
    unused_kits : tuple of str
        Kits that are neither learnt from nor judged by, since their labels are wrong or their sounds are no drums.
    """

    kits: str = "kits"
    grooves: str = "groove.zip"
    company: str | None = None
    separator: str | None = None
    left_out_kits: tuple[str, ...] = ()
    unused_kits: tuple[str, ...] = ()

    def listings(self, data_folder: Path) -> dict[str, Path]:
        """Files that say what there is to learn from, and the separator, by their names below the data folder."""
        names = [f"{self.kits}/manifest.csv", self.grooves]
        names += [] if self.company is None else [f"{self.company}/index.csv"]
        names += [] if self.separator is None else [self.separator]
        return {name: data_folder / name for name in names}


@dataclass(frozen=True)
class DrumSliceRecipe:
    """How slices of drums are made, and how many lie ready.

    Attributes
    ----------
    capacity : int
        Slices that lie ready on disk; the oldest are replaced by new ones while training runs.
    first : int
        Slices that are rendered before the first step.
    window : int
        Of these most recent slices a batch is drawn; the rest of the capacity is room for working ahead.
    fresh_per_step : float
        New slices for each step of the optimiser.
    pattern_share : float
        Share of slices played from generated patterns, the rest from Groove MIDI.
    style_shares : mapping
        Shares of the slices from Groove MIDI that are of a style, as ``{jazz: 0.5}``: what is rare there but not in
        songs. The rest is drawn from all of it.
    empty_share : float
        Share of slices without any drum.
    synthetic_share : float
        Share of slices in which a synthetic drum machine plays some or all pieces, see `synthesis`.
    acoustic_share : float
        Share of the cymbals, and of the sets of hats and of toms, that are modelled, see `acoustic_synthesis`.
    attack_share : float
        Share of the voices whose attack is softer or harder than recorded.
    drum_effects : mapping
        Probability of each effect, see `effects`.
    """

    capacity: int = 6000
    first: int = 400
    window: int = 1500
    fresh_per_step: float = 2.5
    pattern_share: float = 0.3
    style_shares: Mapping[str, float] = field(default_factory=dict)
    empty_share: float = 0.03
    synthetic_share: float = 0.0
    acoustic_share: float = 0.0
    attack_share: float = 0.0
    drum_effects: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_shares(self, "pattern_share", "empty_share", "synthetic_share", "acoustic_share", "attack_share")
        check_partial_shares("style_shares", self.style_shares)
        check_effects("drum_effects", self.drum_effects)
        if min(self.first, self.window) < 1 or max(self.first, self.window) > self.capacity:
            raise OptionError(
                f"first {self.first} and window {self.window} must lie between 1 and the capacity, {self.capacity}"
            )
        if not 0.0 <= self.fresh_per_step <= self.window:
            raise OptionError(f"fresh_per_step: {self.fresh_per_step} does not lie between 0 and the window")


@dataclass(frozen=True)
class LearningRecipe:
    """How a network learns.

    Attributes
    ----------
    batch_size : int
        Examples of one step.
    steps : int
        Steps of the optimiser in all.
    learning_rate : float
        Its highest; each weight's step is about as large.
    warmup_steps : int
        Steps over which the learning rate rises.
    decay_share : float
        Last share of the steps, over which the learning rate falls to a hundredth.
    weight_decay : float
        Apart from the gradient (AdamW), as a share of the weight per unit of the learning rate.
    clip_norm : float
        Longest gradient; a longer one is shortened to it.
    average_decay : float
        What the running average of the weights keeps of itself at each step.
    precision : str
        ``"float32"``, or ``"bfloat16"`` for mixed precision: less memory and more speed on GPUs that have it.
    """

    batch_size: int = 8
    steps: int = 20000
    learning_rate: float = 0.003
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.01
    clip_norm: float = 2.0
    average_decay: float = 0.998
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_counts(self, "batch_size", "steps")
        check_not_negative(self, "warmup_steps", "weight_decay")
        for name in ("learning_rate", "clip_norm"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise OptionError(f"{name}: {getattr(self, name)} is no positive number")
        check_shares(self, "decay_share", "average_decay")
        if self.precision not in PRECISIONS:
            raise OptionError(f"precision {self.precision!r} is not known; it is {' or '.join(PRECISIONS)}")


@dataclass(frozen=True)
class RunRecipe:
    """What the recipe of every training run has; each network's own adds its settings.

    Attributes
    ----------
    trains : str
        Name of the network.
    seed : int
        All chance of a run comes from it.
    validate_every, checkpoint_every : int
        In steps.
    """

    trains: str
    seed: int = 1
    validate_every: int = 500
    checkpoint_every: int = 100
    optimiser: LearningRecipe = field(default_factory=LearningRecipe)

    def __post_init__(self) -> None:
        check_counts(self, "validate_every", "checkpoint_every")
        check_not_negative(self, "seed")

    def with_steps(self: RecipeType, steps: int | None) -> RecipeType:
        """The same with another number of steps; itself for None."""
        return self if steps is None else replace(self, optimiser=replace(self.optimiser, steps=steps))

    def for_member(self: RecipeType, rank: int) -> RecipeType:
        """The same with other chance, for one of several processes that train together."""
        return replace(self, seed=self.seed + rank * _SEED_STEP)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


RecipeType = TypeVar("RecipeType", bound=RunRecipe)
Settings = TypeVar("Settings", bound="DataclassInstance")


@dataclass(frozen=True)
class TrainingRecipe(RunRecipe):
    """What the recipe of a run that learns from rendered sound has besides.

    Attributes
    ----------
    workers : int
        Processes that render slices.
    """

    workers: int = 1
    data: DataRecipe = field(default_factory=DataRecipe)
    slices: DrumSliceRecipe = field(default_factory=DrumSliceRecipe)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "workers")


def check_shares(settings: Any, *names: str) -> None:
    """Raise `OptionError` unless these settings lie between 0 and 1."""
    _check_shares({name: getattr(settings, name) for name in names})


def check_partial_shares(name: str, shares: Mapping[str, float]) -> None:
    """Raise `OptionError` unless these are shares of which something may be left."""
    if not all(share >= 0.0 for share in shares.values()) or sum(shares.values()) > 1.0 + 1e-6:
        raise OptionError(f"{name} gives shares of 0 or more that add up to no more than 1")


def check_counts(settings: Any, *names: str) -> None:
    """Raise `OptionError` unless these settings are 1 or more."""
    for name in names:
        if getattr(settings, name) < 1:
            raise OptionError(f"{name}: {getattr(settings, name)} is too few; give at least 1")


def check_not_negative(settings: Any, *names: str) -> None:
    """Raise `OptionError` unless these settings are 0 or more."""
    for name in names:
        if not getattr(settings, name) >= 0:
            raise OptionError(f"{name}: {getattr(settings, name)} is negative; give 0 or more")


def check_effects(name: str, shares: Mapping[str, float]) -> None:
    """Raise `OptionError` unless these are probabilities of `mix2midi.training.effects.EFFECTS`."""
    from mix2midi.training.effects import EFFECTS

    check_names(name, shares, tuple(EFFECTS))
    _check_shares({f"{name}: {effect}": share for effect, share in shares.items()})


def check_names(name: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Raise `OptionError` for a name that is not known: misspelt, it would do nothing."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise OptionError(f"{name}: unknown name {unknown[0]!r}; known are {', '.join(known)}")


def _check_shares(shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if not 0.0 <= share <= 1.0:
            raise OptionError(f"{name}: {share} does not lie between 0 and 1")


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a table.

    Raises
    ------
    OptionError
        The file is missing, no YAML, or no table.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot read the recipe ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: not text in UTF-8 ({error.reason} at byte {error.start})") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        # Beside its own errors PyYAML raises those of Python for dates, numbers and tags that are none.
        raise OptionError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(values, dict):
        raise OptionError(f"{path}: a recipe is a table of settings")
    return values


def load_settings(kind: type[Settings], path: Path) -> Settings:
    """Read a YAML file into a dataclass of settings, tables within it into those of its fields.

    Raises
    ------
    OptionError
        The file is missing, no YAML, names a setting that does not exist, or has a value that cannot be one.
    """
    return build_settings(kind, read_settings(path), str(path))


def build_settings(kind: type[Settings], values: Mapping[str, Any], where: str) -> Settings:
    """The same of a table that has been read; errors begin with `where`."""
    known: dict[str, Any] = {item.name: item for item in fields(kind)}
    unknown = sorted(set(values) - set(known), key=str)  # YAML has names that are no text
    if unknown:
        raise OptionError(f"{where}: unknown setting {unknown[0]!r}; known are {', '.join(known)}")
    arguments = {}
    for name, value in values.items():
        part: Any = known[name].default_factory
        if isinstance(part, type) and is_dataclass(part):
            value = build_settings(part, _table(value, f"{where}: {name}"), f"{where}: {name}")
        else:
            _check_value(value, str(known[name].type), f"{where}: {name}")
        arguments[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**arguments)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise OptionError(f"{where}: {value!r} is no table of settings")
    return value or {}


def _check_value(value: Any, kind: str, where: str) -> None:
    """YAML reads 1e-3, without a point, as text, which would be found out after the first slices are rendered."""
    if kind.startswith("Mapping"):
        for name, item in _table(value, where).items():
            if kind == "Mapping[str, float]":
                _check_value(item, "float", f"{where}: {name}")
        return
    if kind.startswith("tuple"):
        if not isinstance(value, list | tuple):
            raise OptionError(f"{where}: {value!r} is no list; write [one, two]")
        for item in value:
            _check_value(item, kind.removeprefix("tuple[").split(",")[0].rstrip("]"), where)
        return
    wanted, called = _KINDS.get(kind, ((object,), ""))
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind in ("int", "float")):
        raise OptionError(f"{where}: {value!r} is no {called}")
