"""Songs with known drum parts: where they lie in a folder, and which file says what is in them.

Understood are MIDI files and annotations as text, see `mix2midi.pipeline.annotations`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import find_audio, walk_files
from mix2midi.drums import piece_of_note
from mix2midi.errors import AudioError, OptionError
from mix2midi.files import sameness
from mix2midi.notes import DrumNote
from mix2midi.pipeline.annotations import read_annotation, read_classes, read_labels, read_subclasses
from mix2midi.pipeline.outputs import is_own_stem
from mix2midi.postprocess import Beats, TimeSignature, read_midi_beats, read_midi_notes
from mix2midi.scores import Reference

#: As data sets such as E-GMD write it, then as this program does: where both are, the second is a transcription.
MIDI_SUFFIXES = (".midi", ".mid")
#: How names of annotations end, and how each is read; the first that fits.
_ANNOTATIONS: dict[str, Callable[[Path], Reference]] = {
    "_reference.txt": read_annotation,
    "subclass.txt": read_subclasses,
    "class.txt": read_classes,
}
#: What the names of recordings in MDB Drums end with.
_MDB_ENDINGS = ("_Drum", "_MIX")
_STRANGE_SHARE = 0.05
_SHOWN_NOTES = 8
#: MDB Drums++ is a take of its own beside MDB's audio, and its MIDI belongs to it alone.
_PLUSPLUS = "plusplus"


@dataclass(frozen=True)
class Song:
    """A recording and the file that says which drums are in it."""

    name: str
    audio: Path
    reference: Path


def find_songs(paths: Sequence[Path | str], input_name: str | None = None) -> list[Song]:
    """Find recordings with references in folders and their subfolders.

    Parameters
    ----------
    paths : sequence of Path or str
        Folders, or single audio files.
    input_name : str, optional
        File name of the audio of each song where a folder holds several, such as ``"drums.flac"``; songs are then
        called by their folders. Without it, every audio file with a reference is a song, see `reference_of`.

    Returns
    -------
    list of Song
        In the order of `paths`, sorted within each. Those that would have one name are called by their paths.

    Raises
    ------
    AudioError
        A path does not exist or holds no such audio.
    OptionError
        A named input has no reference, no audio file has one, or a folder has several beside one annotation.
    """
    # A folder may be named twice, or beside one that it lies in; a song that counts twice bends the figures.
    named = (song for path in paths for song in _songs_of(Path(path), input_name))
    found = list({os.path.realpath(song.audio): song for song in named}.values())
    if not found:
        places = ", ".join(str(path) for path in paths)
        raise OptionError(
            f"{places}: no audio with a MIDI file of the same name; "
            "for folders with class.txt name the audio, as in --input drums.flac"
        )
    named_alone = set(map(Path, paths))
    _check_one_each([song for song in found if song.audio not in named_alone])
    return _told_apart(found)


def audio_without_reference(folders: Sequence[Path | str]) -> list[Path]:
    """Recordings that `find_songs` leaves out of folders where it is given no `input_name`; no saved stems."""
    return [audio for audio in find_audio(folders) if reference_of(audio) is None and not is_own_stem(audio)]


def reference_of(audio: Path) -> Path | None:
    """The file that says which drums are in a recording, or None.

    ``NAME_reference.mid`` or ``.txt`` beside it comes first, then MDB's ``subclass.txt`` and ``class.txt``, beside it
    or where MDB Drums has them, then ``NAME.mid``: where there are annotations, a MIDI file of the same name is more
    likely a transcription than the truth.
    """
    named = [audio.with_name(audio.stem + "_reference" + suffix) for suffix in (*MIDI_SUFFIXES, ".txt")]
    same_name = [audio.with_suffix(suffix) for suffix in MIDI_SUFFIXES]
    annotations = [audio.with_name(name) for name in ("subclass.txt", "class.txt")]
    annotations += [_in_mdb(audio, kind, f"_{kind}.txt") for kind in ("subclass", "class")]
    return _first_there(named + (same_name if audio.stem == _PLUSPLUS else annotations + same_name))


def _in_mdb(audio: Path, kind: str, ending: str) -> Path:
    """Where MDB Drums, as it is handed out, has an annotation of ``audio/drum_only/NAME_Drum.wav`` and the like."""
    name = audio.stem
    for of_recording in _MDB_ENDINGS:
        name = name.removesuffix(of_recording)
    return Path(os.path.abspath(audio)).parents[2] / "annotations" / kind / (name + ending)


def _first_there(candidates: Sequence[Path]) -> Path | None:
    """The first of some files that exists, whatever the case of its name and the form of its accents."""
    return next((file for file in map(_there, candidates) if file is not None), None)


def _there(candidate: Path) -> Path | None:
    if candidate.is_file():
        return candidate
    folder = candidate.parent
    return _files_of(folder, folder.stat().st_mtime_ns).get(sameness(candidate.name)) if folder.is_dir() else None


@lru_cache(maxsize=8)
def _files_of(folder: Path, changed_ns: int) -> dict[str, Path]:
    """The files of a folder by `sameness` of name; read once as long as it does not change."""
    return {sameness(file.name): file for file in sorted(folder.iterdir()) if file.is_file()}


def read_reference(path: Path | str) -> Reference:
    """Read a MIDI file or an annotation.

    Raises
    ------
    OptionError
        The file is unreadable, or of no format that is understood.
    """
    path = Path(path)
    if path.suffix.lower() in MIDI_SUFFIXES:
        return Reference([DrumNote(*hit) for hit in read_midi_notes(path)])
    name = path.name.lower()  # as `reference_of` finds it
    for ending, read in _ANNOTATIONS.items():
        if name.endswith(ending):
            return read(path)
    raise OptionError(
        f"{path}: not a reference; give a MIDI file, class.txt or subclass.txt of MDB Drums, or NAME_reference.txt"
    )


def strange_notes(reference: Reference) -> str:
    """What to say of a reference in which more than `_STRANGE_SHARE` of the notes are none that is known; else nothing.

    MIDI of a sampler has its own notes. Here they would be no hits at all, and the drums that are heard there wrong.
    """
    strange = [note.note for note in reference.notes if piece_of_note(note.note) is None]
    if len(strange) <= _STRANGE_SHARE * len(reference.notes):
        return ""
    numbers = ", ".join(map(str, sorted(set(strange))[:_SHOWN_NOTES]))
    return (
        f"{len(strange)} of {len(reference.notes)} notes are no drum of General MIDI ({numbers}); give each drum its "
        "General MIDI note"
    )


def read_true_beats(song: Song) -> Beats | None:
    """The true beats of a song, where they are known.

    MDB's ``beats.txt`` (time in seconds and position in the bar), which describes every recording of its folder but
    ``plusplus``, or what MDB Drums has in its place; else those of a MIDI reference, see
    `mix2midi.postprocess.read_midi_beats`.

    Raises
    ------
    OptionError
        The file is unreadable.
    """
    if song.reference.suffix.lower() in MIDI_SUFFIXES:
        return read_midi_beats(song.reference)
    path = _first_there([song.audio.with_name("beats.txt"), _in_mdb(song.audio, "beats", "_MIX.beats")])
    return _read_beats(path) if path is not None else None


def _read_beats(path: Path) -> Beats | None:
    beats = read_labels(path)
    try:
        position = np.array([int(label) for _, label in beats], dtype=np.int64)
    except ValueError as error:
        raise OptionError(f"{path}: positions in the bar are whole numbers ({error}); correct it") from error
    if len(position) < 2 or not (position == 1).any():
        return None
    times_s = np.array([time_s for time_s, _ in beats])
    if (np.diff(times_s) <= 0.0).any():
        raise OptionError(f"{path}: its times do not rise from line to line; put the beats in order")
    return Beats(times_s, position, _signature_of(position))


def _signature_of(position: NDArray[np.int64]) -> TimeSignature:
    """That of most bars: a single bar of six among bars of four makes no song in 6/8. The longer of two as frequent."""
    last = np.append(position[1:] == 1, True)  # the last beat before each bar line, and of the song
    lengths, bars = np.unique(position[last], return_counts=True)
    beats = int(lengths[bars == bars.max()].max())
    return TimeSignature(beats, 8 if beats == 6 else 4)


def _songs_of(path: Path, input_name: str | None) -> Iterator[Song]:
    for audio in _audio_of(path, input_name):
        reference = reference_of(audio)
        if reference is not None:
            folder = Path(os.path.abspath(audio)).parent  # "." has no name of its own
            name = folder.name if input_name and path.is_dir() else audio.stem
            yield Song(name, audio, reference)
        elif input_name or path.is_file():
            raise OptionError(
                f"{audio}: no reference beside it; put {audio.stem}_reference.mid, {audio.stem}.mid or class.txt there"
            )


def _check_one_each(songs: Sequence[Song]) -> None:
    """Drums, mix and stem beside one annotation are one song; together they would count three times."""
    by_reference: dict[Path, list[Song]] = {}
    for song in songs:
        by_reference.setdefault(song.reference, []).append(song)
    for reference, group in by_reference.items():
        if len(group) > 1:
            names = ", ".join(song.audio.name for song in group)
            raise OptionError(
                f"{reference}: is the annotation of several recordings ({names}); say which is meant, as in "
                f"--input {group[0].audio.name}, or name the folder of one kind"
            )


def _told_apart(songs: Sequence[Song]) -> list[Song]:
    """A catalogue has many a take1.wav; scores by song are worth nothing where nobody knows whose they are."""
    count = Counter(song.name for song in songs)
    return [replace(song, name=str(song.audio)) if count[song.name] > 1 else song for song in songs]


def _audio_of(path: Path, input_name: str | None) -> list[Path]:
    if not path.exists():
        raise AudioError(f"{path}: no such file or folder; check the name")
    if input_name is None or path.is_file():
        return find_audio([path])
    audio = sorted(file for file in walk_files(path) if file.name == input_name)
    if not audio:
        raise AudioError(f"{path}: no {input_name} in it or its folders; name the audio of a song with --input")
    return audio
