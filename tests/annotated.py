"""Recordings with files that say what is in them."""

import numpy as np
import soundfile

from mix2midi import postprocess
from mix2midi.notes import DrumNote, Transcription


def write_audio(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(441), 44100)
    return path


def write_midi(path, notes):
    path.parent.mkdir(parents=True, exist_ok=True)
    postprocess.write_midi(Transcription([DrumNote(*note) for note in notes], duration_s=2.0), path)
    return path


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
