"""Notes as tables that a spreadsheet, a script or a notebook reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from mix2midi.files import PROGRAM, atomic_write
from mix2midi.notes import DrumNote, Transcription

COLUMNS = ("onset_s", "note", "name", "velocity", "confidence")
#: Decimals written: a microsecond is far below the length of a frame, and four digits of confidence tell hits apart.
ONSET_DECIMALS = 6
CONFIDENCE_DECIMALS = 4
TEMPO_DECIMALS = 4


def write_csv(transcription: Transcription, path: Path | str) -> None:
    """Write one line per hit under a heading, in UTF-8.

    Columns: ``onset_s`` (seconds), ``note`` (MIDI), ``name``, ``velocity`` (1 to 127), ``confidence`` (0 to 1).

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(note) for note in transcription.notes)


def write_json(transcription: Transcription, path: Path | str) -> None:
    """Write facts of the song, its beats and its hits as one object.

    ``beats`` holds ``time_s`` and ``position`` in the bar (1 is a downbeat), ``notes`` the columns of `write_csv`.

    Raises
    ------
    OutputError
        The file cannot be written there.
    """
    song = {
        "program": PROGRAM,
        "title": transcription.title,
        "duration_s": round(transcription.duration_s, ONSET_DECIMALS),
        "tempo_bpm": round(transcription.tempo_bpm, TEMPO_DECIMALS),
        "time_signature": transcription.time_signature,
        "separator": transcription.separator,
        "device": transcription.device,
        "beats": [
            {"time_s": round(beat.time_s, ONSET_DECIMALS), "position": beat.position} for beat in transcription.beats
        ],
        "notes": [_row(note) for note in transcription.notes],
    }
    # A file name may hold bytes that are no text; escaped they survive, as UTF-8 they could not be written.
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(song, indent=1) + "\n", encoding="utf-8", newline="\n")


def _row(note: DrumNote) -> dict[str, float | int | str]:
    return {
        "onset_s": round(note.onset_s, ONSET_DECIMALS),
        "note": note.note,
        "name": note.name,
        "velocity": note.velocity,
        "confidence": round(note.confidence, CONFIDENCE_DECIMALS),
    }
