"""What the user may ask of time, velocities and the MIDI file, in the words of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mix2midi.errors import OptionError
from mix2midi.postprocess import (
    ArrangeOptions,
    BeatOptions,
    MidiLayout,
    NoteMap,
    QuantizeOptions,
    TimeSignature,
    VelocityOptions,
    load_note_map,
)

#: Ways to set velocities; the last two are followed by a colon and a value.
VELOCITY_MODES = ("model", "fixed", "match")


@dataclass(frozen=True, slots=True)
class MidiOptions:
    """Time, velocities and layout of the MIDI file; the defaults keep hits as they were heard.

    Every value is checked when the options are made, files that are named are read.

    Attributes
    ----------
    tempo : str
        ``"map"``: tempo events on the song's beats. ``"constant"``: one tempo.
    tempo_bpm : float, optional
        Quarter notes per minute. With a map it says roughly where to look; a constant tempo becomes exactly this.
    time_signature : str, optional
        Such as ``"3/4"``; heard by default.
    downbeat_s : float, optional
        Time of a bar line, any of them.
    quantize : str, optional
        A grid, see `mix2midi.postprocess.QuantizeOptions`; by default nothing is moved.
    strength : float, optional
        0 to 100, how much of the way hits go; all of it by default. Needs `quantize`, as the next two do.
    swing : float or str, optional
        50 (straight, the default) to 75, or ``"auto"``.
    keep_flams : bool
        Whether grace notes keep their distance to the main hit. Only `quantize` can take it from them.
    velocity : str
        ``"model"``: as heard; ``"fixed:100"``: all alike; ``"match:groove.mid"``: each drum takes over the distribution
        that it has in that file.
    velocity_range : tuple of int, optional
        Velocities of the softest and the loudest hit.
    velocity_curve : float, optional
        Exponent; below 1 lifts soft hits.
    note_map : str, optional
        Name of a drum library, or a YAML file; General MIDI by default.
    tracks, format, ppq, channel
        See `mix2midi.postprocess.MidiLayout`.

    Raises
    ------
    OptionError
        A value is not known, out of range, or at odds with another one; a file that is named cannot be used.
    """

    tempo: str = "map"
    tempo_bpm: float | None = None
    time_signature: str | None = None
    downbeat_s: float | None = None
    quantize: str | None = None
    strength: float | None = None
    swing: float | str | None = None
    keep_flams: bool = True
    velocity: str = VELOCITY_MODES[0]
    velocity_range: tuple[int, int] | None = None
    velocity_curve: float | None = None
    note_map: str | None = None
    tracks: str = "one"
    format: int = 1
    ppq: int = 960
    channel: int = 10

    def __post_init__(self) -> None:
        self._check_types()
        self.to_arrange().velocity.apply([])
        self.to_layout()
        self.load_note_map()

    def _check_types(self) -> None:
        """From Python come values that the command line cannot give."""
        if self.quantize is not None and not isinstance(self.quantize, str):
            raise OptionError(f"quantize {self.quantize!r} is no name of a grid, such as '1/16'")
        if self.swing is not None and not isinstance(self.swing, Real | str):
            raise OptionError(f"swing {self.swing!r} is neither a number nor 'auto'")
        for name in ("tempo_bpm", "downbeat_s", "strength", "velocity_curve"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Real):
                raise OptionError(f"{name} {value!r} is no number")
        if self.velocity_range is not None and not _are_two_numbers(self.velocity_range):
            raise OptionError(f"velocity_range {self.velocity_range!r} is not two whole numbers, such as (20, 110)")
        if not isinstance(self.keep_flams, bool):
            raise OptionError(f"keep_flams {self.keep_flams!r} is neither True nor False")

    def to_arrange(self) -> ArrangeOptions:
        """What concerns the hits."""
        signature = None if self.time_signature is None else TimeSignature.parse(self.time_signature)
        beats = BeatOptions(self.tempo_bpm, signature, self.downbeat_s)
        return ArrangeOptions(self.tempo, beats, self._to_quantize(), self._to_velocity())

    def to_layout(self) -> MidiLayout:
        """What concerns the file."""
        return MidiLayout(self.format, self.ppq, self.channel, self.tracks)

    def load_note_map(self) -> NoteMap | None:
        """Notes of the drum library; None for General MIDI."""
        return None if self.note_map is None else load_note_map(str(self.note_map))

    def _to_quantize(self) -> QuantizeOptions | None:
        given: dict[str, Any] = {"strength": self.strength, "swing": self.swing}
        given = {name: value for name, value in given.items() if value is not None}
        if self.quantize is not None:
            return QuantizeOptions(self.quantize, keep_flams=self.keep_flams, **given)
        if not self.keep_flams:
            raise OptionError("without a grid nothing is moved, flams neither; add one, as in --quantize 1/16")
        for name, value in given.items():
            raise OptionError(f"a {name} of {value} moves nothing without a grid; add one, as in --quantize 1/16")
        return None

    def _to_velocity(self) -> VelocityOptions:
        mode, _, value = str(self.velocity).partition(":")
        if mode not in VELOCITY_MODES or bool(value) == (mode == "model"):
            raise OptionError(f"velocity {self.velocity!r} is not known; give model, fixed:100 or match:groove.mid")
        if mode == "fixed" and not (value.isdecimal() and len(value) <= 3):
            raise OptionError(f"velocity {self.velocity!r} is no number; give one like fixed:100")
        return VelocityOptions(
            match=Path(value) if mode == "match" else None,
            curve=self.velocity_curve,
            range=self.velocity_range,
            fixed=int(value) if mode == "fixed" else None,
        )


def _are_two_numbers(values: Any) -> bool:
    try:
        return len(values) == 2 and all(isinstance(value, Integral) for value in values)
    except TypeError:
        return False
