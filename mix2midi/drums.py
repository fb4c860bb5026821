"""Which drums there are: the rows of the heat map, their notes, names and families.

Notes are General MIDI's. Where a recording or a data set knows finer shades (a head and a rim, two crashes), several
notes share one row; `piece_of_note` says which.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """One drum that the transcriber tells apart.

    Attributes
    ----------
    key : str
        Name used in recipes, note maps and scores, such as ``"closed_hat"``.
    label : str
        Name for people, and in CSV and JSON, such as ``"closed hi-hat"``.
    note : int
        General MIDI note that is written for it, 35 to 81.
    family : str
        One of `FAMILIES`, or ``"percussion"``.
    aliases : tuple of int
        Further notes that are read as this piece: General MIDI's and Roland's of the Groove MIDI Dataset.
    """

    key: str
    label: str
    note: int
    family: str
    aliases: tuple[int, ...] = ()


#: The five classes in which the field compares transcribers (MIREX, ADTOF).
FAMILIES = ("kick", "snare", "toms", "hats", "cymbals")

PIECES: tuple[Piece, ...] = (
    Piece("kick", "kick", 36, "kick", (35,)),
    Piece("snare", "snare", 38, "snare", (40,)),
    Piece("side_stick", "side stick", 37, "snare"),
    Piece("clap", "hand clap", 39, "snare"),
    Piece("closed_hat", "closed hi-hat", 42, "hats", (22,)),
    Piece("pedal_hat", "pedal hi-hat", 44, "hats"),
    Piece("open_hat", "open hi-hat", 46, "hats", (26,)),
    Piece("high_tom", "high tom", 48, "toms", (50,)),
    Piece("mid_tom", "mid tom", 45, "toms", (47,)),
    Piece("low_tom", "low tom", 43, "toms", (41, 58)),
    Piece("crash", "crash", 49, "cymbals", (57,)),
    Piece("ride", "ride", 51, "cymbals", (59,)),
    Piece("bell", "ride bell", 53, "cymbals"),
    Piece("china", "china", 52, "cymbals"),
    Piece("splash", "splash", 55, "cymbals"),
    Piece("tambourine", "tambourine", 54, "percussion"),
    Piece("cowbell", "cowbell", 56, "percussion"),
)

PIECES_BY_KEY = {piece.key: piece for piece in PIECES}
#: Keys of what a drummer has as a set: toms from the highest to the lowest, and hats from shut to open.
TOMS, HATS = (tuple(piece.key for piece in PIECES if piece.family == family) for family in ("toms", "hats"))
_PIECES_BY_NOTE = {note: piece for piece in PIECES for note in (piece.note, *piece.aliases)}


def piece_of_note(note: int) -> Piece | None:
    """The piece that a General MIDI note belongs to, or None where no row stands for it."""
    return _PIECES_BY_NOTE.get(note)


def family_of_note(note: int) -> str | None:
    """One of `FAMILIES`, or None for percussion and notes that are not known."""
    piece = piece_of_note(note)
    return piece.family if piece is not None and piece.family in FAMILIES else None


def name_of_note(note: int) -> str:
    """Name for people; ``"note 70"`` where none is known."""
    piece = piece_of_note(note)
    return piece.label if piece is not None else f"note {note}"
