"""What a transcription is made of: single drum hits, and all hits of one song."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mix2midi.drums import name_of_note


@dataclass(frozen=True, slots=True, order=True)
class DrumNote:
    """One hit.

    Attributes
    ----------
    onset_s : float
        Seconds from the first sample, at least 0.
    note : int
        General MIDI note, see `mix2midi.drums`.
    velocity : int
        1 to 127.
    confidence : float
        0 to 1: how sure the network is that this hit is there.
    """

    onset_s: float
    note: int
    velocity: int
    confidence: float = 1.0

    @property
    def name(self) -> str:
        """Name of the drum for people."""
        return name_of_note(self.note)


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat of the song.

    Attributes
    ----------
    time_s : float
        Seconds from the first sample.
    position : int
        Position in the bar; 1 is a downbeat.
    """

    time_s: float
    position: int


@dataclass(frozen=True)
class Transcription:
    """The drum part of one song.

    Attributes
    ----------
    notes : sequence of DrumNote
        Sorted by onset, then note.
    duration_s : float
        Length of the audio that was transcribed.
    tempo_bpm : float
        Mean tempo of the song, in quarter notes per minute; with a constant tempo, that of the MIDI file.
    separator : str
        Which separator made the stem; ``"none"`` where the input was used as it is.
    device : str
        Device the networks ran on.
    title : str
        Name of the song, without folder and suffix.
    time_signature : str
        Such as ``"6/8"``.
    beats : sequence of Beat
        Where the beats of the song were heard; empty where nobody listened.
    elapsed_s : float
        How long the transcription took.
    """

    notes: Sequence[DrumNote]
    duration_s: float
    tempo_bpm: float = 120.0
    separator: str = "none"
    device: str = "cpu"
    title: str = ""
    time_signature: str = "4/4"
    beats: Sequence[Beat] = ()
    elapsed_s: float = field(default=0.0, compare=False)

    def count_by_name(self) -> dict[str, int]:
        """Number of hits of each drum that was heard, the most frequent first."""
        return dict(Counter(note.name for note in self.notes).most_common())
