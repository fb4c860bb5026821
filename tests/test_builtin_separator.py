"""The separator inside the package: drums out of a mix of known stems, and nothing else touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.make_song import RATE_HZ, SEED, render_band, render_drums, score_hits
from mix2midi.audio import AudioArray, read_audio
from mix2midi.errors import OptionError
from mix2midi.pipeline import Converter
from mix2midi.pipeline.outputs import Outputs
from mix2midi.separation import BUILTIN, Separator, choose_separator, list_models, load_separator
from mix2midi.separation.models import BUILTIN_FOLDER, fetch_model
from tests.separators import noise
from tests.songs import files_in, hits, run, write_song

SONG, LENGTH = 60 * RATE_HZ, 12 * RATE_HZ


@pytest.fixture(scope="module")
def separator() -> Separator:
    return load_separator(BUILTIN)


@pytest.fixture(scope="module")
def stems() -> tuple[np.ndarray, np.ndarray]:
    """Drums and band of the example song [2, samples], in the balance that it has."""
    rng = np.random.default_rng(SEED)
    drums, band = (stem[:, :LENGTH] for stem in (render_drums(score_hits(rng), SONG, rng), render_band(SONG, rng)))
    level = 0.25 / np.abs(drums + band).max()
    return (level * drums).astype(np.float32), (level * band).astype(np.float32)


def sdr_db(target: np.ndarray, estimate: np.ndarray) -> float:
    return float(10.0 * np.log10(np.sum(target**2) / np.sum((target - estimate) ** 2)))


def test_drums_come_out_of_a_mix_of_known_stems(separator: Separator, stems: tuple[np.ndarray, np.ndarray]) -> None:
    drums, band = stems
    band = band * np.float32(np.sqrt(np.sum(drums**2) / np.sum(band**2)))  # as loud as the drums
    stem = separator.separate(drums + band, RATE_HZ)
    assert sdr_db(drums, drums + band) == pytest.approx(0.0, abs=0.1)
    assert sdr_db(drums, stem) > 3.0


def test_drums_alone_pass_nearly_unchanged(separator: Separator, stems: tuple[np.ndarray, np.ndarray]) -> None:
    assert sdr_db(stems[0], separator.separate(stems[0], RATE_HZ)) > 10.0


@pytest.mark.parametrize("level_db", [-40.0, -20.0, 12.0])
def test_quiet_and_loud_songs_are_separated_alike(
    separator: Separator, stems: tuple[np.ndarray, np.ndarray], level_db: float
) -> None:
    drums, band = stems
    gain = np.float32(10.0 ** (level_db / 20.0))
    usual = separator.separate(drums + band, RATE_HZ)
    assert sdr_db(usual, separator.separate(gain * (drums + band), RATE_HZ) / gain) > 60.0


def test_a_band_alone_loses_over_half_its_energy(separator: Separator, stems: tuple[np.ndarray, np.ndarray]) -> None:
    band = stems[1]
    left = separator.separate(band, RATE_HZ)
    assert 10.0 * np.log10(np.sum(left**2) / np.sum(band**2)) < -3.0


def test_silence_stays_silent(separator: Separator) -> None:
    np.testing.assert_array_equal(separator.separate(np.zeros((2, 50_000), np.float32), RATE_HZ), 0.0)


@pytest.mark.parametrize(("channels", "length", "rate_hz"), [(1, 1, 44100), (2, 44_321, 48000), (6, 5000, 22050)])
def test_length_shape_and_rate_come_back(separator: Separator, channels: int, length: int, rate_hz: int) -> None:
    mix = noise(length, channels)
    assert separator.separate(mix, rate_hz).shape == mix.shape


def test_drums_stay_where_they_are_to_the_sample(separator: Separator, stems: tuple[np.ndarray, np.ndarray]) -> None:
    drums, stem = stems[0].mean(axis=0), separator.separate(np.add(*stems), RATE_HZ).mean(axis=0)
    lags = range(-3, 4)
    agreement = [float(np.roll(stem, lag)[10:-10] @ drums[10:-10]) for lag in lags]
    assert lags[int(np.argmax(agreement))] == 0


def test_seams_of_segments_cannot_be_heard(separator: Separator, stems: tuple[np.ndarray, np.ndarray]) -> None:
    """A song of several segments, and the same song begun a little later: other seams, the same drums."""
    song = np.tile(np.add(*stems), 3)
    late = 3 * 512  # whole hops, so that the transforms of both see the same windows
    whole, later = separator.separate(song, RATE_HZ), separator.separate(song[:, late:], RATE_HZ)
    middle = slice(RATE_HZ, song.shape[1] - RATE_HZ)
    assert sdr_db(whole[:, middle], np.pad(later, ((0, 0), (late, 0)))[:, middle]) > 30.0


def test_a_stream_gives_what_the_song_at_once_gives(separator: Separator, stems: tuple[np.ndarray, np.ndarray]) -> None:
    mix = np.add(*stems)
    streamed = np.concatenate(list(separator.separate_stream(AudioArray(mix, RATE_HZ))), axis=1)
    np.testing.assert_allclose(streamed, separator.separate(mix, RATE_HZ), atol=1e-6)


def test_it_is_listed_fetched_and_named(lonely: Path) -> None:
    states = {status.model.name: status for status in list_models()}
    assert states[BUILTIN].state == "included" and states[BUILTIN].is_usable
    assert fetch_model(BUILTIN).parent == BUILTIN_FOLDER
    assert choose_separator(BUILTIN).reason == "builtin: as asked for"
    with pytest.raises(OptionError, match="builtin, none"):
        load_separator("spleeter")
    listing = run("models")
    assert "included" in listing.output and "free" in listing.output


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in BUILTIN_FOLDER.iterdir()) < 12e6


def test_the_command_line_takes_it(lonely: Path, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", hits(2.0))
    result = run(song, "--separator", "builtin", "--save-stem")
    assert result.exit_code == 0, result.output
    assert "builtin" in result.output
    (stem,) = [name for name in files_in(tmp_path) if "drums" in name]
    assert read_audio(tmp_path / stem)[0].shape[-1] == 2 * RATE_HZ


def saved_stem(song: Path, folder: Path) -> np.ndarray:
    """The stem [samples] that lies beside the MIDI file."""
    Converter(separator=BUILTIN).convert(song, Outputs(stem=folder / "stem.wav"))
    return read_audio(folder / "stem.wav", RATE_HZ, mono=True)[0]


def test_the_saved_stem_has_the_low_end_of_its_drums(
    separator: Separator, stems: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    drums, band = stems
    song = write_song(tmp_path / "song.wav", drums + 1.5 * band)
    mix = read_audio(song, RATE_HZ)
    saved = saved_stem(song, tmp_path)
    assert len(saved) == LENGTH
    by_mask = separator.separate(mix, RATE_HZ).mean(axis=0)
    true = drums.mean(axis=0)
    true = true * np.float32(np.vdot(true, mix.mean(axis=0)) / np.vdot(true, true))
    assert sdr_db(true, saved) > sdr_db(true, by_mask) + 0.5


def test_a_song_is_heard_alike_whether_its_stem_is_saved(stems: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    drums, band = stems
    gains = np.array([[1.5], [0.5]], dtype=np.float32)
    song = write_song(tmp_path / "song.wav", drums + gains * band)
    converter = Converter(separator=BUILTIN)
    saved = converter.convert(song, Outputs(stem=tmp_path / "stem.wav"))
    assert saved.transcription.notes == converter.convert(song).transcription.notes


def test_real_drums_come_out_of_a_real_mix(separator: Separator, shared_dir: Path, tmp_path: Path) -> None:
    song = shared_dir / "data" / "mdb-dev" / "Rockabilly"
    mix, drums = (read_audio(song / name, RATE_HZ, mono=True)[0] for name in ("mix.flac", "drums.flac"))
    drums = drums * np.float32(np.vdot(drums, mix) / np.vdot(drums, drums))
    by_mask, saved = separator.separate(mix, RATE_HZ), saved_stem(song / "mix.flac", tmp_path)
    assert sdr_db(drums, by_mask) > 4.0
    assert sdr_db(drums, saved) > 6.5
