"""Songs to judge by, rendered on kits that training never hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mix2midi.errors import OptionError
from mix2midi.pipeline.references import read_reference
from mix2midi.pipeline.validation_songs import render_validation_songs
from tests.sounds import RATE_HZ


def test_a_song_sounds_where_its_midi_says(data: Path, tmp_path: Path) -> None:
    paths = render_validation_songs(data / "recipe.yaml", data, tmp_path, songs=1, duration_s=6.0)
    audio, rate_hz = soundfile.read(paths[0])
    notes = read_reference(paths[0].with_name("000_reference.mid")).notes
    assert rate_hz == RATE_HZ and len(audio) == pytest.approx(6.0 * RATE_HZ, abs=512)
    assert len(notes) > 8
    level = np.array(
        [np.abs(audio[round(note.onset_s * RATE_HZ) :][:400]).max() for note in notes if note.onset_s < 5.9]
    )
    assert np.all(level > 0.01), "each note is heard at its onset"


def test_a_number_is_a_song(data: Path, tmp_path: Path) -> None:
    first = render_validation_songs(data / "recipe.yaml", data, tmp_path / "a", 2, duration_s=5.0)
    second = render_validation_songs(data / "recipe.yaml", data, tmp_path / "b", 1, duration_s=5.0, first_number=1)
    assert [path.name for path in (*first, *second)] == ["000.flac", "001.flac", "001.flac"]
    songs = [soundfile.read(path)[0] for path in (*first, *second)]
    np.testing.assert_array_equal(songs[1], songs[2])
    assert not np.array_equal(songs[0], songs[1])


def test_without_a_kit_that_is_left_out_there_is_nothing_to_judge_by(data: Path, tmp_path: Path) -> None:
    recipe = data / "all-kits.yaml"
    recipe.write_text((data / "recipe.yaml").read_text().replace("left_out_kits: [spare]", "left_out_kits: []"))
    with pytest.raises(OptionError, match="names no kit"):
        render_validation_songs(recipe, data, tmp_path / "none", 1)
    assert not (tmp_path / "none").exists()


def test_a_kit_to_judge_by_that_the_library_lacks_is_named(data: Path, tmp_path: Path) -> None:
    recipe = data / "other-kits.yaml"
    recipe.write_text(
        (data / "recipe.yaml").read_text().replace("left_out_kits: [spare]", "left_out_kits: [spare, lent]")
    )
    with pytest.raises(OptionError, match="no kit 'lent', which the recipe names in left_out_kits"):
        render_validation_songs(recipe, data, tmp_path / "none", 1)
    assert not (tmp_path / "none").exists()


def test_an_unknown_view_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="view 'dry' is not known; choose from clean, separated, mix"):
        render_validation_songs(data / "recipe.yaml", data, tmp_path, 1, "dry")


def test_drums_alone_need_no_company(data: Path, tmp_path: Path) -> None:
    recipe = data / "with-company.yaml"
    recipe.write_text((data / "recipe.yaml").read_text().replace("data: {", "data: {company: nowhere, "))
    with pytest.raises(OptionError, match="nowhere"):
        render_validation_songs(recipe, data, tmp_path / "mix", 1, "mix", duration_s=5.0)
    assert render_validation_songs(recipe, data, tmp_path / "clean", 1, "clean", duration_s=5.0)
