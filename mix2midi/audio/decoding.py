"""What both decoders know about a file before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mix2midi.errors import AudioError

#: Samples per channel that are decoded at a time.
CHUNK_LENGTH = 65536

#: A file that ends this much before its declared end was cut off; less is bookkeeping of encoders.
MAX_MISSING_S = 0.1


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Sampling rate, number of channels, and length where the file states one."""

    rate_hz: int
    channels: int
    duration_s: float | None


def truncated_error(path: Path) -> AudioError:
    """The error for a file that ends before the end its header promises."""
    return AudioError(f"{path}: is damaged or cut off before its end; copy, download or export it again")


def not_audio_error(path: Path) -> AudioError:
    """The error for a file that no decoder knows."""
    return AudioError(f"{path}: is not audio that can be read, or is damaged; convert it to wav, flac or mp3")
