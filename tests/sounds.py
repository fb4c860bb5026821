"""A tiny kit library and groove archive, made on the spot, so that training can be tested without any data."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import mido
import numpy as np
import soundfile

RATE_HZ = 44100
_COLUMNS = ("kit", "file", "gm_note", "layer_velocity", "n_layers", "peak_db", "duration_s", "source", "licence")
_NOTES = {36: 60.0, 38: 190.0, 42: 8000.0, 46: 7000.0, 45: 120.0, 48: 160.0, 49: 5000.0, 51: 6000.0}


def one_shot(frequency_hz: float, silence_samples: int = 0, duration_s: float = 0.25) -> np.ndarray:
    """A decaying sine with a hard attack, after some silence."""
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    body = np.cos(2 * np.pi * frequency_hz * time_s) * np.exp(-time_s / 0.05)
    return np.concatenate([np.zeros(silence_samples), 0.8 * body]).astype(np.float32)


def write_library(folder: Path, kits: tuple[str, ...] = ("plain", "spare"), silence_samples: int = 0) -> Path:
    """Kits of two velocity layers each."""
    rows = []
    for kit in kits:
        (folder / kit).mkdir(parents=True)
        for note, frequency_hz in _NOTES.items():
            for velocity in (60, 120):
                file = f"{kit}/{note}_{velocity}.flac"
                soundfile.write(folder / file, one_shot(frequency_hz, silence_samples), RATE_HZ)
                rows.append((kit, file, note, velocity, 2, -2.0, 0.25, f"{kit}:{note}", "CC0"))
    with (folder / "manifest.csv").open("w", newline="") as manifest:
        writer = csv.writer(manifest)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    return folder


def write_grooves(path: Path) -> Path:
    """One performance for each split: kick, snare and hats at 120 BPM for 8 s."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["midi_filename", "style", "split", "bpm", "duration"])
    with zipfile.ZipFile(path, "w") as archive:
        for split in ("train", "validation"):
            writer.writerow([f"{split}.mid", "rock/halftime", split, 120, 8.0])
            archive.writestr(f"groove/{split}.mid", _groove())
        archive.writestr("groove/info.csv", table.getvalue())
    return path


def _groove() -> bytes:
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    midi.tracks.append(track)
    for step in range(32):
        notes = [42] + ([36] if step % 4 == 0 else []) + ([38] if step % 4 == 2 else [])
        for index, note in enumerate(notes):
            delta = 240 if index == 0 and step else 0
            track.append(mido.Message("note_on", channel=9, note=note, velocity=60 + step, time=delta))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


RECIPE = """
seed: 3
workers: 1
validate_every: 4
checkpoint_every: 2
network: {fast_stem: [2, 2], fast_channels: 4, slow_stem: [2, 2, 2], slow_channels: 4, trunk_channels: 8,
          dilations: [1, 2], head_channels: 8}
data: {kits: kits, grooves: groove.zip, left_out_kits: [spare]}
slices: {frames: 344, capacity: 24, first: 4, window: 12, fresh_per_step: 1.0,
         views: {clean: 1.0, mix: 0.0, separated: 0.0}}
optimiser: {batch_size: 2, steps: 8, warmup_steps: 2}
"""


def write_company(folder: Path, clips: int = 3, seconds: float = 3.0) -> Path:
    """A pool of chords that swell and fade, as `mix2midi.training.company` writes them."""
    folder.mkdir(parents=True)
    rows = [("file", "kind", "duration_s", "tempo_bpm")]
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    for number in range(clips):
        chord = sum(np.sin(2 * np.pi * 220.0 * (number + 1) * ratio * time_s) for ratio in (1.0, 1.25, 1.5))
        audio = 0.2 * chord * (1.0 + 0.5 * np.sin(2 * np.pi * 0.7 * time_s))
        np.save(folder / f"{number}.npy", (audio * 32767).astype(np.int16))
        rows.append((f"{number}.npy", "song", f"{seconds:.3f}", "120"))
    with (folder / "index.csv").open("w", newline="") as index:
        csv.writer(index).writerows(rows)
    return folder


def write_data(folder: Path) -> Path:
    """All that a recipe asks for but company."""
    write_library(folder / "kits")
    write_grooves(folder / "groove.zip")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder
