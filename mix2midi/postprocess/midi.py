"""Notes to Standard MIDI Files, and back.

mido writes the bytes: it is maintained, has no dependency of its own, and keeps every event as it was given, where
pretty_midi and symusic sort, merge or round for their own purposes. Those two check the result in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from numbers import Integral
from pathlib import Path
from typing import TypeAlias

import mido
import numpy as np

from mix2midi.errors import OptionError
from mix2midi.files import PROGRAM, atomic_write
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess.beats import Beats, TimeSignature
from mix2midi.postprocess.note_maps import MAX_NOTE, NoteMap
from mix2midi.postprocess.tempo_map import TempoEvent, TempoMap, TickClock
from mix2midi.units import MAX_VELOCITY

#: A message and its tick from the start of the file.
_Event: TypeAlias = tuple[int, "mido.Message | mido.MetaMessage"]

#: Drum samplers ignore where a note ends; this length is what other tools write and what a piano roll shows well.
NOTE_LENGTH_S = 0.05
#: Different drums this close were hit together.
TOGETHER_S = 0.015
#: General MIDI's channel for drums, counted from 1.
DRUM_CHANNEL = 10
#: Beats beyond this are those of a damaged file: 16 hours at 1000 a minute.
MAX_BEATS = 1_000_000
#: Tempo of a file that does not state one.
DEFAULT_MICROSECONDS = 500_000
#: Multiples of this hold triplets and thirty-seconds exactly; the file format ends at 32767.
PPQ_STEP, MAX_PPQ = 24, 15360
#: A file's notes follow its grid if this share of them lies this close to a sixteenth, in sixteenths; by chance it is a
#: third.
ON_GRID, MIN_ON_GRID = 1 / 6, 0.6
#: All drums in one track, or a track for each.
TRACKS = ("one", "per-drum")


@dataclass(frozen=True, slots=True)
class MidiLayout:
    """How a MIDI file is built.

    Attributes
    ----------
    format : int
        1: a conductor track and drum tracks. 0: everything in one track.
    ppq : int
        Ticks per quarter note, a multiple of 24 up to 15360.
    channel : int
        1 to 16.
    tracks : str
        One of `TRACKS`.

    Raises
    ------
    OptionError
        A value is not known or out of range, or format 0 is to have several tracks.
    """

    format: int = 1
    ppq: int = 960
    channel: int = DRUM_CHANNEL
    tracks: str = "one"

    def __post_init__(self) -> None:
        for name in ("format", "ppq", "channel"):
            if not isinstance(getattr(self, name), Integral):
                raise OptionError(f"{name} {getattr(self, name)!r} is no whole number")
        if self.format not in (0, 1):
            raise OptionError(f"MIDI format {self.format} is not written; choose 0 or 1")
        if self.ppq % PPQ_STEP or not PPQ_STEP <= self.ppq <= MAX_PPQ:
            raise OptionError(f"{self.ppq} ticks per quarter is not possible; give a multiple of 24 up to {MAX_PPQ}")
        if not 1 <= self.channel <= 16:
            raise OptionError(f"MIDI channel {self.channel} does not exist; give 1 to 16")
        if self.tracks not in TRACKS:
            raise OptionError(f"tracks {self.tracks!r} is not known; choose one of {', '.join(TRACKS)}")
        if self.format == 0 and self.tracks != "one":
            raise OptionError("MIDI format 0 has a single track; choose format 1 for a track per drum")


@dataclass(frozen=True, slots=True)
class _Hit:
    """One note in ticks, ready to be written; `drum` names the drum that it came from."""

    start: int
    end: int
    note: int
    velocity: int
    drum: str


def write_midi(
    transcription: Transcription,
    path: Path | str,
    *,
    tempo_map: TempoMap | None = None,
    note_map: NoteMap | None = None,
    layout: MidiLayout | None = None,
) -> None:
    """Write the drum part as a MIDI file.

    Every onset lies on the tick nearest to its time, whatever the tempo map. Two hits of one note on the same tick
    become the louder of them, since MIDI cannot hold both; so do two drums that were hit together and that a library
    plays by one note.

    Parameters
    ----------
    transcription : Transcription
        What is written; no notes make an empty but valid file.
    path : Path or str
        Replaced when the file is complete, and only then.
    tempo_map : TempoMap, optional
        The file's grid. Default: the one tempo of the transcription, 4/4.
    note_map : NoteMap, optional
        Notes of a drum library. Default: General MIDI's, as they are.
    layout : MidiLayout, optional
        Default: type 1, 960 ticks per quarter, one drum track on channel 10.

    Raises
    ------
    OutputError
        The file cannot be written there.
    OptionError
        The tempo cannot be stored in a MIDI file, or a note cannot: its number, velocity or onset.
    NoteMapError
        The library lacks a drum.
    """
    for note in transcription.notes:
        _check_storable(note)
    layout = layout or MidiLayout()
    tempo_map = tempo_map or TempoMap.constant(transcription.tempo_bpm)
    clock = TickClock(tempo_map, layout.ppq)
    if note_map is not None:
        note_map.check(note.note for note in transcription.notes)
    hits = list(_hits_of(transcription.notes, clock, note_map))
    midi = mido.MidiFile(type=layout.format, ticks_per_beat=layout.ppq, charset="utf-8")
    midi.tracks.extend(_tracks(transcription, hits, tempo_map, clock, layout))
    with atomic_write(path) as temporary:
        midi.save(temporary)


def _check_storable(note: DrumNote) -> None:
    if not (0 <= note.note <= MAX_NOTE and 1 <= note.velocity <= MAX_VELOCITY and 0.0 <= note.onset_s < np.inf):
        raise OptionError(
            f"{note}: cannot be stored in a MIDI file; notes are 0 to {MAX_NOTE}, velocities 1 to {MAX_VELOCITY}, and "
            "onsets seconds from the start"
        )


def _tracks(
    transcription: Transcription, hits: list[_Hit], tempo_map: TempoMap, clock: TickClock, layout: MidiLayout
) -> Iterator[mido.MidiTrack]:
    """All tracks; those of drums end where the song ends, so that a sequencer shows regions of its length."""
    end = max([clock.tick(transcription.duration_s), *(hit.end for hit in hits)])
    time = [(0, mido.MetaMessage("text", text=PROGRAM)), *_time_messages(tempo_map, clock)]
    title = _encodable(transcription.title)
    if layout.format == 0:
        yield _track_of(title or "Drums", [*time, *_note_messages(hits, layout.channel)], end)
        return
    yield _track_of(title, time, 0)
    drums = dict.fromkeys(hit.drum for hit in hits) if layout.tracks == "per-drum" else {}
    for drum in drums or ("Drums",):
        own = [hit for hit in hits if not drums or hit.drum == drum]
        yield _track_of(drum, _note_messages(own, layout.channel), end)


def _time_messages(tempo_map: TempoMap, clock: TickClock) -> list[_Event]:
    """Time signatures and tempos."""
    signatures = [
        (
            clock.tick_of_quarter(event.quarter),
            mido.MetaMessage("time_signature", numerator=event.numerator, denominator=event.denominator),
        )
        for event in tempo_map.signatures
    ]
    tempos = [
        (clock.tick_of_quarter(event.quarter), mido.MetaMessage("set_tempo", tempo=event.microseconds))
        for event in tempo_map.tempos
    ]
    return signatures + tempos


def _hits_of(notes: Iterable[DrumNote], clock: TickClock, note_map: NoteMap | None) -> Iterator[_Hit]:
    """Notes on their ticks, each ending no later than the next hit of the same note begins."""
    loudest: dict[tuple[int, int], DrumNote] = {}
    for note in notes:
        number = note.note if note_map is None else note_map.note(note.note)
        place = (number, clock.tick(note.onset_s))
        if place not in loudest or note.velocity > loudest[place].velocity:
            loudest[place] = note
    places = list(_of_one_drum(sorted(loudest), loudest, clock))
    for (number, start), following in zip_longest(places, places[1:]):
        end = max(start + 1, clock.tick(clock.seconds(start) + NOTE_LENGTH_S))
        if following is not None and following[0] == number:
            end = min(end, following[1])
        note = loudest[number, start]
        yield _Hit(start, end, number, note.velocity, note.name.capitalize())


def _of_one_drum(
    places: Sequence[tuple[int, int]], loudest: Mapping[tuple[int, int], DrumNote], clock: TickClock
) -> Iterator[tuple[int, int]]:
    """Places without the softer of two different drums that a library plays by one note and the player hit together."""
    kept: tuple[int, int] | None = None
    for place in places:
        if kept is not None:
            one, other = loudest[kept], loudest[place]
            is_apart = kept[0] != place[0] or clock.seconds(place[1]) - clock.seconds(kept[1]) > TOGETHER_S
            if is_apart or one.note == other.note:
                yield kept
            elif one.velocity >= other.velocity:
                continue
        kept = place
    if kept is not None:
        yield kept


def _note_messages(hits: Iterable[_Hit], channel: int) -> list[_Event]:
    """Note-on and note-off by tick; at one tick what ends comes before what begins."""
    events = []
    for hit in hits:
        on = mido.Message("note_on", channel=channel - 1, note=hit.note, velocity=hit.velocity)
        off = mido.Message("note_off", channel=channel - 1, note=hit.note, velocity=0)
        events += [(hit.start, 1, hit.note, on), (hit.end, 0, hit.note, off)]
    events.sort(key=lambda event: event[:3])
    return [(tick, message) for tick, _, _, message in events]


def _track_of(name: str, events: Iterable[_Event], end: int) -> mido.MidiTrack:
    """A track from messages at absolute ticks; MIDI stores the distance to the message before."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    previous = 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=tick - previous))
        previous = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - previous)))
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
    drums = [hit for hit in hits if hit[1].channel == DRUM_CHANNEL - 1]
    return sorted((clock.seconds(tick), message.note, message.velocity) for tick, message in drums or hits)


