"""What the pages of an Ogg file tell that libsndfile does not.

A page is a header of 27 bytes, as many lengths as the last of them says, and what these add up to (RFC 3533).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"OggS"
_HEADER_BYTES, _FLAGS_AT, _BEGINS = 27, 5, 0x02


def is_chained_ogg(path: Path) -> bool:
    """Whether one stream follows another, as in a recorded radio programme; False for what is no Ogg file."""
    begun = False
    for begins, _ in _pages(path):
        if begins and begun:
            return True
        begun |= not begins  # streams of one file that run side by side all begin before the first goes on
    return False


def is_cut_off_ogg(path: Path) -> bool:
    """Whether the file ends within a page, as a download that was broken off; False for what is no Ogg file."""
    ends = [end for _, end in _pages(path)]
    return bool(ends) and ends[-1] > path.stat().st_size


def _pages(path: Path) -> Iterator[tuple[bool, int]]:
    """Whether a stream begins with it, and where it ends in the file, of each page; its content is passed over."""
    with path.open("rb") as file:
        while (header := file.read(_HEADER_BYTES)).startswith(_MAGIC):
            # One that is itself cut off promises more than there is.
            header = header.ljust(_HEADER_BYTES - 1, b"\0").ljust(_HEADER_BYTES, b"\xff")
            end = file.tell() + header[-1] + sum(file.read(header[-1]))
            yield bool(header[_FLAGS_AT] & _BEGINS), end
            file.seek(end)
