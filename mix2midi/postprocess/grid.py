"""From beats in seconds to a tempo map: bar lines of the file on the downbeats of the song, onsets where they are.

Time 0 of the file is the first sample of the song, which is hardly ever a bar line. The time before the first beat that
is heard is therefore filled with whole beats, or part of one, at whatever tempo makes them end on that beat. Where
drums play in that time already, it changes before the first of them only: they lie on lines as the later ones do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import numpy as np

from mix2midi.errors import OptionError
from mix2midi.postprocess.beats import Beats, TimeSignature
from mix2midi.postprocess.tempo_map import (
    MAX_TEMPO_BPM,
    MICROSECONDS_PER_SECOND,
    MIN_TEMPO_BPM,
    SignatureEvent,
    TempoEvent,
    TempoMap,
)

#: How the file's tempo follows the song's: `map` follows the beats, `constant` is their mean tempo from tick 0.
TEMPO_MODES = ("map", "constant")
#: The written grid stays this close to the beats.
TOLERANCE_S = 0.005
#: A song that starts on a beat, but not to the millisecond, starts on the file's first line.
START_TOLERANCE_S = 0.025
#: A lead-in shorter than this part of a beat is no beat, but a few sixteenths or thirty-seconds.
SHORTEST_BEAT = 2 / 3
THIRTY_SECOND = Fraction(1, 8)
#: How much faster than the song what precedes the first hit of a lead-in may be, to fill it up to a whole beat.
FASTEST_START = 3.0


@dataclass(frozen=True)
class SongGrid:
    """The beats of a song as its file has them.

    Attributes
    ----------
    beats : Beats
        On the lines of the tempo map wherever somebody plays, from the start of the file on; where that lies within a
        beat, the first one is the beat before it, at a time below 0.
    tempo_map : TempoMap
        That follows the song.
    tempo_bpm : float
        Mean tempo in quarter notes per minute, from the first beat that counts on.
    """

    beats: Beats
    tempo_map: TempoMap
    tempo_bpm: float

    def constant_map(self, tempo_bpm: float | None = None) -> TempoMap:
        """One tempo from tick 0, by default the mean one, whose bar lines do not follow the song."""
        signature = self.beats.signature
        tempo_bpm = tempo_bpm or float(np.clip(self.tempo_bpm, MIN_TEMPO_BPM, MAX_TEMPO_BPM))
        return TempoMap.constant(tempo_bpm, signature.numerator, signature.denominator)


@dataclass(frozen=True, slots=True)
class _LeadIn:
    """What stands before the first beat that counts.

    Attributes
    ----------
    first : int
        Number of that beat.
    quarters : Fraction
        Quarter notes before it.
    played : Fraction
        The last of these, in which there are hits: they have the song's tempo.
    """

    first: int
    quarters: Fraction
    played: Fraction = Fraction(0)


def tempo_map_from_beats(beats: Beats, *, first_onset_s: float | None = None, mode: str = "map") -> TempoMap:
    """Tempo and time signature that put the file's bar lines on the song's downbeats.

    Parameters
    ----------
    beats : Beats
    first_onset_s : float, optional
        Time of the first hit. Before it nobody hears where the beats are, and the lead-in may stretch. By default that
        is the first beat.
    mode : str
        One of `TEMPO_MODES`. ``"map"``: tempo events on beats, as few as keep the grid within `TOLERANCE_S` of them; a
        steady song gets one, and one for the lead-in where the song does not start on a beat. ``"constant"``: one tempo
        and one signature from tick 0, whose bar lines do not follow the song.

    Returns
    -------
    TempoMap

    Raises
    ------
    OptionError
        The mode is not known.
    """
    if mode not in TEMPO_MODES:
        raise OptionError(f"tempo {mode!r} is not known; choose one of {', '.join(TEMPO_MODES)}")
    grid = lay_grid(beats, first_onset_s=first_onset_s)
    return grid.tempo_map if mode == "map" else grid.constant_map()


def lay_grid(beats: Beats, *, first_onset_s: float | None = None) -> SongGrid:
    """The tempo map that follows a song, and the song's beats moved to its lines.

    They move by `TOLERANCE_S` at most, and by `START_TOLERANCE_S` near the start; those before the first that counts,
    where nobody plays, are spread over the lead-in.

    What is quantised to these beats lies on the lines that a DAW draws, to the tick.

    Parameters
    ----------
    beats : Beats
        As they were heard.
    first_onset_s : float, optional
        See `tempo_map_from_beats`.
    """
    lead_in = _lead_in(beats, float(beats.times_s[0]) if first_onset_s is None else first_onset_s)
    position = int(beats.position[lead_in.first])
    signatures = list(_signatures(beats.signature, position, lead_in.quarters))
    tempo_map = TempoMap(_merged(_tempos(beats, lead_in)), signatures)
    step = beats.signature.beat_quarters
    before = ceil(lead_in.quarters / step)  # beats of the lead-in; its first one may be broken
    quarters = [lead_in.quarters + step * number for number in range(-before, len(beats.times_s) - lead_in.first)]
    times_s = np.array([tempo_map.seconds(quarter) for quarter in quarters])
    if lead_in.played:
        times_s[:before] = times_s[before] - np.diff(times_s)[before] * np.arange(before, 0, -1)
    positions = (position - 1 + np.arange(-before, len(quarters) - before)) % beats.signature.numerator + 1
    positions[before:] = beats.position[lead_in.first :]
    counted_s = beats.times_s[-1] - beats.times_s[lead_in.first]
    tempo_bpm = 60.0 * float(step) * (len(quarters) - before - 1) / float(counted_s)
    return SongGrid(replace(beats, times_s=times_s, position=positions), tempo_map, tempo_bpm)


def _lead_in(beats: Beats, first_onset_s: float) -> _LeadIn:
    """Choose the first beat that counts, and as much music before it as fills the time at nearly its tempo."""
    first = int(np.searchsorted(beats.times_s, first_onset_s + START_TOLERANCE_S, side="right")) - 1
    first = min(max(first, 0), len(beats.times_s) - 2)
    start_s = float(beats.times_s[first])
    if start_s <= START_TOLERANCE_S:
        return _LeadIn(first, Fraction(0))
    beat_s = float(beats.times_s[first + 1] - start_s)
    quarters = _lead_in_quarters(start_s, beat_s, beats.signature.beat_quarters)
    if first_onset_s >= start_s - START_TOLERANCE_S:
        return _LeadIn(first, quarters)
    # The hits get the tempo of many beats: by the first beat's own, a long lead-in might leave no time before them.
    quarter_s = _tempo_from(beats, first) / MICROSECONDS_PER_SECOND
    return _with_hits(_LeadIn(first, quarters), start_s / quarter_s, (start_s - first_onset_s) / quarter_s, quarter_s)


def _lead_in_quarters(start_s: float, beat_s: float, beat_quarters: Fraction) -> Fraction:
    """Quarter notes that fill a lead-in in which nobody plays."""
    length = start_s / beat_s
    if length >= SHORTEST_BEAT:
        quarters = round(length) * beat_quarters
        is_storable = 60.0 * float(quarters) / start_s >= MIN_TEMPO_BPM  # a lead-in may stretch by half
        return quarters if is_storable else ceil(length) * beat_quarters
    unit = 2 * THIRTY_SECOND if length * float(beat_quarters) > 1 / 6 else THIRTY_SECOND
    return max(1, round(length * float(beat_quarters / unit))) * unit


def _with_hits(lead_in: _LeadIn, start: float, first_hit: float, quarter_s: float) -> _LeadIn:
    """The same where the first hit is before the first beat that counts.

    Parameters
    ----------
    lead_in : _LeadIn
        As it were if nobody played.
    start, first_hit : float
        How long before that beat the file and the first hit start, in quarter notes of the song.
    quarter_s : float
    """
    played = ceil((first_hit - TOLERANCE_S / quarter_s) / THIRTY_SECOND) * THIRTY_SECOND
    if played > start:  # the song starts with that hit, between two lines
        played -= THIRTY_SECOND
    left = start - float(played)
    if left * quarter_s < START_TOLERANCE_S and played:
        return _LeadIn(lead_in.first, played)
    quarters = lead_in.quarters
    if not left < float(quarters - played) < FASTEST_START * left:
        quarters = played + max(1, round(left / THIRTY_SECOND)) * THIRTY_SECOND
    return _LeadIn(lead_in.first, quarters, played)


def _signatures(signature: TimeSignature, position: int, lead_in: Fraction) -> Iterator[SignatureEvent]:
    """A bar for a broken lead-in, one for the pick-up, then the song's own from its first downbeat on.

    Parameters
    ----------
    signature : TimeSignature
    position : int
        Position in the bar of the first beat that counts.
    lead_in : Fraction
        Quarter notes before it.
    """
    start = Fraction(0)
    if lead_in % signature.beat_quarters:
        denominator = 4 * lead_in.limit_denominator(8).denominator
        yield SignatureEvent(start, int(lead_in * denominator / 4), denominator)
        start = lead_in
    else:
        position = (position - 1 - int(lead_in / signature.beat_quarters)) % signature.numerator + 1
    pick_up = (1 - position) % signature.numerator
    if pick_up:
        yield SignatureEvent(start, pick_up, signature.denominator)
        start += pick_up * signature.beat_quarters
    yield SignatureEvent(start, signature.numerator, signature.denominator)


def _tempos(beats: Beats, lead_in: _LeadIn) -> Iterator[TempoEvent]:
    """Straight lines through beat number and time, each as long as all its beats stay within the tolerance.

    Exact in whole microseconds: a line starts where the one before it really ended, so that errors do not add up.
    """
    times = _in_microseconds(beats)
    step = beats.signature.beat_quarters
    start, now, quarter = lead_in.first, Fraction(0), lead_in.quarters
    if lead_in.quarters:
        own = _tempo_from(beats, start)
        silent = lead_in.quarters - lead_in.played
        microseconds = round((times[start] - own * lead_in.played) / silent)
        yield TempoEvent(Fraction(0), microseconds)
        if lead_in.played:
            yield TempoEvent(silent, own)
        now = microseconds * silent + own * lead_in.played
    elif abs(times[start]) > TOLERANCE_S * MICROSECONDS_PER_SECOND:
        # The first beat alone makes up for what the song starts beside the file's first line.
        microseconds = round(times[start + 1] / step)
        yield TempoEvent(Fraction(0), microseconds)
        start, now, quarter = start + 1, microseconds * step, step
    while start < len(times) - 1:
        end, microseconds = _longest_line(times, start, now, step)
        yield TempoEvent(quarter, microseconds)
        quarter += (end - start) * step
        now += (end - start) * step * microseconds
        start = end


def _in_microseconds(beats: Beats) -> list[int]:
    return [round(float(time_s) * MICROSECONDS_PER_SECOND) for time_s in beats.times_s]


def _tempo_from(beats: Beats, start: int) -> int:
    """Microseconds for a quarter note from a beat on, for as long as one tempo keeps to the beats."""
    times = _in_microseconds(beats)
    return _longest_line(times, start, Fraction(times[start]), beats.signature.beat_quarters)[1]


def _longest_line(times: list[int], start: int, now: Fraction, step: Fraction) -> tuple[int, int]:
    """Last beat that one tempo from beat `start`, at time `now`, reaches with all between on time; and that tempo.

    The first line has the tempo of its beats, if it keeps to them, whatever `now` is beside the first of them: a song
    that starts 3 ms late is no slower. Later ones end on a beat.

    This is the swing filter of H. Elmeleegy et al., "Online piece-wise linear approximation of numerical streams with
    precision guarantees", 2009: a cone of slopes that narrows beat by beat.
    """
    tolerance = round(TOLERANCE_S * MICROSECONDS_PER_SECOND)
    slowest, fastest = None, 1
    end = start
    for beat in range(start + 1, len(times)):
        quarters = (beat - start) * step
        low = max(fastest, ceil((times[beat] - tolerance - now) / quarters))
        high = floor((times[beat] + tolerance - now) / quarters)
        high = high if slowest is None else min(slowest, high)
        if low > high:
            break
        fastest, slowest, end = low, high, beat
    wanted = round((times[end] - (now if now else times[start])) / ((end - start) * step))
    return end, min(max(wanted, fastest), slowest or wanted)


def _merged(tempos: Iterator[TempoEvent]) -> list[TempoEvent]:
    """Without events that repeat the tempo before them."""
    kept: list[TempoEvent] = []
    for event in tempos:
        if not kept or kept[-1].microseconds != event.microseconds:
            kept.append(event)
    return kept
