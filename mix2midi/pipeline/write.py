"""Writing the files of one song."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mix2midi.audio import AudioSource
from mix2midi.files import atomic_write
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline.midi_options import MidiOptions
from mix2midi.pipeline.outputs import Outputs, Picture
from mix2midi.postprocess import Arranged, write_csv, write_json, write_midi
from mix2midi.transcription import HeatMap


@dataclass(frozen=True, slots=True)
class Heard:
    """What the transcriber made of a stem; the heat map, 0.1 GB for an hour of music, only where a file shows it."""

    notes: list[DrumNote]
    duration_s: float
    heat_map: HeatMap | None = None


def write_tables(
    transcription: Transcription, heard: Heard, stem: AudioSource, outputs: Outputs, picture: Picture
) -> None:
    """Write what is asked for besides the MIDI file."""
    if outputs.plot is not None and heard.heat_map is not None:
        from mix2midi.pipeline.plot import draw_transcription

        moved = [note.onset_s for note in transcription.notes] != [note.onset_s for note in heard.notes]
        draw_transcription(
            outputs.plot,
            stem,
            heard.heat_map,
            transcription,
            range_s=picture.range_s,
            reference=picture.reference,
            played=heard.notes if moved else (),
        )
    if outputs.activations is not None and heard.heat_map is not None:
        write_activations(heard.heat_map, outputs.activations)
    if outputs.csv is not None:
        write_csv(transcription, outputs.csv)
    if outputs.json is not None:
        write_json(transcription, outputs.json)


def write_midi_file(transcription: Transcription, arranged: Arranged, outputs: Outputs, midi: MidiOptions) -> None:
    """Write the MIDI file, last of all, so that it stands for a song that is done."""
    if outputs.midi is not None:
        write_midi(
            transcription,
            outputs.midi,
            tempo_map=arranged.tempo_map,
            note_map=midi.load_note_map(),
            layout=midi.to_layout(),
        )


def write_activations(heat_map: HeatMap, path: Path) -> None:
    """Write a heat map as NumPy's ``.npz``.

    Arrays: ``onset`` and ``velocity`` [pieces, frames], ``family_onset`` [families, frames], 0 to 1; ``loudness_db``
    [families, frames]; ``pieces`` and ``families``, the names of the rows; ``hop_length`` in samples and ``rate_hz``.
    Frame ``i`` is centred at ``i * hop_length / rate_hz`` seconds.

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            onset=heat_map.onset,
            velocity=heat_map.velocity,
            family_onset=heat_map.family_onset,
            loudness_db=heat_map.loudness_db,
            pieces=np.array(heat_map.pieces),
            families=np.array(heat_map.families),
            hop_length=heat_map.hop_length,
            rate_hz=heat_map.rate_hz,
        )
