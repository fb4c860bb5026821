"""Notes to Standard MIDI Files, and back.

mido writes the bytes: it is maintained, has no dependency of its own, and keeps every event as it was given, where
pretty_midi and symusic sort, merge or round for their own purposes. Those two check the result in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import mido

from mix2midi.errors import OptionError
from mix2midi.files import atomic_write
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess.tempo_map import SignatureEvent, TempoEvent, TempoMap, TickClock

DEFAULT_PPQ = 960
#: Drum samplers ignore where a note ends; this length is what other tools write and what a piano roll shows well.
NOTE_LENGTH_S = 0.05
#: General MIDI's channel 10, counted from 0.
DRUM_CHANNEL = 9
#: Tempo of a file that does not state one.
DEFAULT_MICROSECONDS = 500_000


@dataclass(frozen=True, slots=True)
class _Hit:
    """One note in ticks, ready to be written."""

    start: int
    end: int
    note: int
    velocity: int


def write_midi(
    transcription: Transcription, path: Path | str, *, tempo_map: TempoMap | None = None, ppq: int = DEFAULT_PPQ
) -> None:
    """Write the drum part as a MIDI file of type 1: a conductor track and one drum track on channel 10.

    Every onset lies on the tick nearest to its time. Two hits of one drum on the same tick become the louder of them,
    since MIDI cannot hold both.

    Parameters
    ----------
    transcription : Transcription
        What is written; no notes make an empty but valid file.
    path : Path or str
        Replaced when the file is complete, and only then.
    tempo_map : TempoMap, optional
        The file's grid. It moves no onset. Default: the one tempo of the transcription, 4/4.
    ppq : int
        Ticks per quarter note.

    Raises
    ------
    OutputError
        The file cannot be written there.
    OptionError
        The tempo cannot be stored in a MIDI file.
    """
    tempo_map = tempo_map or TempoMap.constant(transcription.tempo_bpm)
    clock = TickClock(tempo_map, ppq)
    midi = mido.MidiFile(type=1, ticks_per_beat=ppq, charset="utf-8")
    midi.tracks.append(_conductor_track(transcription.title, tempo_map, clock))
    midi.tracks.append(_drum_track(transcription, clock))
    with atomic_write(path) as temporary:
        midi.save(temporary)


def _conductor_track(title: str, tempo_map: TempoMap, clock: TickClock) -> mido.MidiTrack:
    events = [(0, mido.MetaMessage("track_name", name=_encodable(title)))]
    events += [(clock.tick_of_quarter(event.quarter), _signature_message(event)) for event in tempo_map.signatures]
    events += [(clock.tick_of_quarter(event.quarter), _tempo_message(event)) for event in tempo_map.tempos]
    return _track_of(sorted(events, key=lambda event: event[0]))


def _signature_message(event: SignatureEvent) -> mido.MetaMessage:
    return mido.MetaMessage("time_signature", numerator=event.numerator, denominator=event.denominator)


def _tempo_message(event: TempoEvent) -> mido.MetaMessage:
    return mido.MetaMessage("set_tempo", tempo=event.microseconds)


def _drum_track(transcription: Transcription, clock: TickClock) -> mido.MidiTrack:
    """The notes, and an end that lies where the song ends, so that a sequencer shows a region of the song's length."""
    hits = list(_hits_of(transcription.notes, clock))
    end_tick = max([clock.tick(transcription.duration_s), *(hit.end for hit in hits)])
    name = mido.MetaMessage("track_name", name="Drums")
    return _track_of([(0, name), *_note_messages(hits), (end_tick, mido.MetaMessage("end_of_track"))])


