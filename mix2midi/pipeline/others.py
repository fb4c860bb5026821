"""Transcriptions that any program made, which are found by their names and scored as our own are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

from mix2midi.audio import AudioFile, walk_files
from mix2midi.errors import OptionError
from mix2midi.files import sameness
from mix2midi.notes import Beat, DrumNote, Transcription
from mix2midi.pipeline.references import MIDI_SUFFIXES, Song
from mix2midi.postprocess import read_midi_beats, read_midi_notes

_SHOWN = 3


def find_transcriptions(folder: Path, songs: Sequence[Song]) -> dict[Path, Path]:
    """The MIDI file of each song.

    ``NAME.mid`` belongs to the recording ``NAME.wav``, or to the recording in the folder NAME. Where several files have
    the name, that one counts which lies in folders of the same names as the recording.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders.
    songs : sequence of Song

    Returns
    -------
    dict of Path to Path
        By audio file.

    Raises
    ------
    AudioError
        The folder cannot be looked into.
    OptionError
        A song has no file, or several, or several songs have one.
    """
    if not folder.is_dir():
        raise OptionError(f"{folder}: no such folder; name one with a MIDI file for each song")
    by_name: dict[str, list[Path]] = {}
    for file in walk_files(folder):
        if file.suffix.lower() in MIDI_SUFFIXES:
            by_name.setdefault(sameness(file.stem), []).append(file)
    found = {song.audio: _of_song(song.audio, by_name) for song in songs}
    missing = [song.name for song in songs if found[song.audio] is None]
    if missing:
        others = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise OptionError(
            f"{folder}: no MIDI file for {', '.join(missing[:_SHOWN])}{others}; it is to be called as the audio or its "
            "folder is, and one in which nothing was heard is to be an empty one"
        )
    files = {audio: file for audio, file in found.items() if file is not None}
    songs_of_file = Counter(files.values())
    for audio, file in files.items():
        if songs_of_file[file] > 1:
            raise OptionError(f"{file}: would be the transcription of several songs, as of {audio}; keep their folders")
    return files


def read_transcription(midi: Path, audio: Path) -> Transcription:
    """What a MIDI file says of a recording; how sure its hits are it does not say.

    Raises
    ------
    AudioError
        The recording cannot be read.
    OptionError
        The MIDI file cannot.
    """
    notes = [DrumNote(*hit, confidence=nan) for hit in read_midi_notes(midi)]
    transcription = Transcription(notes, AudioFile(audio).duration_s, separator="not known")
    beats = read_midi_beats(midi)
    if beats is None:
        return transcription
    listed = zip(beats.times_s.tolist(), beats.position.tolist(), strict=True)
    counted = [Beat(time_s, position) for time_s, position in listed]
    return replace(transcription, beats=counted, tempo_bpm=beats.tempo_bpm, time_signature=str(beats.signature))


def _of_song(audio: Path, by_name: dict[str, list[Path]]) -> Path | None:
    absolute = audio.absolute()
    for name in (absolute.with_suffix(""), absolute.parent):
        files = by_name.get(sameness(name.name), [])
        if files:
            likeness = [_folders_in_common(name, file) for file in files]
            nearest = [file for file, alike in zip(files, likeness, strict=True) if alike == max(likeness)]
            if len(nearest) > 1:
                raise OptionError(f"{audio}: {nearest[0]} and {nearest[1]} may both be its transcription; keep one")
            return nearest[0]
    return None


def _folders_in_common(one: Path, other: Path) -> int:
    """How many of the folders that they lie in have the same name, from the innermost on."""
    alike = [a == b for a, b in zip(one.parts[-2::-1], other.absolute().parts[-2::-1], strict=False)]
    return alike.index(False) if False in alike else len(alike)
