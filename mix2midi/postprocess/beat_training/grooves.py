"""Human performances with their exact bars, from the Groove MIDI Dataset.

Gillick et al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019 (CC BY 4.0). They were played to a
metronome, so tick 0 is a downbeat and every quarter note of the file is a beat.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from mix2midi.postprocess.beat_roll import row_of_note
from mix2midi.training.groove_archive import open_groove_archive

#: Beats per quarter note by time signature. 6/8 is counted in eighths, as its dotted quarters can be very slow.
BEATS_PER_QUARTER = {"2-4": 1, "3-4": 1, "4-4": 1, "5-4": 1, "6-8": 2}
#: How much hits must agree on their place between sixteenths, 0 to 1, for it to be a habit of the player.
STEADY = 0.3


@dataclass(frozen=True)
class Groove:
    """A performance on its grid.

    Attributes
    ----------
    beat : ndarray [shape=(hits,), float64]
        Position of each hit in beats from the first downbeat, sorted.
    row : ndarray [shape=(hits,), int64]
        See `mix2midi.postprocess.beat_roll.ROWS`.
    velocity : ndarray [shape=(hits,), float64]
        1 to 127.
    tempo_bpm : float
        Beats per minute.
    beats_per_bar : int
    style, name : str
    """

    beat: NDArray[np.float64]
    row: NDArray[np.int64]
    velocity: NDArray[np.float64]
    tempo_bpm: float
    beats_per_bar: int
    style: str = ""
    name: str = ""

    @property
    def bars(self) -> int:
        """Number of bars in which something is played."""
        return int(np.ceil((self.beat.max(initial=0.0) + 1e-6) / self.beats_per_bar))


def load_grooves(archive: Path, split: str, min_duration_s: float = 8.0) -> list[Groove]:
    """All beats, but no single fills, of one split whose time signature is in `BEATS_PER_QUARTER`.

    Parameters
    ----------
    archive : Path
        The data set as a zip with `groove/info.csv` in it.
    split : str
        ``"train"`` or ``"validation"``.
    min_duration_s : float
        What is shorter is left out.

    Raises
    ------
    OptionError
        There is no such archive, or it is damaged.
    """
    with open_groove_archive(archive) as (files, rows):
        return [
            _read(files, row)
            for row in rows
            if row["split"] == split
            and row["beat_type"] == "beat"
            and row["time_signature"] in BEATS_PER_QUARTER
            and float(row["duration"]) >= min_duration_s
        ]


def without_lead(groove: Groove) -> Groove:
    """A groove whose hits lie on the grid on average, where they were played steadily before or behind it.

    The players of the data set are 14 to 37 ms ahead of their metronome. In a song nobody hears the metronome: beats
    are where they are played.
    """
    parts = 2 if groove.beats_per_bar == 6 else 4  # sixteenths of a quarter note's beat, and of an eighth's
    around = np.exp(2j * np.pi * groove.beat * parts).mean()
    if abs(around) < STEADY:
        return groove
    return replace(groove, beat=groove.beat - np.angle(around) / (2 * np.pi) / parts)


def _read(files: zipfile.ZipFile, row: dict[str, str]) -> Groove:
    midi = mido.MidiFile(file=io.BytesIO(files.read(f"groove/{row['midi_filename']}")))
    tempos = [message.tempo for track in midi.tracks for message in track if message.type == "set_tempo"]
    scale = BEATS_PER_QUARTER[row["time_signature"]]
    hits, tick = [], 0
    for message in mido.merge_tracks(midi.tracks):
        tick += message.time
        if message.type == "note_on" and message.velocity > 0:
            hits.append((tick / midi.ticks_per_beat * scale, row_of_note(message.note), message.velocity))
    table = np.array(sorted(hits), dtype=np.float64).reshape(-1, 3)
    return Groove(
        beat=table[:, 0],
        row=table[:, 1].astype(np.int64),
        velocity=table[:, 2],
        tempo_bpm=60e6 / tempos[0] * scale,
        beats_per_bar=int(row["time_signature"].split("-")[0]),
        style=row["style"],
        name=row["midi_filename"],
    )
