"""Where the beats lie: tempo and time signature over the length of a file, and the ticks of a time in seconds.

A MIDI file counts a quarter note in whole microseconds. All conversions here go through that whole number and never
through beats per minute, so an onset lands on the tick that a reader will place at the same time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise

from mix2midi.errors import OptionError

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_MINUTE = 60 * MICROSECONDS_PER_SECOND

#: Slower and faster tempos exist in theory; sequencers clamp them.
MIN_TEMPO_BPM = 5.0
MAX_TEMPO_BPM = 990.0


@dataclass(frozen=True, slots=True)
class TempoEvent:
    """From `quarter` on, a quarter note lasts `microseconds`.

    `quarter` counts quarter notes from the start of the file; a fraction where the beat is no quarter.
    """

    quarter: Fraction
    microseconds: int


@dataclass(frozen=True, slots=True)
class SignatureEvent:
    """From `quarter` on, which begins a bar, the time signature is ``numerator/denominator``."""

    quarter: Fraction
    numerator: int
    denominator: int


@dataclass(frozen=True)
class TempoMap:
    """Tempo and time signature of a file, from its first tick on.

    Attributes
    ----------
    tempos, signatures : sequences
        At least one each, the first at quarter 0, in rising order.
    """

    tempos: Sequence[TempoEvent]
    signatures: Sequence[SignatureEvent] = (SignatureEvent(Fraction(0), 4, 4),)

    @classmethod
    def constant(cls, tempo_bpm: float, numerator: int = 4, denominator: int = 4) -> TempoMap:
        """One tempo, in quarter notes per minute, and one time signature from start to end.

        Raises
        ------
        OptionError
            The tempo is outside `MIN_TEMPO_BPM` to `MAX_TEMPO_BPM`.
        """
        event = TempoEvent(Fraction(0), microseconds_of_tempo(tempo_bpm))
        return cls((event,), (SignatureEvent(Fraction(0), numerator, denominator),))

    @property
    def tempo_bpm(self) -> float:
        """The first tempo, in quarter notes per minute, as a reader of the file computes it."""
        return MICROSECONDS_PER_MINUTE / self.tempos[0].microseconds

    def seconds(self, quarter: Fraction) -> float:
        """Time of a position in quarter notes; before the file's start the first tempo holds."""
        index = max(0, bisect_right(self.tempos, quarter, key=lambda event: event.quarter) - 1)
        here = self.tempos[index]
        microseconds = self._elapsed_at_tempos[index] + (quarter - here.quarter) * here.microseconds
        return float(microseconds / MICROSECONDS_PER_SECOND)

    @cached_property
    def _elapsed_at_tempos(self) -> list[Fraction]:
        """Microseconds before each tempo event."""
        spans = pairwise(self.tempos)
        lengths = ((after.quarter - event.quarter) * event.microseconds for event, after in spans)
        return list(accumulate(lengths, initial=Fraction(0)))


def microseconds_of_tempo(tempo_bpm: float) -> int:
    """Whole microseconds per quarter note, as MIDI stores a tempo.

    Raises
    ------
    OptionError
        The tempo is not a number or outside `MIN_TEMPO_BPM` to `MAX_TEMPO_BPM`.
    """
    if not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM:
        raise OptionError(
            f"a tempo of {tempo_bpm:g} BPM is out of range; give {MIN_TEMPO_BPM:g} to {MAX_TEMPO_BPM:g} quarter notes "
            "per minute"
        )
    return round(MICROSECONDS_PER_MINUTE / tempo_bpm)


class TickClock:
    """Converts seconds to ticks and back under one tempo map and one resolution.

    Parameters
    ----------
    tempo_map : TempoMap
    ppq : int
        Ticks per quarter note.
    """

    def __init__(self, tempo_map: TempoMap, ppq: int) -> None:
        self.ppq = ppq
        self._ticks = [self.tick_of_quarter(event.quarter) for event in tempo_map.tempos]
        self._tempos = [event.microseconds for event in tempo_map.tempos]
        self._elapsed = self._elapsed_at_events()

    def _elapsed_at_events(self) -> list[int]:
        """Time of each tempo event in microseconds times `ppq`: a whole number, so that nothing adds up to drift."""
        elapsed = [0]
        for index, microseconds in enumerate(self._tempos[:-1]):
            elapsed.append(elapsed[-1] + (self._ticks[index + 1] - self._ticks[index]) * microseconds)
        return elapsed

    def tick_of_quarter(self, quarter: Fraction) -> int:
        """Tick of a position in quarter notes, to the nearest."""
        return round(quarter * self.ppq)

    def tick(self, time_s: float) -> int:
        """The tick nearest to a time."""
        elapsed = time_s * MICROSECONDS_PER_SECOND * self.ppq
        index = max(0, bisect_right(self._elapsed, elapsed) - 1)
        return self._ticks[index] + round((elapsed - self._elapsed[index]) / self._tempos[index])

    def seconds(self, tick: int) -> float:
        """Time of a tick."""
        index = max(0, bisect_right(self._ticks, tick) - 1)
        elapsed = self._elapsed[index] + (tick - self._ticks[index]) * self._tempos[index]
        return elapsed / (MICROSECONDS_PER_SECOND * self.ppq)
