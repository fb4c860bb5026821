"""Saving and loading the beat network: with all that is needed to rebuild it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix2midi.errors import ModelError
from mix2midi.weight_files import read_weights, write_weights

if TYPE_CHECKING:
    from mix2midi.postprocess.beat_network import BeatNetwork

#: Weights that come with the package, see docs/beats-card.md.
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "beats.safetensors"
_FORMAT = "mix2midi-beats-1"


def save_beat_weights(network: BeatNetwork, path: Path, notes: dict[str, Any]) -> None:
    """Write a network and where it comes from; `notes` is for people only.

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    write_weights(path, _FORMAT, network.state_dict(), {"config": network.config.to_dict(), "notes": notes})


def load_beat_weights(path: Path | None = None) -> BeatNetwork:
    """Rebuild a network, in evaluation mode and on the CPU, where it is fast enough: it is tiny.

    Parameters
    ----------
    path : Path, optional
        A file that `save_beat_weights` wrote; the shipped weights by default.

    Raises
    ------
    ModelError
        The file is missing, damaged, or of another version.
    """
    from mix2midi.postprocess.beat_network import BeatNetwork, BeatNetworkConfig
    from mix2midi.postprocess.beat_roll import ROWS

    path = path or SHIPPED_WEIGHTS
    settings, state = read_weights(path, _FORMAT, "install mix2midi again")
    try:
        config = BeatNetworkConfig.from_dict(settings["config"])
        network = BeatNetwork(config)
        network.load_state_dict(state, strict=True)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: weights do not fit the network they describe ({reason})") from error
    if config.rows != tuple(ROWS):
        raise ModelError(f"{path}: weights for other kinds of drums than this version tells apart")
    return network.eval()