def read_midi_beats(path: Path | str) -> Beats | None:
    """Beats of a MIDI file, up to the last note.

    Parameters
    ----------
    path : Path or str
        As for `read_midi_notes`.

    Returns
    -------
    Beats or None
        None where the file states no tempo, has no notes, or its notes do not follow its grid: a performance that was
        written down at some tempo, such as 120, just to have one.

    Raises
    ------
    OptionError
        As `read_midi_notes`, or it has more than `MAX_BEATS`.
    """
    midi = _open_midi(Path(path))
    messages = sorted((hit for track in midi.tracks for hit in _absolute(track)), key=lambda hit: hit[0])
    ticks = [tick for tick, message in messages if message.type == "note_on" and message.velocity > 0]
    if not ticks or not any(message.type == "set_tempo" for _, message in messages):
        return None
    sixteenths = np.array(ticks) * 4 / midi.ticks_per_beat
    if np.mean(np.abs(sixteenths - np.rint(sixteenths)) < ON_GRID) < MIN_ON_GRID:
        return None
    signatures = {tick: message for tick, message in messages if message.type == "time_signature"}
    try:
        return _beats_until(max(ticks), signatures, TickClock(_tempo_map_of(midi), midi.ticks_per_beat))
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from error


def _beats_until(last: int, signatures: dict[int, mido.MetaMessage], clock: TickClock) -> Beats:
    """Beats to one beyond a tick. The signature that lasts longest counts, and short bars before it lead up to it."""
    given = {0: mido.MetaMessage("time_signature", numerator=4, denominator=4)} | signatures
    changes = sorted(given)
    stretches: list[tuple[TimeSignature, range]] = []
    lengths: dict[TimeSignature, int] = {}
    for start, end in zip(changes, [*changes[1:], None], strict=True):
        signature = TimeSignature(given[start].numerator, given[start].denominator)
        step = max(1, clock.tick_of_quarter(signature.beat_quarters))
        beyond = last + step + 1
        ticks = range(start, beyond if end is None else min(end, beyond), step)
        stretches.append((signature, ticks))
        lengths[signature] = lengths.get(signature, 0) + len(ticks) * step
    if sum(len(ticks) for _, ticks in stretches) > MAX_BEATS:
        raise OptionError(f"counts more than {MAX_BEATS:,} beats up to its last note; export it again")
    longest = max(lengths, key=lambda signature: lengths[signature])
    times_s, positions = [], []
    is_before = True
    for signature, ticks in stretches:
        is_before &= signature != longest
        is_short = is_before and len(ticks) * signature.beat_quarters < longest.bar_quarters
        if is_short and signature.beat_quarters < longest.beat_quarters:
            continue  # less than a beat
        first = longest.numerator - len(ticks) if is_short else 0  # a pick-up ends with the bar
        count = longest.numerator if is_short else signature.numerator
        times_s += [clock.seconds(tick) for tick in ticks]
        positions += [(first + number) % count + 1 for number in range(len(ticks))]
    return Beats(np.array(times_s), np.array(positions), longest)


def _open_midi(path: Path) -> mido.MidiFile:
    if not path.is_file():
        raise OptionError(f"{path}: there is no such MIDI file; check the name")
    try:
        midi = mido.MidiFile(path)
    except PermissionError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
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
