"""General MIDI through libfluidsynth, every MIDI channel on an output of its own.

Called through ctypes: the command line tool renders one mix per run and loads the soundfont each time, and the Python
binding does not offer `fluid_synth_process`, the only call that returns channels apart.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.errors import OptionError
from mix2midi.training.company.score import Rng, Score
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import seconds_to_samples, unit_to_velocity

# Players sit on MIDI channels 0 to 8, below the drum channel.
MAX_PLAYERS = 9
# Timpani, orchestra hit, and the General MIDI percussion and effects groups hold drums or noises like them.
FORBIDDEN_PROGRAMS = frozenset({47, 55, 112, 113, 114, 115, 116, 117, 118, 119, 125, 126, 127})
_FLUID_OK = 0
_BLOCK = 64


@dataclass(frozen=True)
class Player:
    """One General MIDI program (0..127) and the notes it plays, in beats."""

    program: int
    notes: Sequence[tuple[float, float, int, float]]


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("fluidsynth")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    for function in ("new_fluid_settings", "new_fluid_synth", "fluid_synth_get_sfont"):
        getattr(library, function).restype = ctypes.c_void_p
    library.new_fluid_synth.argtypes = [ctypes.c_void_p]
    library.fluid_settings_setnum.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_double]
    library.fluid_settings_setint.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.fluid_synth_sfload.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    for function, n_arguments in (("program_change", 2), ("noteon", 3), ("noteoff", 2), ("pin_preset", 3)):
        getattr(library, f"fluid_synth_{function}").argtypes = [ctypes.c_void_p] + [ctypes.c_int] * n_arguments
    library.fluid_synth_get_sfont.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    for function in ("add_sfont", "remove_sfont"):
        getattr(library, f"fluid_synth_{function}").argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.delete_fluid_synth.argtypes = [ctypes.c_void_p]
    one_pass = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    library.fluid_synth_process.argtypes = one_pass
    # Missing programs are replaced by the piano; the library's warnings about it would flood the terminal.
    library.fluid_set_log_function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    for level in range(5):
        library.fluid_set_log_function(level, None, None)
    return library


def has_fluidsynth() -> bool:
    """Whether libfluidsynth can be loaded on this machine."""
    return _library() is not None


@dataclass(frozen=True, eq=False)
class _Font:
    """A soundfont in memory: the library, the synthesiser that keeps it, its handle and its number."""

    library: ctypes.CDLL
    keeper: ctypes.c_void_p
    handle: ctypes.c_void_p
    number: int


def _new_synth(library: ctypes.CDLL, n_outputs: int = 1) -> ctypes.c_void_p:
    settings = library.new_fluid_settings()
    for name, number in ((b"synth.sample-rate", float(RATE_HZ)), (b"synth.gain", 0.4)):
        library.fluid_settings_setnum(settings, name, number)
    for name, count in (
        (b"synth.audio-channels", n_outputs),
        (b"synth.audio-groups", n_outputs),
        (b"synth.reverb.active", 0),
        (b"synth.chorus.active", 0),
        (b"synth.dynamic-sample-loading", 1),
        (b"synth.lock-memory", 0),
        (b"synth.threadsafe-api", 0),
    ):
        library.fluid_settings_setint(settings, name, count)
    # The settings live as long as the synthesiser, a few kilobytes for each clip.
    return ctypes.c_void_p(library.new_fluid_synth(settings))


@lru_cache(maxsize=6)
def _loaded_font(soundfont: Path) -> _Font:
    """The library and a soundfont in memory, kept by a synthesiser that never plays."""
    library = _library()
    if library is None:
        raise OptionError("libfluidsynth is not installed; install fluidsynth or leave soundfonts out of the recipe")
    keeper = _new_synth(library)
    number = library.fluid_synth_sfload(keeper, str(soundfont).encode(), 1) if soundfont.is_file() else -1
    if number < _FLUID_OK:
        raise OptionError(f"{soundfont}: not a soundfont that fluidsynth can load; correct the recipe")
    return _Font(library, keeper, ctypes.c_void_p(library.fluid_synth_get_sfont(keeper, 0)), number)


def render_players(
    score: Score, players: Sequence[Player], soundfont: Path, rng: Rng, *, jitter_s: float = 0.004
) -> NDArray[np.float32]:
    """Play each player on an output of its own.

    Parameters
    ----------
    score : Score
        Turns beats into seconds.
    players : sequence of Player
        At most 9; programs of drums are refused.
    soundfont : Path
    rng : numpy Generator
    jitter_s : float
        Standard deviation of the players' timing.

    Returns
    -------
    stems : float32 [player, samples]
        Mono, 44.1 kHz, `score.duration_s` long.

    Raises
    ------
    OptionError
        For a drum program, too many players, or a soundfont that cannot be loaded.
    """
    _check_players(players)
    font = _loaded_font(soundfont)
    library = font.library
    # A synthesiser that has played starts the next clip's voices differently: take a new one each time.
    synth = _new_synth(library, len(players))
    library.fluid_synth_add_sfont(synth, font.handle)
    for channel, player in enumerate(players):
        # Pinned samples stay decoded from clip to clip: unpacking them takes longer than playing.
        library.fluid_synth_pin_preset(font.keeper, font.number, 0, player.program)
        library.fluid_synth_program_change(synth, channel, player.program)
    events = _events(score, players, rng, jitter_s)
    n_samples = seconds_to_samples(score.duration_s, RATE_HZ)
    stereo = _process(library, synth, events, len(players), n_samples)
    library.fluid_synth_remove_sfont(synth, font.handle)
    library.delete_fluid_synth(synth)
    return 0.5 * (stereo[0::2] + stereo[1::2])


def _check_players(players: Sequence[Player]) -> None:
    if not 0 < len(players) <= MAX_PLAYERS:
        raise OptionError(f"{len(players)} players for one soundfont pass; give 1 to {MAX_PLAYERS}")
    for player in players:
        if player.program in FORBIDDEN_PROGRAMS or not 0 <= player.program <= 127:
            raise OptionError(f"General MIDI program {player.program} is a drum or unknown; choose another")


def _events(score: Score, players: Sequence[Player], rng: Rng, jitter_s: float) -> list[tuple[int, int, int, int, int]]:
    """(sample, is_on, channel, pitch, velocity), sorted; offs come before ons at the same sample."""
    last = score.n_beats - 1e-3
    events = []
    for channel, player in enumerate(players):
        for start_beat, length_beats, pitch, strength in player.notes:
            shift_s = rng.normal(0.0, jitter_s)
            start_s = max(0.0, score.seconds(start_beat) + shift_s)
            stop_s = max(start_s + 0.02, score.seconds(min(start_beat + length_beats, last)) + shift_s)
            velocity = int(unit_to_velocity(strength * rng.uniform(0.85, 1.0)))
            events.append((seconds_to_samples(start_s, RATE_HZ), 1, channel, int(np.clip(pitch, 12, 120)), velocity))
            events.append((seconds_to_samples(stop_s, RATE_HZ), 0, channel, int(np.clip(pitch, 12, 120)), 0))
    return sorted(events)


def _process(
    library: ctypes.CDLL,
    synth: ctypes.c_void_p,
    events: Sequence[tuple[int, int, int, int, int]],
    n_players: int,
    n_samples: int,
) -> NDArray[np.float32]:
    """Sound of all outputs, left and right in turn [2 * player, samples]; events act at whole blocks, as inside."""
    stereo = np.zeros((2 * n_players, n_samples), dtype=np.float32)
    rows = stereo.ctypes.data + stereo.strides[0] * np.arange(2 * n_players, dtype=np.uint64)
    done = 0
    for sample, is_on, channel, pitch, velocity in events:
        until = min(sample // _BLOCK * _BLOCK, n_samples)
        if until > done:
            addresses = rows + np.uint64(4 * done)
            library.fluid_synth_process(synth, until - done, 0, None, 2 * n_players, addresses.ctypes.data)
            done = until
        if is_on:
            library.fluid_synth_noteon(synth, channel, pitch, velocity)
        else:
            library.fluid_synth_noteoff(synth, channel, pitch)
    if n_samples > done:
        addresses = rows + np.uint64(4 * done)
        library.fluid_synth_process(synth, n_samples - done, 0, None, 2 * n_players, addresses.ctypes.data)
    return stereo
