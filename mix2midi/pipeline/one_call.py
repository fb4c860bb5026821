"""One song in one call: what `from mix2midi import convert, transcribe` gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from numpy.typing import ArrayLike

from mix2midi.audio import AudioArray
from mix2midi.notes import Transcription
from mix2midi.pipeline.converter import Converter
from mix2midi.pipeline.midi_options import MidiOptions
from mix2midi.separation.download import OnDownload

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ConverterSettings(TypedDict, total=False):
    """What `Converter` is made with, as keywords."""

    separator: str
    stem_only: bool
    device: str
    weights: Path | str | None
    model_dir: Path | str | None
    on_download: OnDownload | None


def convert(
    path: Path | str,
    midi_path: Path | str | None = None,
    *,
    midi: MidiOptions | None = None,
    **settings: Unpack[ConverterSettings],
) -> Transcription:
    """Transcribe the drums of a song.

    Parameters
    ----------
    path : Path or str
        Audio or video file.
    midi_path : Path or str, optional
        Where to write the drum part as MIDI; what is there is replaced. By default nothing is written.
    midi : MidiOptions, optional
        Musical time, velocities and layout of the MIDI file, such as
        ``MidiOptions(quantize="1/16", swing="auto", note_map="superior-drummer-3")``.
    **settings
        ``separator``, ``stem_only``, ``device``, ``weights``, ``model_dir`` and ``on_download``, as `Converter` takes
        them; that converts several songs without loading the models again.

    Returns
    -------
    Transcription

    Raises
    ------
    Mix2MidiError
        As `Converter.convert`.
    """
    return Converter(**settings).convert(path, midi_path, midi=midi).transcription


def transcribe(
    audio: ArrayLike,
    rate_hz: int,
    *,
    midi: MidiOptions | None = None,
    title: str = "",
    **settings: Unpack[ConverterSettings],
) -> Transcription:
    """Transcribe the drums of a song in memory.

    Parameters
    ----------
    audio : array of float [channels, samples] or [samples]
        Full scale 1.0; it is not changed.
    rate_hz : int
        Its sampling rate.
    midi, **settings
        See `convert`.
    title : str
        Name of the song.

    Returns
    -------
    Transcription

    Raises
    ------
    Mix2MidiError
        As `Converter.convert`.
    """
    return Converter(**settings).transcribe(AudioArray(audio, rate_hz, title or "array"), midi=midi, title=title)
