"""The example song: what is committed is what its script makes, and the true MIDI is in time with the audio."""

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate

from mix2midi.audio import read_audio
from mix2midi.notes import Transcription
from mix2midi.pipeline.evaluate import evaluate_songs
from mix2midi.pipeline.references import find_songs, read_reference

EXAMPLES = Path(__file__).parents[1] / "examples"
REFERENCE = EXAMPLES / "song_reference.mid"


@pytest.fixture(scope="module")
def make_song():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        yield importlib.import_module("make_song")


def test_reference_is_what_the_script_writes(make_song, tmp_path):
    hits = make_song.score_hits(np.random.default_rng(make_song.SEED))
    make_song.write_reference(hits, tmp_path / "again.mid")
    assert (tmp_path / "again.mid").read_bytes() == REFERENCE.read_bytes()


def test_hits_sound_at_the_times_of_the_reference(make_song):
    hits = make_song.score_hits(np.random.default_rng(make_song.SEED))
    song = read_audio(EXAMPLES / "song.mp3", rate_hz=make_song.RATE_HZ, mono=True)[0]
    drums = make_song.render_drums(hits, len(song), np.random.default_rng(make_song.SEED)).mean(axis=0)
    lags = correlate(song, drums, mode="same", method="fft")
    assert abs(int(np.argmax(lags)) - len(song) // 2) <= 1  # samples


def test_reference_holds_what_a_drum_part_holds():
    notes = read_reference(REFERENCE).notes
    assert len(notes) > 100
    assert set(Counter(note.note for note in notes)) == {36, 38, 42, 43, 44, 45, 46, 48, 49, 51}
    velocities = [note.velocity for note in notes if note.note == 38]
    assert min(velocities) < 40  # ghost notes
    assert max(velocities) > 110


def test_example_folder_can_be_evaluated():
    songs = find_songs([EXAMPLES])
    perfect = Transcription(read_reference(REFERENCE).notes, duration_s=19.0)
    assert evaluate_songs(songs, lambda path: perfect).pooled.f_measure() == 1.0
