"""Saving and loading the transcriber's weights, with all that is needed to rebuild and use the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix2midi.errors import ModelError, OptionError
from mix2midi.transcription.peaks import Picking
from mix2midi.weight_files import read_weights, write_weights

if TYPE_CHECKING:
    from torch import Tensor

    from mix2midi.transcription.network import DrumNetwork
    from mix2midi.transcription.refinement_network import RefinementNetwork, RefinementVote

#: Weights that come with the package.
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "drums.safetensors"
_FORMAT = "mix2midi-transcriber-3"
#: Tensors of the refinement networks, which not all weights have, begin with this and their number.
_REFINEMENT = "refinement."


@dataclass
class Weights:
    """A network with what belongs to it.

    Attributes
    ----------
    network : DrumNetwork
        In evaluation mode, on the CPU.
    pickings : dict of str to dict
        Thresholds that were chosen for these weights, for each of `mix2midi.transcription.peaks.VIEWS`, see `Picking`
        there; a view that is not named has the defaults.
    notes : dict
        Where they come from: recipe, date, steps, scores. For people only.
    refinements : tuple of RefinementNetwork
        In evaluation mode, on the CPU; they go over the heat maps that `network` paints, and vote. May be empty.
    half_precision : bool
        Whether their file keeps matrices as 16-bit floats, which halves it. They compute with 32 bits.
    """

    network: DrumNetwork
    pickings: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    refinements: tuple[RefinementNetwork, ...] = ()
    half_precision: bool = False

    @property
    def vote(self) -> RefinementVote | None:
        """All refinements as one; None without any."""
        from mix2midi.transcription.refinement_network import RefinementVote

        return RefinementVote(self.refinements).eval() if self.refinements else None


def save_weights(weights: Weights, path: Path) -> None:
    """Write weights with all that is needed to use them.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    settings: dict[str, Any] = {"pickings": weights.pickings, "notes": weights.notes}
    settings["config"] = weights.network.config.to_dict()
    state = weights.network.state_dict()
    if weights.refinements:
        settings["refinements"] = [network.config.to_dict() for network in weights.refinements]
        for number, network in enumerate(weights.refinements):
            state = {**state, **{_prefix(number) + key: value for key, value in network.state_dict().items()}}
    write_weights(path, _FORMAT, _halved(state) if weights.half_precision else state, settings)


def load_weights(path: Path | None = None) -> Weights:
    """Read weights and rebuild their network.

    Parameters
    ----------
    path : Path, optional
        A file that `save_weights` wrote; the shipped weights by default.

    Raises
    ------
    ModelError
        The file is missing, damaged, or of another version.
    """
    from mix2midi.transcription.network import DrumNetwork, NetworkConfig

    path = path or SHIPPED_WEIGHTS
    settings, state = read_weights(path, _FORMAT, "give a file that `mix2midi train` wrote")
    try:
        network = DrumNetwork(NetworkConfig.from_dict(settings["config"]))
        network.load_state_dict({key: value for key, value in state.items() if not key.startswith(_REFINEMENT)})
        configs = settings.get("refinements", [])
        refinements = tuple(_rebuild_refinement(config, _prefix(i), state) for i, config in enumerate(configs))
        for picking in settings["pickings"].values():
            Picking.from_dict(picking)
        return Weights(network.eval(), settings["pickings"], settings["notes"], refinements, _is_halved(state))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except OptionError as error:
        raise ModelError(f"{path}: weights of another version of mix2midi ({error}); train them again") from error
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: weights do not fit the network they describe ({reason})") from error


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as 16-bit floats; norms and biases, which are few, as they are."""
    return {key: value.half() if value.ndim > 1 else value for key, value in state.items()}


def _is_halved(state: dict[str, Tensor]) -> bool:
    import torch

    return any(value.dtype == torch.float16 for value in state.values())


def _prefix(number: int) -> str:
    return f"{_REFINEMENT}{number}."


def _rebuild_refinement(config: dict[str, Any], prefix: str, state: dict[str, Tensor]) -> RefinementNetwork:
    """The network that the settings describe."""
    from mix2midi.transcription.refinement_network import RefinementConfig, RefinementNetwork

    network = RefinementNetwork(RefinementConfig(**config))
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    network.load_state_dict(own)
    return network.eval()
