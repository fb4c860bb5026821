"""Sounds and sources for the tests of the drums' company, made here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import mido
import numpy as np
import soundfile as sf

from mix2midi.training.company.score import Chord, Note, Score

RATE_HZ = 44100


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_chord_score(n_beats: int = 8, tempo_bpm: float = 120.0) -> Score:
    chord = Chord(0.0, float(n_beats), 9, (0, 4, 7))
    return Score(tempo_bpm, 4, n_beats, (chord,), (Note(0.0, 1.0, 69, 1.0), Note(2.0, 1.0, 71, 1.0)), ())


def loudest_hz(audio: np.ndarray, low_hz: float = 20.0, high_hz: float = 20000.0) -> float:
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    inside = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    return float(frequency_hz[inside][np.argmax(power[inside])])


def power_between(audio: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    return float(power[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def tone(frequency_hz: float, duration_s: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(int(duration_s * RATE_HZ)) / RATE_HZ).astype(np.float32)


def spoken(pitch_hz: float, seed: int) -> np.ndarray:
    """A hissed consonant of 80 ms and a vowel of 300 ms."""
    hiss = 0.3 * rng(seed).standard_normal(int(0.08 * RATE_HZ))
    n_vowel = int(0.3 * RATE_HZ)
    pulses = np.zeros(n_vowel)
    pulses[:: round(RATE_HZ / pitch_hz)] = 1.0
    vowel = np.convolve(pulses, np.exp(-np.arange(200) / 40) * np.cos(np.arange(200) * 0.1))[:n_vowel]
    return np.concatenate([hiss, vowel / np.abs(vowel).max()]).astype(np.float32)


def write_sources(folder: Path) -> Path:
    """A zip of MIDI, eight syllables and two recordings: one calm, one with a click every quarter second."""
    write_midi_zip(folder / "songs.zip")
    (folder / "voice").mkdir()
    for index in range(8):
        sf.write(folder / "voice" / f"{index}.wav", spoken(150 + 5 * index, index), RATE_HZ)
    calm = 0.2 * (tone(220, 20) + tone(331, 20))
    clicking = calm.copy()
    for start in range(0, len(calm) - 2000, RATE_HZ // 4):
        clicking[start : start + 2000] += 0.5 * rng(1).standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    (folder / "music").mkdir()
    sf.write(folder / "music" / "calm.wav", calm, RATE_HZ)
    sf.write(folder / "music" / "clicking.wav", np.clip(clicking, -1, 1), RATE_HZ)
    return folder


def write_midi_zip(path: Path) -> None:
    """One song of 32 bars: F, G, C, C as triads of two beats in the track PIANO, and a tune."""
    midi = mido.MidiFile(ticks_per_beat=480)
    for name in ("MELODY", "PIANO"):
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=name))
        for position in range(64):
            root = (53, 55, 48, 48)[position % 4]
            pitches = (root, root + 4, root + 7) if name == "PIANO" else (root + 24,)
            for pitch in pitches:
                track.append(mido.Message("note_on", note=pitch, velocity=80))
            for place, pitch in enumerate(pitches):
                track.append(mido.Message("note_off", note=pitch, time=0 if place else 960))
        midi.tracks.append(track)
    with zipfile.ZipFile(path, "w") as archive, archive.open("a/song.mid", "w") as opened:
        midi.save(file=opened)
