"""Which files a song becomes, and what its picture shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mix2midi.errors import OptionError, OutputError
from mix2midi.files import PROGRAM, check_target
from mix2midi.postprocess.tables import COLUMNS
from mix2midi.scores import Reference

#: What can be written beside the MIDI file, and how its name ends.
EXTRA_SUFFIXES = {
    "csv": ".csv",
    "json": ".json",
    "plot": ".png",
    "activations": ".npz",
    "stem": ".drums.wav",
}
#: What tells files of this program: a phrase, the header of its tables, and the name of an array in its heat maps.
_MARKS = (PROGRAM.encode(), ",".join(COLUMNS).encode(), b"family_onset.npy")
_SEARCHED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """What the picture of a song shows.

    Attributes
    ----------
    range_s : tuple of float, optional
        Start and end in seconds; by default the whole song if it is short, else its first part with notes.
    reference : Reference, optional
        The true notes, to compare with; see `mix2midi.pipeline.references.read_reference`.

    Raises
    ------
    OptionError
        The range ends before it starts.
    """

    range_s: tuple[float, float] | None = None
    reference: Reference | None = None

    def __post_init__(self) -> None:
        if self.range_s is not None and not 0.0 <= self.range_s[0] < self.range_s[1]:
            raise OptionError(f"picture from {self.range_s[0]:g} to {self.range_s[1]:g} s: start must come before end")


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files that are to be written for one song; what is None is not.

    Attributes
    ----------
    midi, csv, json : Path or None
        The notes.
    plot : Path or None
        Picture, PNG.
    activations : Path or None
        The heat map as NumPy's ``.npz``, see `mix2midi.pipeline.write.write_activations`.
    stem : Path or None
        The separated drums, WAV.

    Raises
    ------
    OptionError
        Two files have the same path.
    """

    midi: Path | None = None
    csv: Path | None = None
    json: Path | None = None
    plot: Path | None = None
    activations: Path | None = None
    stem: Path | None = None

    @classmethod
    def beside(cls, midi: Path | str, extras: Collection[str] = ()) -> Outputs:
        """A MIDI file, and extras of its name; `extras` are keys of `EXTRA_SUFFIXES`."""
        midi = Path(midi)
        base = midi.with_suffix("") if midi.suffix.lower() in (".mid", ".midi") else midi
        return cls(midi, **{key: base.with_name(base.name + EXTRA_SUFFIXES[key]) for key in extras})

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, Path(value))
        paths = self.paths()
        if len(set(paths)) < len(paths):
            raise OptionError(f"{paths[0]}: stands for two of the files to be written; give each a path of its own")

    def paths(self) -> list[Path]:
        """All that is to be written, the MIDI file first."""
        values = [getattr(self, field.name) for field in fields(self)]
        return [value for value in values if value is not None]

    @property
    def need_heat_map(self) -> bool:
        """Whether a file shows more than notes."""
        return self.plot is not None or self.activations is not None

    def check(self) -> None:
        """Find out before minutes of work whether the files can be written at all.

        Raises
        ------
        OutputError
            See `mix2midi.files.check_target`.
        """
        for path in self.paths():
            check_target(path)

    def without_stem(self) -> Outputs:
        """The same without the stem, for what is not separated."""
        return replace(self, stem=None)

    def check_own(self) -> None:
        """Make sure that nothing is replaced which this program did not write.

        Raises
        ------
        OutputError
            A file is there, is not empty, and has no mark of this program.
        """
        for path in self.paths():
            if path.is_file() and path.stat().st_size and not is_own(path):
                raise OutputError(
                    f"{path}: is there and was not made by mix2midi; write elsewhere, or give --overwrite"
                )


def is_own(path: Path) -> bool:
    """Whether a file bears a mark of this program near its start or its end; False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_SEARCHED_BYTES)
            file.seek(max(0, path.stat().st_size - _SEARCHED_BYTES))
            return any(mark in part for part in (head, file.read()) for mark in _MARKS)
    except OSError:
        return False


def is_own_stem(path: Path) -> bool:
    """Whether `--save-stem` wrote a file in an earlier run over the same folder."""
    return path.name.endswith(EXTRA_SUFFIXES["stem"]) and is_own(path)
