"""The tempo of a drum part."""

from __future__ import annotations

import numpy as np
import pytest

from mix2midi.notes import DrumNote
from mix2midi.postprocess import estimate_tempo, read_midi_notes


def backbeat(tempo_bpm: float, beats: int = 64, jitter_s: float = 0.0, first_s: float = 0.4) -> list[DrumNote]:
    """Kick on one and three, snare on two and four, hats in eighths."""
    beat_s = 60 / tempo_bpm
    rng = np.random.default_rng(7)
    notes = [(beat * beat_s, 36 if beat % 2 == 0 else 38, 100) for beat in range(beats)]
    notes += [(half * beat_s / 2, 42, 70) for half in range(2 * beats)]
    late_s = rng.normal(0, jitter_s, len(notes))
    return sorted(
        DrumNote(first_s + o + max(late, -first_s), n, v) for (o, n, v), late in zip(notes, late_s, strict=True)
    )


@pytest.mark.parametrize("tempo_bpm", [88, 97.3, 110, 120, 133, 150])
def test_a_steady_backbeat_has_its_tempo(tempo_bpm):
    estimate = estimate_tempo(backbeat(tempo_bpm, jitter_s=0.006))
    assert estimate.tempo_bpm == pytest.approx(tempo_bpm, rel=0.02)
    assert estimate.reason == ""


@pytest.mark.parametrize("times_s", [[], [0.0], [1.0, 1.0], [0.5, 0.501, 1.0, 1.02, 1.5]])
def test_too_few_hits_give_120_and_say_so(times_s):
    estimate = estimate_tempo([DrumNote(time_s, 36 + k, 100) for k, time_s in enumerate(times_s)])
    assert estimate.tempo_bpm == 120.0
    assert "too few" in estimate.reason


def test_an_hour_does_not_differ_from_a_minute():
    assert estimate_tempo(backbeat(100, 6000)).tempo_bpm == estimate_tempo(backbeat(100, 100)).tempo_bpm


def test_louder_or_softer_playing_does_not_change_the_tempo():
    notes = backbeat(105)
    soft = [DrumNote(note.onset_s, note.note, note.velocity // 4) for note in notes]
    assert estimate_tempo(soft).tempo_bpm == estimate_tempo(notes).tempo_bpm


def test_hits_without_a_period_still_give_a_tempo_in_range():
    times_s = np.sort(np.random.default_rng(3).uniform(0, 30, 50))
    assert 30 <= estimate_tempo([DrumNote(float(time_s), 38, 90) for time_s in times_s]).tempo_bpm <= 320


def test_real_drum_parts(shared_dir):
    for song in ("Punk", "Rock"):
        folder = shared_dir / "data" / "mdb-dev" / song
        beats_s = np.loadtxt(folder / "beats.txt")[:, 0]
        notes = [DrumNote(*note) for note in read_midi_notes(folder / "plusplus.mid")]
        assert estimate_tempo(notes).tempo_bpm == pytest.approx(60 / np.median(np.diff(beats_s)), rel=0.04)
