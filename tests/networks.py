"""A tiny random network, for tests that need some network and not a good one."""

from __future__ import annotations

from pathlib import Path

import torch

from mix2midi.transcription.network import DrumNetwork, NetworkConfig
from mix2midi.transcription.weights import Weights, save_weights

TINY = NetworkConfig(
    fast_stem=(2, 2),
    fast_channels=4,
    slow_stem=(2, 2, 2),
    slow_channels=4,
    trunk_channels=8,
    dilations=(1, 2),
    head_channels=8,
)


def tiny_network(seed: int = 0) -> DrumNetwork:
    """Random weights that answer to what they hear: the onset bias is raised so that some peaks pass 0.5."""
    torch.manual_seed(seed)
    network = DrumNetwork(TINY)
    with torch.no_grad():
        network.onset.weight.mul_(6.0)
        torch.nn.init.zeros_(network.get_parameter("onset.bias"))
    return network.eval()


def write_tiny_weights(path: Path) -> Path:
    """Weights of `tiny_network` as a file."""
    save_weights(Weights(tiny_network()), path)
    return path
