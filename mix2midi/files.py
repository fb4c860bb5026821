"""Writing results so that nobody ever finds half a file."""

from __future__ import annotations

import errno
import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mix2midi.errors import OutputError

#: Stands in every file that can hold it, so that the program knows its own.
PROGRAM = "Made with mix2midi"
_LONGEST_NAME = 255


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and move it into place once it is complete.

    The temporary name keeps the suffix of `path`, because some libraries read the format from it. When the body raises,
    also on Ctrl-C, the temporary file goes and what stood at `path` before stays.

    Parameters
    ----------
    path : Path or str
        Where the result shall be. A link is followed: the file that it points to is replaced.

    Yields
    ------
    Path
        A file that exists, is empty, and lies on the same file system as `path`.

    Raises
    ------
    OutputError
        The folder is missing or read-only, the target is no plain file or read-only, its name is too long, or the disk
        is full.
    """
    target = Path(path)
    final = Path(os.path.realpath(target))
    temporary = final.with_name(f".mix2midi-{secrets.token_hex(6)}{final.suffix}")
    try:
        check_target(target)
        # Opened with the usual mode, unlike tempfile's 0600, so that the result has the permissions people expect.
        temporary.open("xb").close()
        try:
            yield temporary
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {_reason(error)}") from error


def check_target(path: Path | str) -> None:
    """Say in plain words what the system's own error would hide, or what replacing would silently destroy.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    target = Path(path)
    if _name_length(target.name) > _LONGEST_NAME:
        raise OutputError(f"{target}: the name is too long for a file; name another")
    final = Path(os.path.realpath(target))
    # The functions of os.path, unlike Path's, bear folders whose names are too long.
    folder = final.parent if os.path.islink(target) else target.parent
    if os.path.isdir(final):
        raise OutputError(f"{target}: is a folder; name a file to write to")
    if not os.path.isdir(folder):
        raise OutputError(f"{target}: there is no folder {folder}; make it first or write elsewhere")
    if final.exists() and not final.is_file():
        raise OutputError(f"{target}: is a device or pipe, not a file; name a file to write to")
    if final.exists() and not os.access(final, os.W_OK):
        raise OutputError(f"{target}: is read-only; allow writing to it or name another file")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{target}: cannot be written, the folder {folder} is read-only; write elsewhere")


def _name_length(name: str) -> int:
    """In what file systems count: units of UTF-16 on Windows, bytes elsewhere."""
    return len(name.encode("utf-16-le", "surrogatepass")) // 2 if os.name == "nt" else len(os.fsencode(name))


def sameness(name: Path | str) -> str:
    """Alike for names that one of the systems takes for the same: capitals, and accents apart from their letters."""
    return unicodedata.normalize("NFC", str(name)).casefold()


def _reason(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, PermissionError):
        # Windows denies it too while a spreadsheet or a player has the file open.
        return f"{reason}; close the program that has it open, or write to a folder of your own"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{reason}; free some space or write elsewhere"
    return f"{reason}; write elsewhere"
