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
    from mix2midi.transcription.refinement_network import RefinementNetwork

#: Weights that come with the package.
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "drums.safetensors"
_FORMAT = "mix2midi-transcriber-2"
#: Tensors of the refinement network, which not all weights have, begin with this.
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
    refinement : RefinementNetwork, optional
        In evaluation mode, on the CPU; goes over the heat maps that `network` paints.
    """

    network: DrumNetwork
    pickings: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    refinement: RefinementNetwork | None = None


def save_weights(weights: Weights, path: Path) -> None:
    """Write weights with all that is needed to use them.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    settings = {"config": weights.network.config.to_dict(), "pickings": weights.pickings, "notes": weights.notes}
    state = weights.network.state_dict()
    if weights.refinement is not None:
        settings["refinement"] = weights.refinement.config.to_dict()
        state = {**state, **{_REFINEMENT + key: value for key, value in weights.refinement.state_dict().items()}}
    write_weights(path, _FORMAT, state, settings)


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
        refinement = _rebuild_refinement(settings.get("refinement"), state)
        for picking in settings["pickings"].values():
            Picking.from_dict(picking)
        return Weights(network.eval(), settings["pickings"], settings["notes"], refinement)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except OptionError as error:
        raise ModelError(f"{path}: weights of another version of mix2midi ({error}); train them again") from error
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: weights do not fit the network they describe ({reason})") from error


def _rebuild_refinement(config: dict[str, Any] | None, state: dict[str, Tensor]) -> RefinementNetwork | None:
    """The network that the settings describe, if they describe one."""
    from mix2midi.transcription.refinement_network import RefinementConfig, RefinementNetwork

    if config is None:
        return None
    network = RefinementNetwork(RefinementConfig(**config))
    own = {key.removeprefix(_REFINEMENT): value for key, value in state.items() if key.startswith(_REFINEMENT)}
    network.load_state_dict(own)
    return network.eval()
