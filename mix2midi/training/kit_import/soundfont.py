"""Drum kits of SoundFonts: the presets of bank 128, played note by note through fluidsynth."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES
from mix2midi.errors import OptionError
from mix2midi.training.kit_import.source import Recording, SourceKit, SourceSample, read_recording
from mix2midi.training.kits import RATE_HZ

_DRUM_BANK = 128
_DRUM_CHANNEL = 9
#: Roland's GS and all who follow it: program 56 holds applause and gunshots, and 48 has timpani where toms are.
_EFFECTS_KIT, _ORCHESTRA_KIT, _TIMPANI = 56, 48, range(41, 54)
#: Which layers a soundfont has cannot be heard beforehand; `library` drops those that are one sample at two levels.
VELOCITIES = (40, 80, 120)
_SLOT_S = 4.0  # for each hit, ringing included
_HELD_S = 3.9
_TICKS_PER_SECOND = 1000
_NOTES = tuple(sorted({note for piece in PIECES for note in (piece.note, *piece.aliases) if 35 <= note <= 59}))
_ORDERS = tuple((note, velocity) for note in _NOTES for velocity in VELOCITIES)
_ALL_SOUND_OFF = 120  # controller that ends what still rings, so that it is not heard in the next hit


def read_soundfont(path: Path) -> list[SourceKit]:
    """Read all drum kits of an .sf2 or .sf3 file.

    Raises
    ------
    OptionError
        It is no soundfont, holds no drum kits, or fluidsynth is not installed.
    """
    presets = [(program, name) for program, name in drum_presets(path) if program != _EFFECTS_KIT]
    if not presets:
        raise OptionError(f"{path}: no drum kit in this soundfont (no preset in bank 128)")
    if shutil.which("fluidsynth") is None:
        raise OptionError(f"{path}: soundfonts are played by fluidsynth, which is not installed; install it")
    kits = []
    for program, name in presets:
        samples = [
            SourceSample(f"{name}: note {note}", note, velocity, partial(_read_hit, path, program, note, velocity))
            for note, velocity in _ORDERS
            if program != _ORCHESTRA_KIT or note not in _TIMPANI
        ]
        kits.append(SourceKit(f"{path.stem}_{program}", path.name, None, samples))
    return kits


def drum_presets(path: Path) -> list[tuple[int, str]]:
    """Program number and name of each preset in bank 128.

    Parameters
    ----------
    path : Path
        A RIFF file as the SoundFont 2.04 specification (Creative, 2006) describes it.

    Raises
    ------
    OptionError
        It is no soundfont.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror})") from error
    start = data.rfind(b"phdr")  # preset headers lie in the last list of the file
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk" or start < 0 or start + 8 > len(data):
        raise OptionError(f"{path}: not a soundfont")
    (length,) = struct.unpack_from("<I", data, start + 4)
    table = data[start + 8 : start + 8 + length]
    headers = [struct.unpack_from("<20sHH", table, at) for at in range(0, len(table) - 37, 38)]
    return sorted(
        (program, name.split(b"\0")[0].decode("latin-1").strip())
        for name, program, bank in headers[:-1]  # the last one only marks the end
        if bank == _DRUM_BANK
    )


def _read_hit(path: Path, program: int, note: int, velocity: int) -> Recording:
    return _render_hits(path, program)[note, velocity], RATE_HZ


@lru_cache(maxsize=1)  # all hits of a preset are asked for in a row
def _render_hits(path: Path, program: int) -> dict[tuple[int, int], NDArray[np.float32]]:
    audio = _render(path, program)
    slot = round(_SLOT_S * RATE_HZ)
    return {order: audio[index * slot : (index + 1) * slot] for index, order in enumerate(_ORDERS)}


def _render(path: Path, program: int) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory(prefix="mix2midi-") as folder:
        midi, wave = Path(folder, "hits.mid"), Path(folder, "hits.wav")
        _write_hits(midi, program)
        options = ["-q", "-n", "-i", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE_HZ), "-T", "wav", "-O", "float"]
        # Where it cannot load a font, it would play the system's instead.
        options += ["-o", "synth.default-soundfont="]
        command: Sequence[str] = ["fluidsynth", *options, "-F", str(wave), str(path.resolve()), str(midi)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        audio = read_recording(wave, str(path))[0] if done.returncode == 0 and wave.is_file() else np.zeros(0)
    if not audio.any():  # it tells of a font that it cannot load, and then plays silence
        reason = (done.stderr.strip().splitlines() or ["no sound"])[-1]
        raise OptionError(f"{path}: fluidsynth could not play it ({reason})")
    return np.asarray(audio.mean(axis=1) if audio.ndim > 1 else audio, dtype=np.float32)


def _write_hits(path: Path, program: int) -> None:
    import mido

    midi = mido.MidiFile(ticks_per_beat=_TICKS_PER_SECOND // 2)  # 120 beats a minute where no tempo is given
    track = mido.MidiTrack()
    midi.tracks.append(track)
    track.append(mido.Message("program_change", channel=_DRUM_CHANNEL, program=program, time=0))
    held = round(_HELD_S * _TICKS_PER_SECOND)
    pause = round(_SLOT_S * _TICKS_PER_SECOND) - held
    for index, (note, velocity) in enumerate(_ORDERS):
        wait = pause if index else 0
        track.append(mido.Message("note_on", channel=_DRUM_CHANNEL, note=note, velocity=velocity, time=wait))
        track.append(mido.Message("control_change", channel=_DRUM_CHANNEL, control=_ALL_SOUND_OFF, time=held))
    track.append(mido.MetaMessage("end_of_track", time=pause))
    midi.save(path)
