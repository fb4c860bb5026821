"""The library of one-shots: which instruments there are, and their samples at hand.

A library is a folder of kits with a `manifest.csv` (kit, file, gm_note, layer_velocity, n_layers, peak_db,
duration_s, source, licence). An *instrument* is one physical or electronic drum: all velocity layers of one source
in one kit.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import piece_of_note
from mix2midi.errors import AudioError, OptionError
from mix2midi.units import decibels_to_gain

if TYPE_CHECKING:
    from mix2midi.training.recipe import DataRecipe

RATE_HZ = 44100
#: Columns of a library's manifest.
MANIFEST_COLUMNS = (
    "kit",
    "file",
    "gm_note",
    "layer_velocity",
    "n_layers",
    "peak_db",
    "duration_s",
    "source",
    "licence",
)
#: The attack is where the sample first comes within this of its peak; what lies before is trimmed off.
ATTACK_BELOW_PEAK_DB = 26.0
_LEAD_IN_SAMPLES = 8


@dataclass(frozen=True)
class Layer:
    """One sample of an instrument, recorded at about this velocity; peak is 1.0, the attack at sample 0."""

    velocity: int
    audio: NDArray[np.float32]


@dataclass(frozen=True)
class Instrument:
    """One drum of one kit, with its velocity layers from soft to loud."""

    kit: str
    piece: str
    source: str
    files: tuple[Path, ...]
    velocities: tuple[int, ...]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Samples, read when first used and kept. Raises `AudioError` for one that cannot be read."""
        return tuple(
            Layer(velocity, _read_one_shot(file)) for file, velocity in zip(self.files, self.velocities, strict=True)
        )


class KitLibrary:
    """All instruments of a library, by piece and by kit.

    Parameters
    ----------
    folder : Path
        Holds `manifest.csv`.
    left_out : iterable of str
        Kits that must not be heard in training.
    only : iterable of str, optional
        Kits to use; all by default.

    Raises
    ------
    OptionError
        No manifest, or no instrument left.
    """

    def __init__(self, folder: Path, left_out: Iterable[str] = (), only: Iterable[str] | None = None) -> None:
        excluded, wanted = set(left_out), None if only is None else set(only)
        rows = [
            row
            for row in read_manifest(folder)
            if row["kit"] not in excluded and (wanted is None or row["kit"] in wanted)
        ]
        self._hold(_group_instruments(folder, rows))
        if not self.instruments:
            raise OptionError(f"{folder}: no drum left in this kit library; check the names of the kits")

    def _hold(self, instruments: list[Instrument]) -> None:
        self.instruments = instruments
        self.by_piece: dict[str, list[Instrument]] = {}
        self.by_kit: dict[str, dict[str, list[Instrument]]] = {}
        for instrument in instruments:
            self.by_piece.setdefault(instrument.piece, []).append(instrument)
            self.by_kit.setdefault(instrument.kit, {}).setdefault(instrument.piece, []).append(instrument)

    def alone(self, kit: str) -> KitLibrary:
        """One of its kits as a library; samples that were read are shared.

        Raises
        ------
        OptionError
            There is no such kit.
        """
        if kit not in self.by_kit:
            raise OptionError(f"no kit {kit!r} to learn from; there are {', '.join(self.by_kit)}")
        library = copy(self)
        library._hold([instrument for instrument in self.instruments if instrument.kit == kit])
        return library


def kits_to_learn_from(data_folder: Path, data: DataRecipe) -> KitLibrary:
    """A recipe's kits without those that are left out or unused. Raises `OptionError` for one that is not there."""
    _check_known(data_folder, data)
    return KitLibrary(data_folder / data.kits, left_out=(*data.left_out_kits, *data.unused_kits))


def kits_to_judge_by(data_folder: Path, data: DataRecipe) -> KitLibrary:
    """The kits that a recipe leaves out, or all but the unused where it leaves none out; errors as the above has."""
    _check_known(data_folder, data)
    return KitLibrary(data_folder / data.kits, data.unused_kits, only=data.left_out_kits or None)


def _check_known(data_folder: Path, data: DataRecipe) -> None:
    """A kit to judge by whose name is misspelt would be learnt from."""
    folder = data_folder / data.kits
    unknown = sorted({*data.left_out_kits, *data.unused_kits} - {row["kit"] for row in read_manifest(folder)})
    if unknown:
        raise OptionError(
            f"{folder}: no kit {unknown[0]!r}, which the recipe names in left_out_kits or unused_kits; correct it there"
        )


def read_manifest(folder: Path) -> list[dict[str, str]]:
    """Rows of a library's manifest, by `MANIFEST_COLUMNS`.

    Raises
    ------
    OptionError
        There is no manifest, it is not in UTF-8, lacks a column, or a row is cut off.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise OptionError(f"{manifest}: no such file; a kit library has a manifest.csv")
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(
            f"{manifest}: not text in UTF-8 ({error.reason} at byte {error.start}); save it so"
        ) from error
    with io.StringIO(text, newline="") as file:
        table = csv.DictReader(file)
        missing = [column for column in MANIFEST_COLUMNS if column not in (table.fieldnames or ())]
        if missing:
            raise OptionError(f"{manifest}: no column {missing[0]!r}; a kit library's manifest has it")
        rows = []
        for row in table:
            if None in row or None in row.values():
                raise OptionError(f"{manifest}: line {table.line_num} has not as many fields as the first; correct it")
            rows.append(row)
        return rows


def _group_instruments(folder: Path, rows: list[dict[str, str]]) -> list[Instrument]:
    groups: dict[tuple[str, str, str], list[tuple[int, Path]]] = defaultdict(list)
    for row in rows:
        if not (row["gm_note"].isdecimal() and row["layer_velocity"].isdecimal()):
            raise OptionError(f"{folder}: {row['file']}: note or velocity is no number; see `mix2midi kits check`")
        piece = piece_of_note(int(row["gm_note"]))
        if piece is not None:
            key = (row["kit"], piece.key, f"{row['source']}#{row['gm_note']}")
            groups[key].append((int(row["layer_velocity"]), folder / row["file"]))
    return [
        Instrument(kit, piece, source, tuple(f for _, f in sorted(layers)), tuple(v for v, _ in sorted(layers)))
        for (kit, piece, source), layers in sorted(groups.items())
    ]


def _read_one_shot(file: Path) -> NDArray[np.float32]:
    """A sample at `RATE_HZ` with its attack at the start and a peak of 1.0."""
    import soundfile
    import soxr

    try:
        audio, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{file}: cannot be read as audio ({error}); see `mix2midi kits check`") from error
    mono = audio.mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = soxr.resample(mono, rate_hz, RATE_HZ)
    mono = mono / max(float(np.abs(mono).max()), 1e-9)
    trimmed = mono[attack_sample(mono) :]
    fade = min(len(trimmed), 441)
    trimmed[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return trimmed / max(float(np.abs(trimmed).max()), 1e-9)


def attack_sample(audio: NDArray[np.float32], lead_in_samples: int = _LEAD_IN_SAMPLES) -> int:
    """Sample at which a one-shot begins to sound, a hair before it so that no click is cut in.

    Parameters
    ----------
    audio : ndarray [shape=(samples,)]
        One hit, at any level.
    lead_in_samples : int
        The hair; 0 for the attack itself.
    """
    magnitude = np.abs(audio)
    loud = magnitude >= magnitude.max() * float(decibels_to_gain(-ATTACK_BELOW_PEAK_DB))
    return max(0, int(loud.argmax()) - lead_in_samples)
