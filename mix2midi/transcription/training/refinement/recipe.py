"""What decides how a refinement network turns out."""

from __future__ import annotations

from dataclasses import dataclass, field

from mix2midi.errors import OptionError
from mix2midi.training.recipe import LearningRecipe, TrainingRecipe, check_shares
from mix2midi.transcription.refinement_network import RefinementConfig
from mix2midi.transcription.training.recipe import SliceRecipe


@dataclass(frozen=True)
class SongRecipe(SliceRecipe):
    """Songs to learn from: long slices with what a transcriber makes of them.

    Attributes
    ----------
    count : int
        Songs that are rendered before learning begins; they are kept in the run's folder.
    validation_count : int
        Songs of kits and performances that are left out, to be judged by.
    """

    count: int = 1500
    validation_count: int = 24


@dataclass(frozen=True)
class RefinementOptimiserRecipe(LearningRecipe):
    """How the network learns, and what.

    Attributes
    ----------
    crop_instants : int
        Of a longer song a stretch of this many instants is learnt from at once.
    damage_share : float
        Share of the songs whose heat map is damaged on purpose, see `damage`.
    learnt_share : float
        What was learnt counts for this much in the result, and what the network began as for the rest, 0 to 1: songs
        are rendered, and not all that holds for them holds for records.
    goes_on : bool
        Begin as the one refinement that the weights bring along, and not as repetitions alone.
    joins : bool
        In the result those that the weights bring along vote beside it, see `refinement_network.RefinementVote`.
    """

    batch_size: int = 4
    steps: int = 3000
    learning_rate: float = 0.002
    warmup_steps: int = 50
    decay_share: float = 0.8
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    average_decay: float = 0.995
    crop_instants: int = 450
    damage_share: float = 0.7
    learnt_share: float = 1.0
    goes_on: bool = False
    joins: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares(self, "damage_share", "learnt_share")
        if self.goes_on and self.joins:
            raise OptionError("optimiser: what goes on from a refinement cannot join it as well")


@dataclass(frozen=True)
class RefinementRecipe(TrainingRecipe):
    """Everything that decides what comes out of a training run of a refinement network."""

    trains: str = "refinement"
    network: RefinementConfig = field(default_factory=RefinementConfig)
    slices: SongRecipe = field(default_factory=SongRecipe)
    optimiser: RefinementOptimiserRecipe = field(default_factory=RefinementOptimiserRecipe)
