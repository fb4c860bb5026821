"""What every kind of source is read into, before a sample is touched."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.errors import AudioError
from mix2midi.files import sameness

#: Velocity of a drum that was recorded once: whoever does so hits it well.
ONLY_VELOCITY = 110
#: Samples of one hit, mono or [samples, channels], and their rate.
Recording = tuple[NDArray[np.float32], int]


@dataclass(frozen=True)
class SourceSample:
    """One sample of one drum.

    Attributes
    ----------
    instrument : str
        Samples of one drum share it: they are its velocity layers.
    note : int
        General MIDI note, or `names.ANY_TOM`.
    velocity : int
        1 to 127, the middle of the layer's range.
    read : callable
        Returns the recording; raises `AudioError` where there is none.
    """

    instrument: str
    note: int
    velocity: int
    read: Callable[[], Recording]


@dataclass(frozen=True)
class SourceKit:
    """One kit to be imported.

    Attributes
    ----------
    name : str
        Of its folder in the library.
    title : str
        What the manifest calls the source.
    licence : str or None
        Where the source states one.
    samples : sequence of SourceSample
    unnamed : sequence of str
        Samples or instruments whose drum is not known.
    """

    name: str
    title: str
    licence: str | None
    samples: Sequence[SourceSample]
    unnamed: Sequence[str] = field(default=())


def read_recording(file: Path | bytes, name: str) -> Recording:
    """Samples of an audio file, or of the bytes of one.

    Raises
    ------
    AudioError
        It is missing or no audio; the message begins with `name`.
    """
    import soundfile

    try:
        audio, rate_hz = soundfile.read(io.BytesIO(file) if isinstance(file, bytes) else file, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{name}: cannot be read as audio ({str(error).splitlines()[0]})") from error
    return audio, int(rate_hz)


def velocity_of_range(low: float, high: float) -> int:
    """Velocity that a layer stands for: the middle of its range, 1 to 127; `ONLY_VELOCITY` for all velocities."""
    if low <= 1 and high >= 127:
        return ONLY_VELOCITY
    return int(np.clip(round((low + high) / 2.0), 1, 127))


def find_sample(folder: Path, name: str) -> Path:
    """A file that a kit refers to, which may have been written on a system that does not tell A from a.

    Returns a path that does not exist where there is none.
    """
    path = folder
    for part in name.replace("\\", "/").split("/"):
        exact = path / part
        if not exact.exists() and path.is_dir():
            alike = [entry for entry in path.iterdir() if sameness(entry.name) == sameness(part)]
            exact = alike[0] if alike else exact
        path = exact
    return path
