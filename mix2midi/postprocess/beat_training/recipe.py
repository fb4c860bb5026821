"""What decides how a beat network turns out."""

from __future__ import annotations

from dataclasses import dataclass, field

from mix2midi.errors import OptionError
from mix2midi.postprocess.beat_network import BeatNetworkConfig
from mix2midi.postprocess.beat_training.augment import SHORTEST_S
from mix2midi.training.recipe import LearningRecipe, RunRecipe, check_shares


@dataclass(frozen=True)
class BeatExampleRecipe:
    """What the network learns from.

    Attributes
    ----------
    grooves : str
        Archive of the Groove MIDI Dataset, relative to the data folder.
    duration_s : float
        Length of an example.
    pattern_share, section_share, pause_share, swing_share : float
        How many examples are of generated patterns instead of grooves, hold a section of another groove, a pause, or
        swung notes, see `mix2midi.postprocess.beat_training.variations`.
    """

    grooves: str = "groove.zip"
    duration_s: float = 30.0
    pattern_share: float = 0.2
    section_share: float = 0.3
    pause_share: float = 0.15
    swing_share: float = 0.15

    def __post_init__(self) -> None:
        check_shares(self, "pattern_share", "section_share", "pause_share", "swing_share")
        if not self.duration_s > SHORTEST_S:
            raise OptionError(f"duration_s: {self.duration_s} is too short; give more than {SHORTEST_S:g} s")


@dataclass(frozen=True)
class BeatOptimiserRecipe(LearningRecipe):
    """How the network learns.

    Attributes
    ----------
    positive_weight : float
        How much more a frame with a beat weighs than one without.
    """

    steps: int = 6000
    warmup_steps: int = 600
    decay_share: float = 0.9
    clip_norm: float = 1.0
    positive_weight: float = 3.0


@dataclass(frozen=True)
class BeatRecipe(RunRecipe):
    """Everything that decides what comes out of a training run of a beat network."""

    trains: str = "beats"
    network: BeatNetworkConfig = field(default_factory=BeatNetworkConfig)
    examples: BeatExampleRecipe = field(default_factory=BeatExampleRecipe)
    optimiser: BeatOptimiserRecipe = field(default_factory=BeatOptimiserRecipe)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.network.channels, *self.network.dilations) < 1:
            raise OptionError("network: channels and dilations are numbers above 0")
