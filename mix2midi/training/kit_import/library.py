"""Writing kits into a library: samples trimmed and converted, a manifest of what each is and where it comes from."""

from __future__ import annotations

import csv
import math
import re
import secrets
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio.blocks import mix_down
from mix2midi.drums import PIECES_BY_KEY, TOMS
from mix2midi.errors import AudioError, OptionError, OutputError
from mix2midi.files import atomic_write
from mix2midi.training.kit_import.names import ANY_TOM
from mix2midi.training.kit_import.source import Recording, SourceKit, SourceSample
from mix2midi.training.kits import MANIFEST_COLUMNS, RATE_HZ, attack_sample, read_manifest
from mix2midi.training.sample_features import pitch_hz
from mix2midi.units import decibels_to_gain, gain_to_decibels, seconds_to_samples

#: Latest attack in a library: what a listener or a network would take for sample 0.
MAX_ONSET_S = 0.0002
_LEAD_IN_SAMPLES = 4  # kept before the attack; less than MAX_ONSET_S
_LOUDEST_PEAK = 0.9
#: A sample with a lower peak is silent.
SILENT_DB = -60.0
_TAIL_BELOW_PEAK_DB = 66.0
_MAX_DURATION_S = 5.0
_FADE_S = 0.02
_COMPARED_SAMPLES = RATE_HZ
_SAME_SAMPLE = 0.995  # correlation
_SHOWN = 8  # of what is left out


@dataclass(frozen=True)
class ImportedKit:
    """What became of a kit.

    Attributes
    ----------
    name : str
    notes : mapping of int to int
        Number of samples by General MIDI note.
    unnamed : sequence of str
        Samples or instruments that were left out because nothing tells their drum.
    left_out : sequence of str
        Samples that were left out for another reason, which stands beside them.
    repeated : int
        Number of samples that the source has given before, at another level or, unless kits are whole, in another of
        its kits.
    """

    name: str
    notes: dict[int, int]
    unnamed: Sequence[str] = ()
    left_out: Sequence[str] = ()
    repeated: int = 0

    def remarks(self) -> dict[str, str]:
        """What was left out, by the reason; long lists are cut."""
        found = {"no drum in the name, sort with mix2midi kits cluster:": self.unnamed, "left out:": self.left_out}
        return {reason: _shortened(entries) for reason, entries in found.items() if entries}


