"""Saving and loading the beat network: safetensors with every setting in the file's own header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix2midi.errors import ModelError
from mix2midi.files import atomic_write

if TYPE_CHECKING:
    from mix2midi.postprocess.beat_network import BeatNetwork

#: Weights that come with the package, trained on the Groove MIDI Dataset's training split.
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "beats.safetensors"
_FORMAT = "mix2midi-beats-1"


def save_beat_weights(network: BeatNetwork, path: Path, notes: dict[str, Any]) -> None:
    """Write a network and where it comes from; `notes` is for people only.

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    from safetensors.torch import save

    metadata = {"format": _FORMAT, "config": json.dumps(network.config.to_dict()), "notes": json.dumps(notes)}
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(state, metadata=metadata))


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
    from safetensors import SafetensorError, safe_open

    path = path or SHIPPED_WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file; install mix2midi again")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: weights are damaged ({error}); install mix2midi again") from error
    if metadata.get("format") != _FORMAT:
        raise ModelError(f"{path}: not weights of this version of the beat network; install mix2midi again")
    return _rebuild(path, metadata, state)


def _rebuild(path: Path, metadata: dict[str, str], state: dict[str, Any]) -> BeatNetwork:
    from mix2midi.postprocess.beat_network import BeatNetwork, BeatNetworkConfig
    from mix2midi.postprocess.beat_roll import ROWS

    try:
        config = BeatNetworkConfig.from_dict(json.loads(metadata["config"]))
        network = BeatNetwork(config)
        network.load_state_dict(state, strict=True)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: weights do not fit the network they describe ({reason})") from error
    if config.rows != tuple(ROWS):
        raise ModelError(f"{path}: weights for other kinds of drums than this version tells apart")
    return network.eval()
