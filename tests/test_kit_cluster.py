"""Sorting and checking drum sounds: synthetic drums, of which the truth is known."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.drums import FAMILIES, PIECES_BY_KEY
from mix2midi.errors import AudioError, OptionError
from mix2midi.training.kit_check import labelled
from mix2midi.training.kit_check.check import check_library
from mix2midi.training.kit_check.clusters import sort_one_shots
from mix2midi.training.kit_check.labelled import (
    LabelledSounds,
    leave_kit_out,
    save_sounds,
    shipped_sounds,
    sounds_of_machines,
)
from mix2midi.training.kit_check.sorted_folder import LISTEN, write_sorting
from mix2midi.training.kit_import.formats import read_source
from mix2midi.training.kit_import.library import extend_library
from mix2midi.training.kits import MANIFEST_COLUMNS, KitLibrary, read_manifest
from mix2midi.training.sample_features import pitch_hz, sample_features
from mix2midi.training.synthesis import synthesise_kit
from tests.sounds import RATE_HZ, one_shot


@pytest.fixture(scope="module")
def known() -> LabelledSounds:
    return sounds_of_machines(seed=1, machines=12)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drums of machines that `known` has never heard; the true piece is at the end of each name."""
    folder = tmp_path_factory.mktemp("shots")
    for seed in range(100, 105):
        for piece, instrument in synthesise_kit(np.random.default_rng(seed)).items():
            if piece in ("kick", "snare", "closed_hat", "high_tom", "low_tom", "crash"):
                soundfile.write(folder / f"{seed}-{piece}.wav", 0.8 * instrument.layers[0].audio, RATE_HZ)
    (folder / "notes.wav").write_bytes(b"not a sound")
    return folder


def piece_of(path: Path) -> str:
    return path.stem.partition("-")[2]


def test_machines_tell_most_families_of_machines(known: LabelledSounds) -> None:
    families, stated = leave_kit_out(known)
    assert np.mean(families == known.families) > 0.8
    assert stated.min() >= 0.0 and stated.max() <= 1.0


def test_unlabelled_sounds_are_sorted(unlabelled: Path, known: LabelledSounds) -> None:
    sorting = sort_one_shots(unlabelled, known)
    assert len(sorting.samples) == 30 and [path.name for path in sorting.unusable] == ["notes.wav"]
    right = [sample.family == PIECES_BY_KEY[piece_of(sample.path)].family for sample in sorting.samples]
    assert np.mean(right) > 0.75
    assert all(PIECES_BY_KEY[sample.piece].family == sample.family for sample in sorting.samples)


