"""Which drum a file or an instrument is, by its name: "BD 909", "HiHatOpen_02", "Floor Tom (16 inch)"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mix2midi.drums import PIECES_BY_KEY, piece_of_note

#: A tom of which nobody says whether it is high or low; `library` decides by pitch.
ANY_TOM = -1
_RIM_SHOT_NOTE = 40  # General MIDI's second snare

_HATS_IN_CAPITALS = re.compile(r"(?<![A-Z])HH(?=[a-z])")  # "HHcl" is one word, and "HHClosed" two
_WORD_BORDERS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_NO_SINGLE_HIT = re.compile(
    r"loops?\b|grooves?\b|break ?beat|\bfills?\b|\b(rolls?|flams?|drags?|rev|reversed?|chokes?|swells?)\b"
)
_STATE = r"closed|open|half|pedal|foot"
_HAT = rf"(hats?\b|hi ?hat|\b({_STATE}|[cop])?hh({_STATE}|cl|op|[cop])?\b|cymbal (closed|open|pedal))"
_TOM = r"(?<!cus)(?<!bot)(?<!phan)(?<!\ba)(?<!s)tom(?!p)|\b[hml]t\b"
#: The first pattern that is found decides.
_RULES: tuple[tuple[str | int, re.Pattern[str]], ...] = tuple(
    (drum, re.compile(pattern))
    for drum, pattern in (
        ("cowbell", r"cow ?b"),
        ("tambourine", r"tambo?u?r|\btamb?\b"),
        ("clap", r"clap"),
        (_RIM_SHOT_NOTE, r"(snare|\bsn?r?d?\b).*rim ?shot|rim ?shot.*snare"),
        ("side_stick", r"(side|cross|x) ?stick|\brim|rim ?(shot|click)"),
        (
            "pedal_hat",
            rf"{_HAT}.*(pedal|foot|chick|\b(pd|ped)\b)|(pedal|foot|\bped\b).*{_HAT}|{_HAT} ?p\b|\b(hhp|phh)\b"
            "|(pedal|foot)hh|hh(pedal|foot)|cymbal pedal",
        ),
        (
            "open_hat",
            rf"{_HAT}.*(open|half|semi|loose|slosh|\bop\b)|(open|half|semi|loose|\bop\b).*{_HAT}|{_HAT} ?o\b"
            r"|\b(hho|ohh|hhop)\b|(open|half)hh|hh(open|half)|cymbal open",
        ),
        ("closed_hat", _HAT),
        ("low_tom", r"\bfloor\b|floor ?tom|\bft\b"),
        ("high_tom", rf"({_TOM}).*\b(high|hi|small)\b|(\b(high|hi|small)|high) ?({_TOM})|\bht\b"),
        ("low_tom", rf"({_TOM}).*\b(low|lo|large)\b|(\b(low|lo|large)|low) ?({_TOM})|\blt\b"),
        ("mid_tom", rf"({_TOM}).*\b(mid|middle|medium)\b|(mid|middle|medium) ?({_TOM})|\bmt\b"),
        (ANY_TOM, _TOM),
        ("bell", r"(ride|crash|cymbal|cup|paiste|zildjian|sabian|meinl).*bell|bell.*ride|ride ?cup|^bell( \d+)*$"),
        ("china", r"china|chinese"),
        ("splash", r"splash"),
        ("crash", r"crash"),
        ("ride", r"\bride|ride\b|\brd\b"),
        ("crash", r"cymb|\b(cy|cym|cr)\b"),
        ("snare", r"snare|\b(sn|snr|sd)\b"),
        ("kick", r"kick|\b(kik|kck|bd|b d|kd)\b|bass ?drum|drum bass|\bk ?drum"),
        # What stands for other things as well: overheads, channels, compressors.
        ("open_hat", r"\boh\b"),
        ("closed_hat", r"\bch\b"),
        ("clap", r"\bcp\b"),
        ("cowbell", r"\bcb\b"),
        ("side_stick", r"\b(stick|ss|rs)\b"),
    )
)
#: Of drums that a name may mean by its family alone, what it says where it means them: "HH 1" may be of an open hat.
_OUTRIGHT = {
    PIECES_BY_KEY["closed_hat"].note: re.compile(r"closed|tight|\b(cl?|ch|chh|hhc|hhcl)\b"),
    PIECES_BY_KEY["crash"].note: re.compile(r"crash|\bcr\b"),
}


def note_of_name(name: str) -> int | None:
    """General MIDI note of the drum that a name means.

    Parameters
    ----------
    name : str
        Of a file (without its suffix), a folder or an instrument.

    Returns
    -------
    int or None
        `ANY_TOM` for a tom without a size; None where the name tells no drum of `mix2midi.drums.PIECES`, or says that
        the sample is more than one hit.
    """
    if is_no_single_hit(name):
        return None
    words = _words(name)
    drum = next((drum for drum, pattern in _RULES if pattern.search(words)), None)
    return PIECES_BY_KEY[drum].note if isinstance(drum, str) else drum


def is_no_single_hit(name: str) -> bool:
    """Whether a name says that a sample is a loop, a roll or the like: then no folder or key makes it a hit."""
    return _NO_SINGLE_HIT.search(_words(name)) is not None


def note_of_names(names: Sequence[str]) -> int | None:
    """The same of a sample with several names, the nearest first, such as its own and its folder's.

    A name that tells nothing alone may tell more of what the next one means: "open" in "HiHat". One that tells the
    family alone leaves the drum to the others: "HH 1" in "HiHat/Open", "Tom 1" in "Toms/Floor".
    """
    if is_no_single_hit(names[0]):
        return None
    joined = (" ".join(reversed(names[: count + 1])) for count in range(len(names)))
    note = next((note for note in map(note_of_name, joined) if note is not None), None)
    if note is None or len(names) == 1 or not _tells_family_alone(names[0], note):
        return note
    outer = note_of_names(names[1:])
    return outer if outer is not None and _family(outer) == _family(note) else note


def _tells_family_alone(name: str, note: int) -> bool:
    if note_of_name(name) != note:
        return False
    return note == ANY_TOM or (note in _OUTRIGHT and _OUTRIGHT[note].search(_words(name)) is None)


def split_words(name: str) -> str:
    """With spaces where letters and figures meet and where capitals begin a word: "SnareV1" is "Snare V 1"."""
    return _WORD_BORDERS.sub(" ", _HATS_IN_CAPITALS.sub("hh", name))


def _words(name: str) -> str:
    return re.sub(r"[\W_]+", " ", split_words(name)).strip().lower()


def settle_notes(named: Sequence[tuple[str, int | None]]) -> list[int | None]:
    """Notes of all instruments of a kit, of whose names and MIDI notes some tell nothing and some are wrong.

    Names are believed first. The kit's own notes stand in where a name tells nothing, if most of those whose names
    do tell something agree with them: many kits number their instruments from 36 up, whatever they are.

    Parameters
    ----------
    named : sequence of (name, note or None)

    Returns
    -------
    list of int or None
        As from `note_of_name`, in the order of `named`.
    """
    by_name = [note_of_name(name) for name, _ in named]
    believed = _are_credible((told, note) for told, (_, note) in zip(by_name, named, strict=True))
    return [
        _known(note) if told is None and believed and not is_no_single_hit(name) else told
        for told, (name, note) in zip(by_name, named, strict=True)
    ]


def _are_credible(pairs: Iterable[tuple[int | None, int | None]]) -> bool:
    stated = [(told, note) for told, note in pairs if note is not None]
    judged = [_same_family(told, note) for told, note in stated if told is not None]
    if judged:
        return sum(judged) > len(judged) / 2
    return len({_known(note) for _, note in stated} - {None}) >= min(3, len(stated))


def _same_family(told: int, note: int) -> bool:
    return _family(note) == _family(told)


def _family(note: int) -> str | None:
    return "toms" if note == ANY_TOM else getattr(piece_of_note(note), "family", None)


def _known(note: int | None) -> int | None:
    return note if note is not None and piece_of_note(note) is not None else None
