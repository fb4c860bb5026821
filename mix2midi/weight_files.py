"""Files of trained weights: safetensors, nothing that could run code, with every setting in the file's own header."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix2midi.errors import ModelError, OutputError
from mix2midi.files import atomic_write, check_target

if TYPE_CHECKING:
    from torch import Tensor

#: Of safetensors: the length of the header in bytes, which comes first, and what header and tensors are aligned to.
_LENGTH, _ALIGNMENT = struct.Struct("<Q"), 8


def write_weights(path: Path, form: str, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write a network's tensors.

    Parameters
    ----------
    path : Path
    form : str
        Name and version of the format; what reads the file asks for it.
    state : mapping of str to Tensor
        The network's state dict, on any device.
    settings : mapping
        Kept in the header, each as JSON.

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    from safetensors.torch import save

    metadata = {"format": form, **{name: json.dumps(value) for name, value in settings.items()}}
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    # Not save_file, which leaves the file readable by its owner alone.
    with atomic_write(path) as partial:
        partial.write_bytes(_in_order(save(tensors, metadata=metadata)))


def _in_order(data: bytes) -> bytes:
    """The same file with its settings sorted: safetensors writes them in an order that changes from run to run."""
    stop = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    header = json.loads(data[_LENGTH.size : stop])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)  # tensors begin at multiples of it
    return _LENGTH.pack(len(text)) + text + data[stop:]


def check_weights_target(path: Path) -> None:
    """Find out before hours of work whether weights can be written there; older weights may be replaced, nothing else.

    Raises
    ------
    OutputError
        There is no such folder, or a file that holds no weights of mix2midi.
    """
    from safetensors import SafetensorError, safe_open

    check_target(path)
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with safe_open(path, framework="pt") as file:
            form = (file.metadata() or {}).get("format", "")
    except (SafetensorError, OSError):
        form = ""
    if not form.startswith("mix2midi-"):
        raise OutputError(f"{path}: is there and holds no weights of mix2midi; write elsewhere")


def read_weights(path: Path, form: str, remedy: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_weights` wrote.

    Parameters
    ----------
    path : Path
    form : str
        Format that is expected.
    remedy : str
        What the user can do about a file that cannot be used; ends each message.

    Returns
    -------
    settings : dict
    state : dict of str to Tensor

    Raises
    ------
    ModelError
        The file is missing, damaged, of another format, or holds what is no number.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError(f"{path}: no such weights file; {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata.pop("format", None) != form:
            raise ModelError(f"{path}: not weights of this version of mix2midi ({form}); {remedy}")
        if not all(value.float().isfinite().all() for value in state.values()):  # they would hear no drums anywhere
            raise ModelError(f"{path}: holds weights that are not finite; {remedy}")
        return {name: json.loads(value) for name, value in metadata.items()}, state
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: weights are damaged ({error}); {remedy}") from error
