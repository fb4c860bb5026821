"""Small random separators in the files that real ones come in, and noise to feed them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

RATE_HZ = 44100


def noise(length: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, length)).astype(np.float32)


def small_demucs() -> Any:
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    settings = {"channels": 8, "bottom_channels": 32, "t_layers": 1, "t_heads": 2, "segment": Fraction(1, 2)}
    return HTDemucs(["drums", "bass", "other", "vocals"], **settings)


def save_demucs(model: Any, path: Path, **header: str) -> Path:
    """As the hub's files are: tensors, and how to build the class in the header."""
    args, kwargs = model._init_args_kwargs
    segment = {
        "_type": "fraction",
        "numerator": kwargs["segment"].numerator,
        "denominator": kwargs["segment"].denominator,
    }
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps(list(args)),
        "kwargs": json.dumps({**kwargs, "segment": segment}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path, metadata | header)
    return path


def save_open_unmix(folder: Path, channels: int = 2, suffix: str = ".safetensors") -> Path:
    """A small random network in a folder as open-unmix saves it."""
    import torch
    from openunmix.model import OpenUnmix

    torch.manual_seed(0)
    network = OpenUnmix(nb_bins=129, nb_channels=channels, hidden_size=8, nb_layers=2, max_bin=100)
    folder.mkdir()
    settings = {"sample_rate": 8000, "nfft": 256, "nhop": 64, "nb_channels": channels}
    (folder / "separator.json").write_text(json.dumps(settings))
    (folder / "drums.json").write_text(json.dumps({"args": {"hidden_size": 8, "nb_channels": channels, "nfft": 256}}))
    state = {**network.state_dict(), "stft.window": torch.ones(256)}  # published files have such extras
    if suffix == ".safetensors":
        save_file(state, folder / "drums.safetensors")
    else:
        torch.save(state, folder / "drums.pth")
    return folder
