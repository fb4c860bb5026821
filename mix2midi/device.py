"""Where networks run: the one place that chooses a device and names its troubles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mix2midi.errors import DeviceError, OptionError

DEVICES = ("auto", "cpu", "cuda", "mps")
#: Before it, torch refuses convolutions that give more than 65,536 samples on Apple's GPU; those of htdemucs do.
_MPS_MACOS = (15, 1)


def resolve_device(name: str = "auto") -> str:
    """Turn the name of a device into one that torch knows and this machine has.

    Parameters
    ----------
    name : str
        One of `DEVICES`, or ``"cuda:1"`` for a second card. ``"auto"`` takes a CUDA card, else Apple's GPU from macOS
        15.1 on, else the CPU.

    Returns
    -------
    str
        ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.

    Raises
    ------
    DeviceError
        If the device is not there.
    OptionError
        If the name is not known.
    """
    if name == "cpu":
        return name  # without torch, whose import takes seconds
    if name not in DEVICES and not re.fullmatch(r"cuda:\d+", name):
        raise OptionError(f"device {name!r} is not known; choose one of {', '.join(DEVICES)}")
    import torch

    has_mps = torch.backends.mps.is_available() and torch.backends.mps.is_macos_or_newer(*_MPS_MACOS)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    n_cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    card = int(name.partition(":")[2] or 0)
    if (name == "mps" and not has_mps) or (name.startswith("cuda") and card >= n_cards):
        reason = "is not on this machine, or torch was built without it"
        if name == "mps":
            reason += f", or macOS is older than {'.'.join(map(str, _MPS_MACOS))}"
        raise DeviceError(f"device {name!r} {reason}; use 'auto' or 'cpu'")
    return name


@contextmanager
def memory_guard(device: str, task: str) -> Iterator[None]:
    """Turn a lack of memory into a `DeviceError` that says what to do.

    Parameters
    ----------
    device : str
        Where the work in the block runs.
    task : str
        What runs, for the message: ``"separating drums with htdemucs"``.
    """
    try:
        yield
    except (
        RuntimeError,
        MemoryError,
    ) as error:  # torch raises a RuntimeError, CUDA one of its own
        if not isinstance(error, MemoryError) and not _speaks_of_memory(str(error)):
            raise
        way_out = "close other programs" if device == "cpu" else "close other programs or use the device 'cpu'"
        raise DeviceError(f"{task}: the memory of device {device!r} is full; {way_out}") from error


def _speaks_of_memory(message: str) -> bool:
    return "out of memory" in message.lower() or "can't allocate memory" in message
