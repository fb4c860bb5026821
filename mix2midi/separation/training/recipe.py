"""What decides how a separator turns out: network, mixes and optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mix2midi.errors import OptionError
from mix2midi.training.recipe import (
    DrumSliceRecipe,
    LearningRecipe,
    TrainingRecipe,
    check_counts,
    check_not_negative,
    check_shares,
    load_settings,
)


@dataclass(frozen=True)
class NetworkRecipe:
    """An open-unmix of one channel.

    Attributes
    ----------
    hidden_size, layers : int
        Width and number of the recurrent layers.
    n_fft, hop_length : int
        Of the short-time Fourier transform, in samples at 44.1 kHz.
    bandwidth_hz : float
        Above this frequency the network reads nothing; it still writes a mask there.
    """

    hidden_size: int = 256
    layers: int = 3
    n_fft: int = 2048
    hop_length: int = 512
    bandwidth_hz: float = 16000.0

    def __post_init__(self) -> None:
        check_counts(self, "hidden_size", "layers", "n_fft", "hop_length")
        if self.hidden_size % 2:
            raise OptionError(f"hidden_size: {self.hidden_size} is odd; half of it reads forwards and half backwards")


@dataclass(frozen=True)
class MixRecipe:
    """How drums and company are put together anew for every batch.

    Attributes
    ----------
    company_db, company_spread_db : float
        Normal distribution of the company's level beside the drums.
    second_share : float
        Share of mixes in which a second clip plays, as a singer over a band does.
    speed_share : float
        Share of clips played faster or slower, and higher or lower with it.
    equaliser_db : float
        Standard deviation of the random tone of drums and company.
    compressor_share : float
        Share of mixes whose level is evened out, drums and company by the same gain.
    drums_alone_share, company_alone_share : float
        Share of mixes with one of them only.
    level_db, level_spread_db : float
        Normal distribution of the level of the mix, in dB of full scale.
    """

    company_db: float = 3.0
    company_spread_db: float = 5.0
    second_share: float = 0.4
    speed_share: float = 0.5
    equaliser_db: float = 4.0
    compressor_share: float = 0.4
    drums_alone_share: float = 0.04
    company_alone_share: float = 0.04
    level_db: float = -18.0
    level_spread_db: float = 5.0

    def __post_init__(self) -> None:
        check_shares(
            self, "second_share", "speed_share", "compressor_share", "drums_alone_share", "company_alone_share"
        )
        check_not_negative(self, "company_spread_db", "equaliser_db", "level_spread_db")


@dataclass(frozen=True)
class SliceRecipe(DrumSliceRecipe):
    """Slices of drums alone.

    Attributes
    ----------
    duration_s : float
    """

    duration_s: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.duration_s > 0.0:
            raise OptionError(f"duration_s: {self.duration_s} is too short; give more than 0 s")


@dataclass(frozen=True)
class OptimiserRecipe(LearningRecipe):
    """How the network learns, and what.

    Attributes
    ----------
    band_weight : float
        Share of the loss that counts every band of frequencies alike, so that hats matter beside kicks.
    floor_db : float
        Errors this far below the mix are good enough.
    initial_share : float
        What the weights that a run started from count for in its result, 0 to 1, see `blend.blend_networks`.
    """

    band_weight: float = 0.5
    floor_db: float = -30.0
    initial_share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares(self, "band_weight", "initial_share")


@dataclass(frozen=True)
class SeparatorRecipe(TrainingRecipe):
    """Everything that decides what comes out of a training run of the separator."""

    trains: str = "separator"
    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    slices: SliceRecipe = field(default_factory=SliceRecipe)
    mixes: MixRecipe = field(default_factory=MixRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)


def load_separator_recipe(path: Path) -> SeparatorRecipe:
    """Read a recipe.

    Raises
    ------
    OptionError
        The file is missing, no YAML, names a setting that does not exist, or has a value that cannot be one.
    """
    return load_settings(SeparatorRecipe, path)
