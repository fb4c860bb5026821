"""The archive of the Groove MIDI Dataset, which performances and their exact beats are read from.

Gillick et al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019 (CC BY 4.0).
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mix2midi.errors import OptionError


@contextmanager
def open_groove_archive(archive: Path) -> Iterator[tuple[zipfile.ZipFile, list[dict[str, str]]]]:
    """The open archive and the rows of its `groove/info.csv`.

    Raises
    ------
    OptionError
        There is no such file, or it is damaged or another archive; also of what is read within the block.
    """
    if not archive.is_file():
        raise OptionError(f"{archive}: no such file; name the archive of the Groove MIDI Dataset")
    try:
        with zipfile.ZipFile(archive) as files:
            yield files, list(csv.DictReader(io.TextIOWrapper(files.open("groove/info.csv"), encoding="utf-8")))
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, csv.Error) as error:
        raise OptionError(f"{archive}: is no whole archive of the Groove MIDI Dataset; fetch it again") from error
