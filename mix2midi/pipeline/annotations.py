"""Annotations as text, one hit or beat a line: its time in seconds and its label.

Labels are those of MDB Drums (C. Southall, C.-W. Wu, A. Lerch, J. Hockman, "MDB Drums: an annotated subset of MedleyDB
for automatic drum transcription", ISMIR late-breaking, 2017), or notes of General MIDI, as the ADTOF data set has them
(M. Zehren, M. Alunno, P. Bientinesi, "ADTOF: a large dataset of non-synthetic music for automatic drum transcription",
ISMIR 2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.scores import Reference

#: Label of MDB's class.txt to a note of that class. OT (tambourine or side stick) is left out, as the field does.
CLASS_NOTES: dict[str, int | None] = {"KD": 36, "SD": 38, "TT": 45, "HH": 42, "CY": 49, "OT": None}
#: Label of MDB's subclass.txt to its General MIDI note. A side stick, OT in class.txt, is a snare as it is elsewhere.
SUBCLASS_NOTES: dict[str, int | None] = {
    "KD": 36,
    "SD": 38,  # head
    "SDB": 38,  # brush
    "SDD": 38,  # drag
    "SDF": 38,  # flam
    "SDG": 38,  # ghost note
    "SDNS": 38,  # wires off
    "CHH": 42,
    "OHH": 46,
    "PHH": 44,
    "HIT": 50,
    "MHT": 48,
    "HFT": 43,
    "LFT": 41,
    "RDC": 51,
    "RDB": 53,
    "CRC": 49,
    "CHC": 52,
    "SPC": 55,
    "SST": 37,
    "TMB": None,
}
#: Notes of General MIDI, and those by which ADTOF names its five classes.
_MIDI_NOTES: dict[str, int | None] = {str(note): note for note in range(128)}
_ADTOF_NOTES = {"35", "38", "42", "47", "49"}
_VELOCITY = 100  # of hits that are annotated without one


def read_classes(path: Path) -> Reference:
    """MDB's class.txt. Raises `OptionError` where it is none."""
    return _reference(path, read_labels(path), CLASS_NOTES, knows_pieces=False)


def read_subclasses(path: Path) -> Reference:
    """MDB's subclass.txt. Raises `OptionError` where it is none."""
    return _reference(path, read_labels(path), SUBCLASS_NOTES, knows_pieces=True)


def read_annotation(path: Path) -> Reference:
    """Labels of one kind, which the labels themselves tell: MDB's classes, MDB's subclasses, or notes of General MIDI.

    Raises
    ------
    OptionError
        The file is unreadable, or its labels are of no such kind.
    """
    hits = read_labels(path)
    used = {label for _, label in hits}
    if used <= set(CLASS_NOTES):
        return _reference(path, hits, CLASS_NOTES, knows_pieces=False)
    if used <= set(SUBCLASS_NOTES):
        return _reference(path, hits, SUBCLASS_NOTES, knows_pieces=True)
    if used <= set(_MIDI_NOTES):
        return _reference(path, hits, _MIDI_NOTES, knows_pieces=not used <= _ADTOF_NOTES)
    strange = sorted(used - set(CLASS_NOTES) - set(SUBCLASS_NOTES) - set(_MIDI_NOTES)) or sorted(used)
    raise OptionError(
        f"{path}: labels {', '.join(strange)} are of no one kind that is known; use those of class.txt or subclass.txt "
        "of MDB Drums, or notes of General MIDI"
    )


def read_labels(path: Path) -> list[tuple[float, str]]:
    """Times in seconds and labels, line by line; empty lines are left out.

    Raises
    ------
    OptionError
        The file is unreadable, or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # editors of Windows mark UTF-8 as such
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: not lines of a time in seconds and a label ({error}); correct it") from error
    return [_label(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _label(path: Path, number: int, line: str) -> tuple[float, str]:
    try:
        time_s, label = line.split()
        onset_s = float(time_s)
    except ValueError as error:
        raise OptionError(
            f"{path}: line {number} is not a time in seconds and a label ({error}); correct it"
        ) from error
    if not isfinite(onset_s):
        raise OptionError(f"{path}: {time_s} is no time in seconds; correct it")
    return onset_s, label


def _reference(
    path: Path, hits: Sequence[tuple[float, str]], notes: Mapping[str, int | None], *, knows_pieces: bool
) -> Reference:
    unknown = sorted({label for _, label in hits} - set(notes))
    if unknown:
        raise OptionError(f"{path}: unknown labels {', '.join(unknown)}; use those of MDB Drums ({', '.join(notes)})")
    known = [(max(time_s, 0.0), notes[label]) for time_s, label in hits]
    heard = sorted(DrumNote(time_s, note, _VELOCITY) for time_s, note in known if note is not None)
    return Reference(heard, knows_pieces=knows_pieces, knows_velocities=False)