def _shortened(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return "; ".join(entries[:_SHOWN]) + more


class _Known:
    """Samples that a source has given so far.

    Soundfonts play one sample at several velocities and share samples between their presets; once is enough.
    """

    def __init__(self) -> None:
        self._heads: dict[int, list[NDArray[np.float32]]] = defaultdict(list)

    def is_new(self, note: int, audio: NDArray[np.float32]) -> bool:
        """Whether no sample of this note that came before is the same at some level; it is known from now on."""
        head = np.zeros(_COMPARED_SAMPLES, dtype=np.float32)
        head[: len(audio)] = audio[:_COMPARED_SAMPLES]
        head /= np.linalg.norm(head)
        if any(float(head @ other) > _SAME_SAMPLE for other in self._heads[note]):
            return False
        self._heads[note].append(head)
        return True


@dataclass
class _Hit:
    sample: SourceSample
    audio: NDArray[np.float32] = field(repr=False)


def extend_library(
    library: Path,
    kits: Sequence[SourceKit],
    licence: str | None = None,
    on_kit: Callable[[ImportedKit], None] = lambda kit: None,
    whole: bool = False,
) -> list[ImportedKit]:
    """Write kits into a library, which is made if need be; what it holds already stays as it is.

    Each kit is complete before it gets its place, and the manifest names it last: a run that is broken off leaves the
    kits that were finished and no half ones.

    Parameters
    ----------
    library : Path
    kits : sequence of SourceKit
        Those without a single drum are told of and left out.
    licence : str, optional
        Of kits whose source states none; without it, each source must.
    on_kit : callable
        Told of each kit once it is in the library.
    whole : bool
        Kits keep what they share with other kits of their source, so that each can be played alone.

    Raises
    ------
    OptionError
        A kit has no licence, or the name of something that is in the library; or no kit has a drum, or a sample to use.
    OutputError
        The library cannot be written.
    """
    rows: list[dict[str, Any]] = list(read_manifest(library)) if (library / "manifest.csv").is_file() else []
    licensed = [replace(kit, name=_folder_name(kit.name), licence=kit.licence or licence or "") for kit in kits]
    _check(library, licensed, {row["kit"] for row in rows})
    imported = []
    known: dict[str, _Known] = defaultdict(_Known)
    try:
        library.mkdir(parents=True, exist_ok=True)
        for kit in licensed:
            report = ImportedKit(kit.name, {}, kit.unnamed)
            if kit.samples:
                report, own_rows = _import_kit(library, kit, known[kit.name if whole else kit.title])
                if own_rows:
                    rows += own_rows
                    _write_manifest(library, rows)
            imported.append(report)
            on_kit(report)
    except OSError as error:
        raise OutputError(f"{library}: cannot be written ({error.strerror or error}); write elsewhere") from error
    if not any(report.notes for report in imported):
        titles, reasons = ", ".join(kit.title for kit in kits), "; ".join(chain(*(kit.left_out for kit in imported)))
        raise OptionError(f"{titles}: no sample can be used: {reasons or 'all repeat others'}")
    return imported


def _folder_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_.").lower() or "kit"


def _check(library: Path, kits: Sequence[SourceKit], taken: set[str]) -> None:
    for kit in kits:
        if not kit.samples:
            continue
        if not kit.licence:
            raise OptionError(f"{kit.title}: the source states no licence; look it up and give it with --licence")
        if kit.name in taken:
            raise OptionError(f"{library}: has a kit {kit.name!r} already; give another name with --kit")
        if (library / kit.name).exists():  # somebody's own files, perhaps those that are imported
            raise OptionError(f"{library / kit.name}: is there and is no kit of this library; write elsewhere with -o")
        taken = taken | {kit.name}
    if not any(kit.samples for kit in kits):
        titles = ", ".join(kit.title for kit in kits)
        raise OptionError(f"{titles}: no drum is told by the names; sort the samples with mix2midi kits cluster")


def _import_kit(library: Path, kit: SourceKit, known: _Known) -> tuple[ImportedKit, list[dict[str, Any]]]:
    hits, left_out = _read_hits(kit)
    read = len(hits)
    hits = [hit for hit in hits if known.is_new(hit.sample.note, hit.audio)]
    repeated = read - len(hits)
    if not hits:
        return ImportedKit(kit.name, {}, kit.unnamed, left_out, repeated), []
    hits = _with_toms(hits)
    rows = _write_kit(library, kit, hits, left_out)
    notes: dict[int, int] = defaultdict(int)
    for row in rows:
        notes[int(row["gm_note"])] += 1
    return ImportedKit(kit.name, dict(sorted(notes.items())), kit.unnamed, left_out, repeated), rows


def _write_kit(library: Path, kit: SourceKit, hits: Sequence[_Hit], left_out: list[str]) -> list[dict[str, Any]]:
    """Write the samples at the levels they have among themselves; those that fail go to `left_out`."""
    gain = np.float32(_LOUDEST_PEAK / max(float(np.abs(hit.audio).max()) for hit in hits))
    layers: dict[tuple[str, int], int] = defaultdict(int)
    for hit in hits:
        layers[hit.sample.instrument, hit.sample.note] += 1
    partial = library / f".{kit.name}-{secrets.token_hex(4)}"
    partial.mkdir()
    try:
        rows = []
        for number, hit in enumerate(hits, 1):
            name = f"{number:03d}.flac"
            try:
                _write_checked(partial / name, hit.audio * gain)
            except AudioError as error:
                left_out.append(f"{hit.sample.instrument}: {error}")
                continue
            rows.append(_row(kit, f"{kit.name}/{name}", hit, gain, layers[hit.sample.instrument, hit.sample.note]))
        partial.rename(library / kit.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rows


def _read_hits(kit: SourceKit) -> tuple[list[_Hit], list[str]]:
    hits, left_out = [], []
    # The loudest layer first: of a sample at several levels it is the one to keep.
    for sample in sorted(kit.samples, key=lambda sample: (sample.note, sample.instrument, -sample.velocity)):
        try:
            audio = trim_hit(sample.read())
        except AudioError as error:
            left_out.append(f"{sample.instrument} (note {sample.note}, velocity {sample.velocity}): {error}")
            continue
        if gain_to_decibels(np.abs(audio).max(initial=0.0)) < SILENT_DB:
            left_out.append(f"{sample.instrument} (note {sample.note}, velocity {sample.velocity}): silent")
            continue
        hits.append(_Hit(sample, audio))
    return hits, left_out


def trim_hit(recording: Recording) -> NDArray[np.float32]:
    """One hit as libraries hold it: mono at `kits.RATE_HZ`, attack at the start, cut where it has died away.

    Raises
    ------
    AudioError
        The recording holds values that are not finite.
    """
    import soxr

    audio, rate_hz = recording
    if not np.isfinite(audio).all():
        raise AudioError("values that are not finite")
    channels = np.asarray(np.atleast_2d(audio.T), dtype=np.float32)
    mono = np.concatenate([np.zeros((1, 0), np.float32), *mix_down(iter([channels]), rate_hz)], axis=1)[0]
    if rate_hz != RATE_HZ and len(mono):
        mono = soxr.resample(mono, rate_hz, RATE_HZ)
    if not mono.any():
        return mono[:0]
    mono = mono[attack_sample(mono, _LEAD_IN_SAMPLES) :]
    sounding = np.flatnonzero(np.abs(mono) > np.abs(mono).max() * decibels_to_gain(-_TAIL_BELOW_PEAK_DB))
    mono = mono[: min(int(sounding[-1]) + 1, seconds_to_samples(_MAX_DURATION_S, RATE_HZ))].copy()
    fade = min(len(mono) // 2, seconds_to_samples(_FADE_S, RATE_HZ))
    mono[len(mono) - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return mono


def _with_toms(hits: list[_Hit]) -> list[_Hit]:
    """Toms without a size get one by their pitch: the highest is the high tom, the lowest the low one."""
    loudest: dict[str, _Hit] = {}
    for hit in hits:
        name = hit.sample.instrument
        if hit.sample.note == ANY_TOM and (name not in loudest or hit.sample.velocity > loudest[name].sample.velocity):
            loudest[name] = hit
    falling = sorted(loudest, key=lambda name: -pitch_hz(loudest[name].audio))
    notes = dict(zip(falling, tom_notes(len(falling)), strict=True))
    return [
        replace(hit, sample=replace(hit.sample, note=notes[hit.sample.instrument]))
        if hit.sample.note == ANY_TOM
        else hit
        for hit in hits
    ]


def tom_notes(count: int) -> list[int]:
    """Notes of that many toms from the highest to the lowest; one alone is a mid tom, two are high and low."""
    if count == 1:
        return [PIECES_BY_KEY["mid_tom"].note]
    places = np.linspace(0, len(TOMS) - 1, count)
    return [PIECES_BY_KEY[TOMS[math.floor(place + 0.5)]].note for place in places]


def _write_checked(path: Path, audio: NDArray[np.float32]) -> None:
    """Write a sample and look at what has been written: rounding may have moved the attack of a quiet one."""
    import soundfile

    try:
        soundfile.write(path, audio, RATE_HZ, subtype="PCM_16")
    except soundfile.LibsndfileError as error:  # it does not say why
        raise OutputError(f"{path}: cannot be written ({error}); free some space or write elsewhere") from error
    written, _ = soundfile.read(path, dtype="float32")
    late_s = attack_sample(written, lead_in_samples=0) / RATE_HZ
    if late_s > MAX_ONSET_S:
        path.unlink()
        raise AudioError(f"its attack comes {late_s * 1000:.2f} ms after its start")


def _row(kit: SourceKit, file: str, hit: _Hit, gain: np.float32, layers: int) -> dict[str, Any]:
    peak_db = float(gain_to_decibels(float(np.abs(hit.audio).max() * gain)))
    values = (
        kit.name,
        file,
        hit.sample.note,
        hit.sample.velocity,
        layers,
        round(peak_db, 1),
        round(len(hit.audio) / RATE_HZ, 3),
        f"{kit.title}:{hit.sample.instrument}",
        kit.licence,
    )
    return dict(zip(MANIFEST_COLUMNS, values, strict=True))


def _write_manifest(library: Path, rows: Sequence[dict[str, Any]]) -> None:
    with atomic_write(library / "manifest.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
