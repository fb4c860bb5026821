"""The mean of the weights of several runs: python -m mix2midi.transcription.training.mean OUT WEIGHTS=SHARE...

Runs that started from the same weights can be averaged, and the mean hears more than any of them. Wortsman et al.,
"Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time",
ICML 2022.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from mix2midi.errors import Mix2MidiError, ModelError, OptionError
from mix2midi.transcription.weights import Weights, load_weights, save_weights
from mix2midi.weight_files import check_weights_target

_ROUNDING = 1e-6


def mean_weights(parts: Sequence[tuple[Weights, float]]) -> Weights:
    """Weights whose transcriber is the mean of several, and all else that of the first.

    Parameters
    ----------
    parts : sequence of (Weights, float)
        Of networks of one shape, and what each counts for; the shares add up to 1.

    Raises
    ------
    OptionError
        There are none, or the shares do not add up to 1.
    ModelError
        The networks differ in shape.
    """
    if not abs(sum(share for _, share in parts) - 1.0) <= _ROUNDING:  # so that NaN is refused as well
        raise OptionError("the shares of the weights must add up to 1")
    first = parts[0][0]
    if any(weights.network.config != first.network.config for weights, _ in parts):
        raise ModelError("weights of networks that differ in shape have no mean")
    states = [(weights.network.state_dict(), share) for weights, share in parts]
    network = deepcopy(first.network)
    network.load_state_dict(
        {
            key: sum(state[key] * share for state, share in states) if value.dtype.is_floating_point else value
            for key, value in network.state_dict().items()
        }
    )
    return replace(first, network=network.eval())


def main(arguments: Sequence[str] | None = None) -> int:
    """Read files, write their mean; 1 where that cannot be done."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("parts", nargs="+", metavar="WEIGHTS=SHARE", help="shares add up to 1")
    parser.add_argument("--half-precision", action="store_true", help="a file of half the size, also after `tune`")
    options = parser.parse_args(arguments)
    try:
        check_weights_target(options.output)
        mean = mean_weights([_read(part) for part in options.parts])
        save_weights(replace(mean, half_precision=options.half_precision or mean.half_precision), options.output)
    except Mix2MidiError as error:
        print(f"mix2midi: {error}", file=sys.stderr)
        return 1
    return 0


def _read(part: str) -> tuple[Weights, float]:
    path, _, share = part.rpartition("=")
    try:
        return load_weights(Path(path)), float(share)
    except ValueError as error:
        raise OptionError(
            f"{part}: is not WEIGHTS=SHARE; give a file and a number, such as a.safetensors=0.4"
        ) from error


if __name__ == "__main__":
    raise SystemExit(main())
