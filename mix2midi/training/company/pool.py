"""A folder of clips with an index, rendered ahead of training.

Each clip is one `.npy` of int16, mono, 44.1 kHz, so that a slice can be read through a memory map without decoding.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import count, islice
from pathlib import Path

import numpy as np

from mix2midi.errors import OptionError, OutputError
from mix2midi.files import atomic_write
from mix2midi.training.company.clips import KINDS, render_clip
from mix2midi.training.company.production import Audio
from mix2midi.training.company.recipe import Recipe, read_recipe
from mix2midi.training.flags import longest_run
from mix2midi.training.kits import RATE_HZ
from mix2midi.training.slices import to_16_bits
from mix2midi.units import SECONDS_PER_MINUTE, decibels_to_gain

INDEX_NAME = "index.csv"
MAX_SILENCE_S = 3.0
_SILENT = float(decibels_to_gain(-60.0))
_TRIES = 4


@dataclass(frozen=True)
class Entry:
    """One line of the index.

    `tempo_bpm` is 0 where it is unknown. `sources` are names of the recipe, with the file's name for recordings, and
    `licences` theirs, both joined by "; "; training needs neither, and an index may lack them.
    """

    file: str
    kind: str
    duration_s: float
    tempo_bpm: float
    sources: str
    licences: str


def read_index(pool_dir: Path) -> list[Entry]:
    """The clips of a pool; an empty list where there is no index yet. Raises `OptionError` for another's index."""
    path = pool_dir / INDEX_NAME
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as opened:
            return [
                Entry(
                    row["file"],
                    row["kind"],
                    float(row["duration_s"]),
                    float(row["tempo_bpm"] or 0.0),
                    row.get("sources") or "",
                    row.get("licences") or "",
                )
                for row in csv.DictReader(opened)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise OptionError(f"{path}: is not the index of a pool ({error!r}); choose or render another one") from error


def write_index(pool_dir: Path, entries: Sequence[Entry]) -> None:
    """Replace the index at once, so that a reader never sees half of it."""
    with atomic_write(pool_dir / INDEX_NAME) as partial, partial.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, [column.name for column in fields(Entry)])
        writer.writeheader()
        writer.writerows(asdict(entry) for entry in entries)


def faults_of(audio: Audio) -> list[str]:
    """What makes a clip unfit: not finite, clipped, silent for over 3 s."""
    if not np.isfinite(audio).all():
        return ["not finite"]
    faults = ["clipped"] if np.mean(np.abs(audio) > 0.995) > 1e-5 else []
    hop = RATE_HZ // 10
    n_hops = len(audio) // hop
    peaks = np.abs(audio[: n_hops * hop]).reshape(n_hops, hop).max(axis=1)
    first, stop = longest_run(peaks < _SILENT)
    if (stop - first) * 0.1 > MAX_SILENCE_S:
        faults.append("silent for over 3 s")
    return faults


def _kind_of(recipe: Recipe, rng: np.random.Generator) -> str:
    kinds = sorted(kind for kind, weight in recipe.kinds.items() if weight > 0)
    weights = np.array([recipe.kinds[kind] for kind in kinds])
    return str(rng.choice(kinds, p=weights / weights.sum()))


def _render_one(recipe: Recipe, out_dir: Path, seed: int, number: int) -> Entry | None:
    """Render, check and write clip `number`; a faulty one is drawn again, and given up after four tries."""
    kind = _kind_of(recipe, np.random.default_rng([seed, number]))
    for attempt in range(_TRIES):
        clip = render_clip(recipe, kind, np.random.default_rng([seed, number, attempt]))
        if not faults_of(clip.audio):
            break
    else:
        return None
    name = f"{seed:04d}-{number:05d}-{kind}.npy"
    with atomic_write(out_dir / name) as partial:
        np.save(partial, to_16_bits(clip.audio))
    licence_of = {source.name: source.licence for source in recipe.sources}
    licences = sorted({licence_of[source.split("/")[0]] for source in clip.sources})
    duration_s = round(len(clip.audio) / RATE_HZ, 3)
    return Entry(name, clip.kind, duration_s, clip.tempo_bpm, "; ".join(clip.sources), "; ".join(licences))


def _entries(recipe: Recipe, out_dir: Path, seed: int, numbers: Iterator[int], workers: int) -> Iterator[Entry | None]:
    if workers <= 1:
        for number in numbers:
            yield _render_one(recipe, out_dir, seed, number)
        return
    with ProcessPoolExecutor(workers) as executor:
        while batch := list(islice(numbers, 4 * workers)):
            yield from executor.map(partial(_render_one, recipe, out_dir, seed), batch)


def render_company(
    recipe_path: Path,
    out_dir: Path,
    seed: int = 0,
    minutes: float | None = None,
    workers: int = 1,
    *,
    folders: Sequence[Path] = (),
) -> list[Entry]:
    """Fill a pool until it holds `minutes` of audio.

    A pool that exists is continued: clips in its index are kept, and each clip depends only on the recipe, the seed
    and its number, so that a run that was killed goes on as if it had not been.

    Parameters
    ----------
    recipe_path : Path
        See `recipe.read_recipe`.
    out_dir : Path
        Made if missing.
    seed : int
        Another one makes other clips.
    minutes : float, optional
        In all, over all seeds; the recipe's where None.
    workers : int
        Processes; the result does not depend on it, except that the last batch may overshoot.
    folders : sequence of Path
        Where the recipe's relative patterns are looked for.

    Returns
    -------
    entries : list of Entry
        The whole index.

    Raises
    ------
    OptionError
        For a recipe that cannot be used.
    OutputError
        If the folder cannot be written.
    """
    recipe = read_recipe(recipe_path, folders)
    unknown = set(recipe.kinds) - set(KINDS)
    if unknown:
        raise OptionError(f"{recipe_path}: kinds {sorted(unknown)} are not known; use {', '.join(KINDS)}")
    wanted_s = SECONDS_PER_MINUTE * (recipe.minutes if minutes is None else minutes)
    if not 0.0 < wanted_s < math.inf:
        raise OptionError(f"a pool of {wanted_s / SECONDS_PER_MINUTE:g} minutes cannot be made; give a number above 0")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        return _fill(recipe, out_dir, seed, wanted_s, workers)
    except OSError as error:
        raise OutputError(f"{out_dir}: cannot write the pool ({error}); choose another folder") from error


def _fill(recipe: Recipe, out_dir: Path, seed: int, wanted_s: float, workers: int) -> list[Entry]:
    taken = [int(entry.file.split("-")[1]) for entry in read_index(out_dir) if entry.file.startswith(f"{seed:04d}-")]
    made = _entries(recipe, out_dir, seed, count(max(taken, default=-1) + 1), workers)
    while True:
        # Read again each time: a filter may have taken clips out of the index meanwhile.
        entries = read_index(out_dir)
        if sum(entry.duration_s for entry in entries) >= wanted_s:
            return entries
        entry = next(made)
        if entry is not None:
            write_index(out_dir, [*read_index(out_dir), entry])
