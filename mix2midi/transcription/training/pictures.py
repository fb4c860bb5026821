"""Pictures of what the network should paint and what it paints, drawn while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.files import atomic_write

_WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 7.0, 3.6, 80


def draw_heat_maps(
    path: Path, targets: Sequence[NDArray[np.float32]], produced: Sequence[NDArray[np.float32]], frame_s: float
) -> None:
    """Write a picture with two heat maps for each slice: the target on the left, what was produced on the right.

    Parameters
    ----------
    path : Path
        PNG; its folder is made.
    targets, produced : sequence of ndarray [shape=(rows, frames)]
        Onset activations, 0 to 1; rows are pieces, then families.
    frame_s : float
        Length of a frame.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * _WIDTH_INCHES, _HEIGHT_INCHES * len(targets)), dpi=_DPI, layout="constrained")
    axes = figure.subplots(len(targets), 2, squeeze=False)
    names = [*(piece.key for piece in PIECES), *FAMILIES]
    for row, pair in enumerate(zip(targets, produced, strict=True)):
        for column, (title, heat_map) in enumerate(zip(("target", "produced"), pair, strict=True)):
            axis = axes[row, column]
            end_s = heat_map.shape[1] * frame_s
            axis.imshow(heat_map, aspect="auto", vmin=0.0, vmax=1.0, cmap="magma", interpolation="nearest",
                        extent=(0.0, end_s, len(names) - 0.5, -0.5))  # fmt: skip
            axis.set_yticks(range(len(names)), names if column == 0 else [""] * len(names), fontsize=6)
            axis.set_xlabel("seconds")
            axis.set_title(f"slice {row}: {title}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png")
