"""A song in, its drum part out as MIDI.

>>> from mix2midi import convert
>>> convert("song.mp3").notes                             # doctest: +SKIP
>>> convert("song.mp3", "song.mid")                       # doctest: +SKIP

Nothing heavy is imported before it is used, so that the command line answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mix2midi import errors
    from mix2midi.notes import DrumNote, Transcription
    from mix2midi.pipeline import Converter, MidiOptions, convert, transcribe

__version__ = "0.1.0"

__all__ = ["Converter", "DrumNote", "MidiOptions", "Transcription", "__version__", "convert", "errors", "transcribe"]

#: Where each public name lives; None where the name is a module of its own.
_HOMES = {
    "Converter": "mix2midi.pipeline",
    "DrumNote": "mix2midi.notes",
    "MidiOptions": "mix2midi.pipeline",
    "Transcription": "mix2midi.notes",
    "convert": "mix2midi.pipeline",
    "errors": None,
    "transcribe": "mix2midi.pipeline",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    value: object = import_module(f"{__name__}.{name}") if home is None else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
