"""Weights for a wider network that hears the same: python -m mix2midi.transcription.training.widen OUT WEIGHTS RECIPE.

A network that has learnt what it can hold goes on from where it is with more channels, instead of from chance: T. Chen
et al., "Net2Net: accelerating learning via knowledge transfer", ICLR 2016. There channels are doubled; here the new
ones start at random, and what comes after them does not listen to them yet.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mix2midi.errors import Mix2MidiError, ModelError
from mix2midi.transcription.training.recipe import load_recipe
from mix2midi.transcription.weights import Weights, load_weights, save_weights
from mix2midi.weight_files import check_weights_target

if TYPE_CHECKING:
    from torch import Tensor

    from mix2midi.transcription.network import NetworkConfig

#: What may grow: layers whose channels come last in what reads them.
WIDENED = ("slow_stem", "slow_channels", "trunk_channels")
_SEED = 1


def widen_weights(weights: Weights, config: NetworkConfig) -> Weights:
    """The same heat maps from a network with more channels.

    Parameters
    ----------
    weights : Weights
    config : NetworkConfig
        That of `weights`, but for `WIDENED`, which may be larger.

    Returns
    -------
    Weights
        All but the network is that of `weights`. New channels are drawn from a fixed seed.

    Raises
    ------
    ModelError
        `config` differs in something else, or is narrower somewhere.
    """
    import torch

    from mix2midi.transcription.network import DrumNetwork

    old = weights.network.config
    if replace(config, **{name: getattr(old, name) for name in WIDENED}) != old:
        raise ModelError(f"a network can be widened in {', '.join(WIDENED)} and in nothing else")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = DrumNetwork(config)
        grown = {key: _grown(weights.network.state_dict()[key], value) for key, value in network.state_dict().items()}
    network.load_state_dict(grown)
    return replace(weights, network=network.eval())


def _grown(old: Tensor, fresh: Tensor) -> Tensor:
    """A tensor of the shape of `fresh` that begins with `old`."""
    from torch.nn.init import kaiming_normal_

    if old.shape == fresh.shape:
        return old
    if old.ndim != fresh.ndim or any(a > b for a, b in zip(old.shape, fresh.shape, strict=True)):
        raise ModelError("a network can be widened and not narrowed")
    if old.ndim > 1:  # [after, before, ...]; norms start as they are made, for inputs of the size that this draws
        kaiming_normal_(fresh, nonlinearity="relu")
        fresh[: old.shape[0]] = 0.0
    fresh[tuple(slice(length) for length in old.shape)] = old
    return fresh


def main(arguments: Sequence[str] | None = None) -> int:
    """Read weights, write them for the recipe's network; 1 where that cannot be done."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("weights", type=Path, metavar="WEIGHTS")
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="its `network` is what they are widened to")
    options = parser.parse_args(arguments)
    try:
        check_weights_target(options.output)
        wide = widen_weights(load_weights(options.weights), load_recipe(options.recipe).network_config())
        save_weights(wide, options.output)
    except Mix2MidiError as error:
        print(f"mix2midi: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
