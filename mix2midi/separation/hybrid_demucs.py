"""htdemucs and htdemucs_ft through the package demucs.

Only safetensors are read. The older .th files of demucs are pickles that name a class, which cannot be read with
``weights_only=True``; unpickling one runs whatever code is in it, and the eight hex digits of a checksum in its name
are too few to rule out a forged one. The hub has the same weights as safetensors.

Of the bag htdemucs_ft only the model that was tuned on drums is run, since the bag takes its drums from that one alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mix2midi.device import memory_guard
from mix2midi.errors import ModelError
from mix2midi.separation.separator import NetworkSeparator

#: Share of a segment after which the next one starts, as in demucs itself.
_STRIDE = 0.75

_CLASS = "demucs.htdemucs.HTDemucs"


class HybridDemucs:
    """A hybrid transformer demucs as a `SegmentNetwork`.

    It runs without demucs' random shifts (``shifts=0``): they cost a second pass for 0.2 dB and make the result random.

    References
    ----------
    Rouard, Massa, Défossez: Hybrid Transformers for Music Source Separation. ICASSP 2023.
    """

    deviation: float | None = 1.0

    def __init__(self, model: Any, device: str, name: str = "htdemucs") -> None:
        self._model = model.to(device).eval()
        self._device = device
        self._task = f"separating drums with {name}"
        self._drums = list(model.sources).index("drums")
        self.rate_hz = int(model.samplerate)
        self.segment_length = int(model.segment * model.samplerate)
        self.stride_length = int(_STRIDE * self.segment_length)

    def __call__(self, mix: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `SegmentNetwork`."""
        import torch
        from demucs.apply import apply_model

        with memory_guard(self._device, self._task), torch.inference_mode():
            batch = torch.from_numpy(mix)[None].to(self._device)  # [batch, channels, samples]
            stems = apply_model(self._model, batch, shifts=0, split=False)  # [batch, sources, channels, samples]
            drums: NDArray[np.float32] = stems[0, self._drums].cpu().numpy()
        return drums


def load_hybrid_demucs(name: str, path: Path, device: str) -> NetworkSeparator:
    """Load a safetensors file as the Hugging Face hub has them for demucs.

    Raises
    ------
    ModelError
        If the file is damaged or holds another kind of model.
    """
    from demucs.hf import load_safetensors_model
    from safetensors import SafetensorError

    try:
        _check_class(path)
        model = load_safetensors_model(path)
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: is damaged or no htdemucs; delete it and run `mix2midi models fetch {name}`"
        ) from error
    with memory_guard(device, f"loading {name}"):
        return NetworkSeparator(name, HybridDemucs(model, device, name))


def _check_class(path: Path) -> None:
    """Refuse a file that makes demucs import and call anything else: the header names the class to build."""
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        header = file.metadata() or {}
    if header.get("klass") != _CLASS or "structure" in header:
        raise ValueError(f"holds a {header.get('klass')!r}")