def _hits_of(notes: Iterable[DrumNote], clock: TickClock) -> Iterator[_Hit]:
    """Notes on their ticks, each ending no later than the next hit of the same drum begins."""
    loudest: dict[tuple[int, int], int] = {}
    for note in notes:
        place = (note.note, clock.tick(note.onset_s))
        loudest[place] = max(note.velocity, loudest.get(place, 0))
    places = sorted(loudest)
    for (note_number, start), following in zip_longest(places, places[1:]):
        end = max(start + 1, clock.tick(clock.seconds(start) + NOTE_LENGTH_S))
        if following is not None and following[0] == note_number:
            end = min(end, following[1])
        yield _Hit(start, end, note_number, loudest[note_number, start])


def _note_messages(hits: Iterable[_Hit]) -> list[tuple[int, mido.Message]]:
    """Note-on and note-off by tick; at one tick what ends comes before what begins."""
    events = []
    for hit in hits:
        on = mido.Message("note_on", channel=DRUM_CHANNEL, note=hit.note, velocity=hit.velocity)
        off = mido.Message("note_off", channel=DRUM_CHANNEL, note=hit.note, velocity=0)
        events += [(hit.start, 1, hit.note, on), (hit.end, 0, hit.note, off)]
    events.sort(key=lambda event: event[:3])
    return [(tick, message) for tick, _, _, message in events]


def _track_of(events: Sequence[tuple[int, mido.Message | mido.MetaMessage]]) -> mido.MidiTrack:
    """A track from messages at absolute ticks, in order; MIDI stores the distance to the message before."""
    track = mido.MidiTrack()
    previous = 0
    for tick, message in events:
        track.append(message.copy(time=tick - previous))
        previous = tick
    return track


def _encodable(text: str) -> str:
    """Text that UTF-8 can hold: file names may carry bytes that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_midi_notes(path: Path | str) -> list[tuple[float, int, int]]:
    """Drum notes of a MIDI file.

    Parameters
    ----------
    path : Path or str
        Type 0 or 1. Notes on channel 10 are read, or those of all channels where that one is empty: many drum files of
        electronic kits and sequencers use channel 1.

    Returns
    -------
    list of (onset_s, note, velocity)
        In order of onset, then note; seconds from the start of the file.

    Raises
    ------
    OptionError
        The file is missing, no MIDI file, damaged, of type 2, or counts in SMPTE frames instead of beats.
    """
    midi = _open_midi(Path(path))
    clock = TickClock(_tempo_map_of(midi), midi.ticks_per_beat)
    hits = [
        (tick, message)
        for track in midi.tracks
        for tick, message in _absolute(track)
        if message.type == "note_on" and message.velocity > 0
    ]
    drums = [hit for hit in hits if hit[1].channel == DRUM_CHANNEL]
    return sorted((clock.seconds(tick), message.note, message.velocity) for tick, message in drums or hits)


def _open_midi(path: Path) -> mido.MidiFile:
    if not path.is_file():
        raise OptionError(f"{path}: there is no such MIDI file; check the name")
    try:
        midi = mido.MidiFile(path)
    except Exception as error:
        # mido checks little: damage surfaces as whatever its parser stumbles over, from EOFError to IndexError.
        raise OptionError(f"{path}: is not a MIDI file, or damaged; export it again") from error
    if midi.type == 2 or midi.ticks_per_beat <= 0:
        raise OptionError(f"{path}: MIDI of type 2 or in SMPTE time is not read; export it as type 0 or 1 with beats")
    return midi


def _tempo_map_of(midi: mido.MidiFile) -> TempoMap:
    """Tempos of all tracks; where two share a tick the later one in the file counts."""
    tempos = {0: DEFAULT_MICROSECONDS}
    for track in midi.tracks:
        tempos.update((tick, message.tempo) for tick, message in _absolute(track) if message.type == "set_tempo")
    ppq = midi.ticks_per_beat
    return TempoMap([TempoEvent(Fraction(tick, ppq), tempos[tick]) for tick in sorted(tempos)])


def _absolute(track: mido.MidiTrack) -> Iterator[tuple[int, mido.Message]]:
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message
