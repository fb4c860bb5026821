"""What is wrong with a library: damaged samples, late onsets, no licence, and labels that the sound contradicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import piece_of_note
from mix2midi.errors import AudioError
from mix2midi.training.flags import longest_run
from mix2midi.training.kit_check.labelled import LabelledSounds, features_of_file, leave_kit_out
from mix2midi.training.kit_import.library import MAX_ONSET_S, SILENT_DB
from mix2midi.training.kit_import.source import read_recording
from mix2midi.training.kits import RATE_HZ, attack_sample, read_manifest
from mix2midi.units import gain_to_decibels

#: A label is doubted where the sound makes its family this unlikely.
_UNLIKELY = 0.02
_CLIPPED_RUN = 4  # samples in a row at full scale
_FULL_SCALE = 0.999


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    file : str
        As the manifest names it.
    problem : str
    is_certain : bool
        False for labels, which are to be listened to.
    """

    file: str
    problem: str
    is_certain: bool = True


def check_library(library: Path) -> list[Finding]:
    """Check every sample, and every label by the sounds of the other kits.

    Raises
    ------
    OptionError
        The folder is no kit library.
    """
    rows = read_manifest(library)
    findings = [finding for row in rows for finding in _check_row(library, row)]
    return findings + list(_doubtful_labels(library, rows))


def _check_row(library: Path, row: dict[str, str]) -> Iterator[Finding]:
    file = row["file"]
    if not row["licence"].strip():
        yield Finding(file, "no licence")
    if not row["gm_note"].isdecimal() or not row["layer_velocity"].isdecimal():
        yield Finding(file, "note or velocity is no number")
    try:
        audio, rate_hz = read_recording(library / file, file)
    except AudioError as error:
        yield Finding(file, str(error).removeprefix(f"{file}: "))
        return
    if audio.ndim > 1 or rate_hz != RATE_HZ:
        yield Finding(file, f"not mono at {RATE_HZ} Hz")
        return
    yield from (Finding(file, problem) for problem in _sound_problems(audio))


def _sound_problems(audio: NDArray[np.float32]) -> Iterator[str]:
    if gain_to_decibels(np.abs(audio).max(initial=0.0)) < SILENT_DB:
        yield "silent"
        return
    first, stop = longest_run(np.abs(audio) >= _FULL_SCALE)
    if stop - first >= _CLIPPED_RUN:
        yield "clipped"
    late_s = attack_sample(audio, lead_in_samples=0) / RATE_HZ
    if late_s > MAX_ONSET_S:
        yield f"onset {late_s * 1000:.2f} ms after the start"


def _doubtful_labels(library: Path, rows: list[dict[str, str]]) -> Iterator[Finding]:
    judged = []
    for row in rows:
        piece = piece_of_note(int(row["gm_note"])) if row["gm_note"].isdecimal() else None
        features = features_of_file(library / row["file"]) if piece is not None else None
        if piece is not None and features is not None:
            judged.append((row, piece.key, features))
    if len({row["kit"] for row, _, _ in judged}) < 2:
        return
    sounds = LabelledSounds(
        np.array([features for _, _, features in judged]),
        np.array([piece for _, piece, _ in judged]),
        np.array([row["kit"] for row, _, _ in judged]),
    )
    families, stated = leave_kit_out(sounds)
    for index in np.argsort(stated):
        if stated[index] < _UNLIKELY:
            row, piece, _ = judged[index]
            problem = f"is called {piece.replace('_', ' ')}, but sounds like {families[index]}"
            yield Finding(row["file"], problem, is_certain=False)
