"""Who plays: human performances from the Groove MIDI Dataset, as arrays of hits.

Gillick et al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019 (CC BY 4.0).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mix2midi.drums import PIECES, piece_of_note
from mix2midi.errors import OptionError
from mix2midi.training.groove_archive import open_groove_archive

ROW_OF_PIECE = {piece.key: row for row, piece in enumerate(PIECES)}


@dataclass(frozen=True)
class Performance:
    """A drum part.

    Attributes
    ----------
    onset_s : ndarray [shape=(hits,), float64]
        Sorted, from the start of the part.
    row : ndarray [shape=(hits,), int64]
        Row of the piece in `mix2midi.drums.PIECES`.
    velocity : ndarray [shape=(hits,), float64]
        1 to 127.
    tempo_bpm : float
        Quarter notes per minute; beat 0 is at 0 s.
    name : str
        Where it comes from.
    style : str
        What it is, the general first, as in ``"jazz/swing"``; empty where nobody said.
    """

    onset_s: NDArray[np.float64]
    row: NDArray[np.int64]
    velocity: NDArray[np.float64]
    tempo_bpm: float
    name: str = ""
    style: str = ""

    @property
    def general_style(self) -> str:
        """The first part of the style: ``"jazz"`` of ``"jazz/swing"``."""
        return self.style.split("/")[0]

    @property
    def duration_s(self) -> float:
        """Time of the last hit."""
        return float(self.onset_s[-1]) if len(self.onset_s) else 0.0


def load_grooves(archive: Path, split: str, min_duration_s: float = 6.0) -> list[Performance]:
    """All performances of one split of the Groove MIDI Dataset that are long enough to cut slices from.

    Parameters
    ----------
    archive : Path
        The dataset as a zip, with `groove/info.csv` in it.
    split : str
        ``"train"`` or ``"validation"``.
    min_duration_s : float
        What is shorter is left out.

    Raises
    ------
    OptionError
        The archive is missing or damaged, or has no such split.
    """
    with open_groove_archive(archive) as (files, table):
        rows = [row for row in table if row["split"] == split and float(row["duration"]) >= min_duration_s]
        performances = [_read_groove(files, row) for row in rows]
    if not performances:
        raise OptionError(f"{archive}: no performances in split {split!r}")
    return performances


def draw_performance(
    rng: Generator, performances: Sequence[Performance], style_shares: Mapping[str, float]
) -> Performance:
    """One of them: of each style as often as its share says, for the rest any.

    Parameters
    ----------
    rng : numpy Generator
    performances : sequence of Performance
    style_shares : mapping
        Shares of styles by the general part of their names (``"jazz"``).

    Raises
    ------
    OptionError
        If nobody plays a style that is drawn.
    """
    among = performances
    # No draw where nothing is asked for, so that recipes without shares draw the slices that they drew before.
    drawn = (
        int(np.searchsorted(np.cumsum(list(style_shares.values())), rng.random(), side="right")) if style_shares else 0
    )
    if drawn < len(style_shares):
        style = list(style_shares)[drawn]
        among = [performance for performance in performances if performance.general_style == style]
        if not among:
            styles = sorted({performance.general_style for performance in performances})
            raise OptionError(f"style_shares: nobody plays '{style}' to learn from; there are {', '.join(styles)}")
    return among[int(rng.integers(len(among)))]


def _read_groove(files: zipfile.ZipFile, row: dict[str, str]) -> Performance:
    import mido

    midi = mido.MidiFile(file=io.BytesIO(files.read(f"groove/{row['midi_filename']}")))
    time_s, hits = 0.0, []
    for message in midi:
        time_s += message.time
        if message.type == "note_on" and message.velocity > 0:
            piece = piece_of_note(message.note)
            if piece is not None:
                hits.append((time_s, ROW_OF_PIECE[piece.key], message.velocity))
    table = np.array(sorted(hits), dtype=np.float64).reshape(-1, 3)
    name = f"{row['midi_filename']}"
    return Performance(table[:, 0], table[:, 1].astype(np.int64), table[:, 2], float(row["bpm"]), name, row["style"])
