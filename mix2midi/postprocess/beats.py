"""What beats, bars and time signatures are, and what a user may know of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.postprocess.tempo_map import microseconds_of_tempo

#: More in a bar the decoder of beats does not hold; beats longer than a quarter note are followed in quarters.
MAX_BEATS_PER_BAR = 15
#: A frame and a half of the network that hears beats; beyond it nothing can be counted.
MAX_COUNTED_BPM = 2000.0


@dataclass(frozen=True, slots=True)
class TimeSignature:
    """A time signature, such as 6/8.

    Raises
    ------
    OptionError
        The numerator is not 1 to 32, or the denominator no power of two up to 32.
    """

    numerator: int = 4
    denominator: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.numerator <= 32 or self.denominator not in (1, 2, 4, 8, 16, 32):
            raise OptionError(f"time signature {self} is not known; give one like 4/4, 3/4 or 6/8")

    @classmethod
    def parse(cls, text: str) -> TimeSignature:
        """Read ``"6/8"``. Raises `OptionError` for what is no time signature."""
        numerator, _, denominator = str(text).strip().partition("/")
        if not (numerator.isdecimal() and denominator.isdecimal()):
            raise OptionError(f"time signature {text!r} is not known; give one like 4/4, 3/4 or 6/8")
        return cls(int(numerator), int(denominator))

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def beat_quarters(self) -> Fraction:
        """Length of a counted beat in quarter notes."""
        return Fraction(4, self.denominator)

    @property
    def bar_quarters(self) -> Fraction:
        """Length of a bar in quarter notes."""
        return self.numerator * self.beat_quarters


@dataclass(frozen=True)
class Beats:
    """Where the beats of a song are.

    Attributes
    ----------
    times_s : ndarray [shape=(beats,), float64]
        Rising, at least two, from the first beat of the song, by a beat before 0 s at most, to beyond its end.
    position : ndarray [shape=(beats,), int64]
        Position in the bar; 1 is a downbeat.
    signature : TimeSignature
        Its denominator is the note value that is counted.
    reason : str
        Why this is a guess; empty where it was heard.
    """

    times_s: NDArray[np.float64]
    position: NDArray[np.int64]
    signature: TimeSignature = TimeSignature()
    reason: str = ""

    @property
    def downbeats_s(self) -> NDArray[np.float64]:
        """Times of the bar lines."""
        return self.times_s[self.position == 1]

    @property
    def tempo_bpm(self) -> float:
        """Mean tempo in quarter notes per minute."""
        beat_s = (self.times_s[-1] - self.times_s[0]) / (len(self.times_s) - 1)
        return float(60.0 / beat_s * self.signature.beat_quarters)

    def quarters(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Position of times in quarter notes from the first downbeat; outside the beats the nearest tempo goes on."""
        return np.asarray(_extrapolate(times_s, self.times_s, self._beat_quarters()), dtype=np.float64)

    def seconds(self, quarters: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of `quarters`."""
        return np.asarray(_extrapolate(quarters, self._beat_quarters(), self.times_s), dtype=np.float64)

    def _beat_quarters(self) -> NDArray[np.float64]:
        """Position of each beat in quarter notes; beats before the first downbeat are negative."""
        first = int(np.argmax(self.position == 1))
        steps = np.arange(len(self.times_s)) - first
        return np.asarray(steps * float(self.signature.beat_quarters), dtype=np.float64)


def _extrapolate(x: NDArray[np.float64], xp: NDArray[np.float64], fp: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation that goes on with the first and the last slope outside."""
    index = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, len(xp) - 2)
    slope = (fp[index + 1] - fp[index]) / (xp[index + 1] - xp[index])
    value: NDArray[np.float64] = fp[index] + (x - xp[index]) * slope
    return value


@dataclass(frozen=True, slots=True)
class BeatOptions:
    """What the user knows about the song's time; what is None is found out.

    Attributes
    ----------
    tempo_bpm : float, optional
        Quarter notes per minute, roughly.
    signature : TimeSignature, optional
    downbeat_s : float, optional
        Time of one downbeat, any.

    Raises
    ------
    OptionError
        The tempo cannot be stored in a MIDI file, the downbeat is before the start, the bar is too long or its beats
        are too fast to follow.
    """

    tempo_bpm: float | None = None
    signature: TimeSignature | None = None
    downbeat_s: float | None = None

    def __post_init__(self) -> None:
        if self.tempo_bpm is not None:
            microseconds_of_tempo(self.tempo_bpm)
        signature = self.signature
        if signature is not None and max(signature.numerator, float(signature.bar_quarters)) > MAX_BEATS_PER_BAR:
            raise OptionError(
                f"time signature {signature} is too long to follow; at most {MAX_BEATS_PER_BAR} beats or quarter notes"
            )
        if self.tempo_bpm is not None and self.signature is not None:
            beats_per_minute = self.tempo_bpm / float(self.signature.beat_quarters)
            if beats_per_minute > MAX_COUNTED_BPM:
                raise OptionError(
                    f"{self.tempo_bpm:g} BPM in {self.signature} are {beats_per_minute:g} beats a minute, too many to "
                    f"follow; at most {MAX_COUNTED_BPM:g}"
                )
        if self.downbeat_s is not None and not 0.0 <= self.downbeat_s < np.inf:
            raise OptionError(f"a downbeat at {self.downbeat_s:g} s is not in the song; give seconds from its start")
