"""wav, aiff, flac, ogg, opus and caf through libsndfile.

mp3 is left to FFmpeg although libsndfile reads it: both obey the LAME tag and start at the same sample, but libmpg123,
which libsndfile calls, prints its complaints about junk and missing frames straight to the terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mix2midi.audio.decoding import CHUNK_LENGTH, MAX_MISSING_S, AudioFormat, truncated_error
from mix2midi.audio.ogg import is_chained_ogg

#: First bytes of the files that libsndfile reads best.
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")

#: How libsndfile's log tells that a chunk should be longer than what is left of the file.
_SHORT_CHUNK = re.compile(r"^\s*(?:data|SSND|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)

#: Lengths from here on are placeholders of programs that wrote to a pipe, not promises.
_PLACEHOLDER_LENGTH = 0x7FFFF000

#: FLAC that was written to a pipe states no length; libsndfile then fails at its end.
_MAX_FRAMES = 2**62


def probe_sndfile(path: Path) -> AudioFormat | None:
    """Format of a file, or None where libsndfile does not read it.

    Raises
    ------
    AudioError
        If the file is shorter than its header says.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(_MAGIC):
            return None
    if is_chained_ogg(path):  # of which libsndfile reads the first stream, if anything
        return None
    try:
        with soundfile.SoundFile(name_for_soundfile(path)) as file:
            if _is_cut_off(file):
                raise truncated_error(path)
            if file.frames > _MAX_FRAMES:
                return None
            return AudioFormat(file.samplerate, file.channels, file.frames / file.samplerate)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: by its suffix .raw it would need a given format
        return None


def decode_sndfile(path: Path) -> Iterator[NDArray[np.float32]]:
    """Samples [channels, samples], full scale 1.0, in chunks of at most `CHUNK_LENGTH`.

    Raises
    ------
    AudioError
        If the file is damaged or shorter than its header says.
    """
    n_samples = 0
    with soundfile.SoundFile(name_for_soundfile(path)) as file:
        while True:
            try:
                chunk = file.read(CHUNK_LENGTH, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise truncated_error(path) from error
            if not len(chunk):
                break
            n_samples += len(chunk)
            yield chunk.T
        if file.frames - n_samples > MAX_MISSING_S * file.samplerate:
            raise truncated_error(path)


def name_for_soundfile(path: Path) -> Path | bytes:
    """A path as soundfile takes it: of names whose bytes are no text, which Linux allows, it takes the bytes alone."""
    return path if os.name == "nt" else os.fsencode(path)


def _is_cut_off(file: soundfile.SoundFile) -> bool:
    sizes = [(int(stated), int(found)) for stated, found in _SHORT_CHUNK.findall(file.extra_info)]
    max_missing = MAX_MISSING_S * file.samplerate * file.channels  # bytes of 8-bit samples: the strictest
    return any(stated - found > max_missing and stated < _PLACEHOLDER_LENGTH for stated, found in sizes)
