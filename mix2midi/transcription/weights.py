"""Saving and loading the transcriber's weights: safetensors with every setting in the file's own header."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix2midi.errors import ModelError
from mix2midi.files import atomic_write

if TYPE_CHECKING:
    from mix2midi.transcription.network import DrumNetwork

#: Weights that come with the package.
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "drums.safetensors"
_FORMAT = "mix2midi-transcriber-1"


@dataclass
class Weights:
    """A network with what belongs to it.

    Attributes
    ----------
    network : DrumNetwork
        In evaluation mode, on the CPU.
    picking : dict
        Thresholds that were chosen for these weights, see `mix2midi.transcription.peaks.Picking`.
    notes : dict
        Where they come from: recipe, date, steps, scores. For people only.
    """

    network: DrumNetwork
    picking: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def save_weights(weights: Weights, path: Path) -> None:
    """Write weights to a safetensors file; the header holds the settings as JSON.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from safetensors.torch import save

    metadata = {
        "format": _FORMAT,
        "config": json.dumps(weights.network.config.to_dict()),
        "picking": json.dumps(weights.picking),
        "notes": json.dumps(weights.notes),
    }
    state = {key: value.detach().cpu().contiguous() for key, value in weights.network.state_dict().items()}
    # Not save_file, which leaves the file readable by its owner alone.
    with atomic_write(path) as partial:
        partial.write_bytes(save(state, metadata=metadata))


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
    from safetensors import SafetensorError, safe_open

    path = path or SHIPPED_WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file; give one that `mix2midi train` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: weights are damaged ({error}); fetch or train them again") from error
    if metadata.get("format") != _FORMAT:
        raise ModelError(f"{path}: not weights of this version of mix2midi's transcriber; train or fetch them again")
    return _rebuild(path, metadata, state)


def _rebuild(path: Path, metadata: dict[str, str], state: dict[str, Any]) -> Weights:
    from mix2midi.transcription.network import DrumNetwork, NetworkConfig

    try:
        network = DrumNetwork(NetworkConfig.from_dict(json.loads(metadata["config"])))
        network.load_state_dict(state, strict=True)
        picking, notes = json.loads(metadata["picking"]), json.loads(metadata["notes"])
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: weights do not fit the network they describe ({reason})") from error
    return Weights(network.eval(), picking, notes)