def test_toms_fall_in_pitch_from_cluster_to_cluster(tmp_path: Path, known: LabelledSounds) -> None:
    for index, frequency_hz in enumerate((80, 82, 84, 240, 244, 248)):
        time_s = np.arange(RATE_HZ // 3) / RATE_HZ
        tom = np.sin(2 * np.pi * frequency_hz * time_s) * np.exp(-time_s / 0.12) * (1 + 0.3 * np.exp(-time_s / 0.02))
        soundfile.write(tmp_path / f"{index}.wav", 0.7 * tom, RATE_HZ)
    toms = [sample for sample in sort_one_shots(tmp_path, known).samples if sample.family == "toms"]
    assert len(toms) >= 4
    pieces: dict[bool, set[str]] = {False: set(), True: set()}
    for sample in toms:
        pieces[int(sample.path.stem) >= 3].add(sample.piece)
    assert pieces == {False: {"low_tom"}, True: {"high_tom"}}


def test_a_sorted_folder_can_be_imported(unlabelled: Path, known: LabelledSounds, tmp_path: Path) -> None:
    sorting = sort_one_shots(unlabelled, known)
    write_sorting(sorting, tmp_path / "sorted")
    with (tmp_path / "sorted" / "clusters.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["file"]) for row in rows] == [sample.path for sample in sorting.samples]
    picture = matplotlib.image.imread(str(tmp_path / "sorted" / "clusters.png"))
    assert picture.shape[0] > 400 and np.ptp(picture) > 0.5
    (report,) = extend_library(tmp_path / "lib", read_source(tmp_path / "sorted"), "CC0-1.0")
    certain = [sample for sample in sorting.samples if not sample.is_outlier]
    assert sum(report.notes.values()) + report.repeated == len(certain)
    assert all(name.startswith(LISTEN) for name in report.unnamed)
    with pytest.raises(OptionError, match="is there already"):
        write_sorting(sorting, tmp_path / "sorted")


def test_what_does_not_belong_is_an_outlier(unlabelled: Path, known: LabelledSounds, tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    shutil.copytree(unlabelled, folder)
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    soundfile.write(folder / "organ.wav", 0.5 * np.sin(2 * np.pi * 700 * time_s) + 0.2 * np.sin(5000 * time_s), RATE_HZ)
    samples = {sample.path.name: sample for sample in sort_one_shots(folder, known).samples}
    assert samples["organ.wav"].is_outlier
    assert np.mean([sample.is_outlier for sample in samples.values()]) < 0.5


def test_shipped_sounds_tell_kits_apart_that_they_do_not_hold(known: LabelledSounds) -> None:
    shipped = shipped_sounds()
    assert set(shipped.families) >= set(FAMILIES) and len(set(shipped.kits)) > 40
    families, _ = shipped.families_of(known.features)
    # The machines stand for kits that nobody has heard; recorded drums are told better.
    assert np.mean(families == known.families) > 0.5


def test_saved_sounds_are_read_again(known: LabelledSounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_sounds(known, tmp_path / "sounds.npz")
    monkeypatch.setattr(labelled, "SHIPPED_SOUNDS", tmp_path / "sounds.npz")
    again = shipped_sounds()
    np.testing.assert_allclose(again.features, known.features, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(again.pieces, known.pieces)


def test_folder_without_sounds_is_refused(tmp_path: Path, known: LabelledSounds) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(100), RATE_HZ)
    with pytest.raises(OptionError, match="none of its files can be read as a sound"):
        sort_one_shots(tmp_path, known)


def test_two_families_are_too_little_to_learn_from(unlabelled: Path, known: LabelledSounds) -> None:
    few = known.where(np.isin(known.families, ["kick", "snare"]))
    with pytest.raises(OptionError, match="fewer than 3 families"):
        sort_one_shots(unlabelled, few)


def test_a_kit_that_nothing_can_be_compared_with_is_believed(known: LabelledSounds) -> None:
    kits = np.where(known.families == "kick", "kicks alone", "the rest")
    families, stated = leave_kit_out(LabelledSounds(known.features, known.pieces, kits))
    rest = kits == "the rest"
    assert np.all(stated[rest] == 1.0) and np.all(families[rest] == known.families[rest])


def test_a_sorting_that_fails_leaves_nothing(
    unlabelled: Path, known: LabelledSounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    sorting = sort_one_shots(unlabelled, known)
    monkeypatch.setattr("mix2midi.training.kit_check.sorted_folder.draw_sorting", fail)
    with pytest.raises(KeyboardInterrupt):
        write_sorting(sorting, tmp_path / "sorted")
    assert not list(tmp_path.glob("*sorted*"))


@settings(deadline=None, max_examples=25)
@given(frequency_hz=st.floats(50, 380), gain=st.floats(0.01, 1.0))
def test_features_do_not_depend_on_the_level(frequency_hz: float, gain: float) -> None:
    audio = one_shot(frequency_hz)
    np.testing.assert_allclose(sample_features(audio * np.float32(gain)), sample_features(audio), atol=0.05)
    assert pitch_hz(audio) == pytest.approx(frequency_hz, rel=0.06)


@given(st.integers(1, 40))
def test_the_shortest_sounds_have_features(length: int) -> None:
    assert np.isfinite(sample_features(np.ones(length, dtype=np.float32))).all()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Four machines, all as it should be."""
    folder = tmp_path / "lib"
    rows = []
    for seed in range(4):
        for piece, instrument in synthesise_kit(np.random.default_rng(seed)).items():
            file = f"machine{seed}/{piece}.flac"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / file, 0.8 * instrument.layers[0].audio, RATE_HZ)
            note = PIECES_BY_KEY[piece].note
            rows.append((f"machine{seed}", file, note, 110, 1, -1.9, 1.0, f"machine:{piece}", "CC0"))
    write_manifest(folder, rows)
    return folder


def write_manifest(folder: Path, rows: Sequence[tuple[object, ...]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([MANIFEST_COLUMNS, *rows])


def test_every_fault_is_found(library: Path) -> None:
    rng = np.random.default_rng(0)
    snare, _ = soundfile.read(library / "machine0/snare.flac")
    soundfile.write(library / "machine0/snare.flac", np.concatenate([np.zeros(441), snare]), RATE_HZ)
    soundfile.write(library / "machine0/kick.flac", np.clip(9 * snare, -1, 1), RATE_HZ)
    soundfile.write(library / "machine1/kick.flac", np.zeros(1000), RATE_HZ)
    (library / "machine1/snare.flac").unlink()
    soundfile.write(library / "machine2/snare.flac", rng.standard_normal((1000, 2)) * 0.1, RATE_HZ)
    rows = [tuple(row.values()) for row in read_manifest(library)]
    rows = [(*row[:-1], "") if row[1] == "machine3/kick.flac" else row for row in rows]
    write_manifest(library, rows)
    certain = {finding.file: finding.problem for finding in check_library(library) if finding.is_certain}
    assert certain.pop("machine0/snare.flac").startswith("onset 10.0")
    assert certain.pop("machine0/kick.flac") == "clipped"
    assert certain.pop("machine1/kick.flac") == "silent"
    assert "cannot be read" in certain.pop("machine1/snare.flac")
    assert "not mono" in certain.pop("machine2/snare.flac")
    assert certain.pop("machine3/kick.flac") == "no licence"
    assert not certain


def test_small_libraries_are_believed_and_teach_nothing(library: Path, unlabelled: Path) -> None:
    rows = [tuple(row.values()) for row in read_manifest(library)]
    few = [row for row in rows if Path(row[1]).stem in ("kick", "snare", "crash") and row[0] < "machine2"]
    write_manifest(library, few)
    assert check_library(library) == []
    write_manifest(library, few[:3])
    with pytest.raises(OptionError, match="too little to learn from"):
        sort_one_shots(unlabelled, labelled.sounds_of_library(library))


def test_a_label_that_the_sound_contradicts_is_doubted(library: Path) -> None:
    shutil.copyfile(library / "machine0/crash.flac", library / "machine1/kick.flac")
    doubted = {finding.file: finding.problem for finding in check_library(library) if not finding.is_certain}
    assert doubted["machine1/kick.flac"].startswith("is called kick, but sounds like ")
    assert "machine2/kick.flac" not in doubted


def test_no_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such file"):
        check_library(tmp_path)
    (tmp_path / "manifest.csv").write_text("kit,file\n")
    with pytest.raises(OptionError, match="no column 'gm_note'"):
        check_library(tmp_path)
    (tmp_path / "manifest.csv").write_text(",".join(MANIFEST_COLUMNS) + "\nkit,a.flac\n")
    with pytest.raises(OptionError, match="line 2 has not as many fields"):
        check_library(tmp_path)


def test_a_library_that_cannot_be_played_names_the_file(library: Path) -> None:
    (library / "machine1/snare.flac").write_bytes(b"")
    with pytest.raises(AudioError, match=r"snare\.flac: cannot be read as audio"):
        _ = [instrument.layers for instrument in KitLibrary(library).instruments]
    rows = [tuple(row.values()) for row in read_manifest(library)]
    write_manifest(library, [(*rows[0][:2], "low", *rows[0][3:])])
    with pytest.raises(OptionError, match="note or velocity is no number"):
        KitLibrary(library)
