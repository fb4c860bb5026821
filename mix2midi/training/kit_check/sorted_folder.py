"""A sorting as files: a folder for each drum, which `kits import` understands, a table and a picture."""

from __future__ import annotations

import csv
import secrets
import shutil
from pathlib import Path

from mix2midi.errors import OptionError, OutputError
from mix2midi.files import atomic_write
from mix2midi.training.kit_check.clusters import SortedSample, Sorting

#: Where outliers go; the name tells no drum, so that an import leaves them out.
LISTEN = "listen"


def write_sorting(sorting: Sorting, folder: Path) -> None:
    """Copy the samples into `folder`, one subfolder for each piece, with `clusters.csv` and `clusters.png`.

    Raises
    ------
    OptionError
        The folder is there already.
    OutputError
        It cannot be written.
    """
    if folder.exists():
        raise OptionError(f"{folder}: is there already; name a new folder")
    partial = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        for number, sample in enumerate(sorting.samples, 1):
            place = partial / (LISTEN if sample.is_outlier else sample.piece)
            place.mkdir(parents=True, exist_ok=True)
            # Not the file's own name, which may tell another drum; the table has it.
            shutil.copyfile(sample.path, place / f"{number:04d}{sample.path.suffix.lower()}")
        _write_table(sorting, partial / "clusters.csv")
        draw_sorting(sorting, partial / "clusters.png")
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error}); write elsewhere") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_table(sorting: Sorting, path: Path) -> None:
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "file", "family", "probability", "cluster", "piece", "outlier"])
        for number, s in enumerate(sorting.samples, 1):
            values = [s.family, f"{s.probability:.3f}", s.cluster, s.piece, int(s.is_outlier)]
            writer.writerow([f"{number:04d}", s.path, *values])


def draw_sorting(sorting: Sorting, path: Path) -> None:
    """Draw every sample as a point, coloured by piece, outliers as crosses with their names.

    Raises
    ------
    OutputError
        The picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.add_subplot()
    groups: dict[tuple[str, int, str], list[SortedSample]] = {}
    for sample in sorting.samples:
        groups.setdefault((sample.family, sample.cluster, sample.piece), []).append(sample)
    for index, ((family, cluster, piece), samples) in enumerate(sorted(groups.items())):
        x, y = zip(*(sample.position for sample in samples), strict=True)
        label = f"{family} {cluster}: {piece.replace('_', ' ')} ({len(samples)})"
        axes.scatter(x, y, s=18, color=f"C{index % 10}", marker="os^D"[index // 10 % 4], label=label)
    for sample in sorting.samples:
        if sample.is_outlier:
            axes.plot(*sample.position, "x", color="black", markersize=8)
            # A dollar sign would begin a formula.
            axes.annotate(sample.path.stem[:24].replace("$", r"\$"), sample.position, fontsize=6)
    axes.set(title="Samples by how they sound; crosses are to be listened to", xlabel="discriminant 1")
    axes.set_ylabel("discriminant 2")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
