"""Readers of MIDI files that others wrote, and what they find."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pretty_midi
import pytest
import symusic


def pretty_midi_onsets(path: Path) -> list[float]:
    return sorted(note.start for track in pretty_midi.PrettyMIDI(str(path)).instruments for note in track.notes)


def read_symusic(path: Path, unit: str = "tick") -> Any:
    return symusic.Score(str(path), ttype=unit)


def symusic_onsets(path: Path) -> list[float]:
    return sorted(note.start for track in read_symusic(path, "second").tracks for note in track.notes)


def midicsv_events(path: Path) -> list[list[str]]:
    if shutil.which("midicsv") is None:
        pytest.skip("midicsv is not installed (Debian's package midicsv)")
    run = subprocess.run(["midicsv", str(path)], capture_output=True, check=True)
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(run.stdout.decode("latin-1")))]


def midicsv_onsets(path: Path) -> list[float]:
    events = midicsv_events(path)
    ppq = next(int(row[5]) for row in events if row[2] == "Header")
    tempos = sorted((int(row[1]), int(row[3])) for row in events if row[2] == "Tempo")
    onsets_s = []
    for tick in (int(row[1]) for row in events if row[2] == "Note_on_c" and row[5] != "0"):
        ends = [start for start, _ in tempos[1:]] + [tick]
        spans = [(min(end, tick) - start, us) for (start, us), end in zip(tempos, ends, strict=True) if start < tick]
        onsets_s.append(sum(span * microseconds for span, microseconds in spans) / ppq / 1e6)
    return sorted(onsets_s)


def music21_onsets(path: Path) -> list[float]:
    music21 = pytest.importorskip("music21", reason="music21 is not installed")
    # Its own quantising, made for scores, would move the hits.
    score = music21.converter.parse(str(path), forceSource=True, quantizePost=False)
    found = []
    for entry in score.flatten().secondsMap:
        element = entry["element"]
        # It writes a short note that has no sign of its own as several, tied.
        tied = getattr(element, "tie", None)
        if isinstance(element, music21.note.NotRest) and (tied is None or tied.type == "start"):
            found.append(float(entry["offsetSeconds"]))
    return sorted(found)
