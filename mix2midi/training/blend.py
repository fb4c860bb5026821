"""Weights between old and new ones, for networks that were trained on from weights that were good already."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def blend_networks(old: Network, new: Network, new_share: float) -> Network:
    """A network whose weights are the mean of two, which keeps more of what the old one knew than the new one does.

    Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

    Parameters
    ----------
    old, new : torch.nn.Module
        `new` was trained on from `old`. Both stay as they are.
    new_share : float
        What the new one's weights count for, 0 to 1.
    """
    network, new_state = deepcopy(old).to("cpu"), new.state_dict()
    network.load_state_dict(
        {
            key: value.lerp(new_state[key].to("cpu"), new_share) if value.dtype.is_floating_point else value
            for key, value in network.state_dict().items()
        }
    )
    return network.eval()
