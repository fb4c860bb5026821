"""Importing kits: every kind of source, made on the spot, ends as the same library."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.errors import AudioError, OptionError, OutputError
from mix2midi.training.kit_import.formats import read_source
from mix2midi.training.kit_import.library import ImportedKit, extend_library, trim_hit
from mix2midi.training.kit_import.names import ANY_TOM
from mix2midi.training.kit_import.sfz import read_sfz
from mix2midi.training.kits import KitLibrary, attack_sample, read_manifest
from tests.sounds import RATE_HZ, one_shot

LICENCE = "CC0-1.0"


def write_hit(path: Path, frequency_hz: float, silence_samples: int = 500, gain: float = 1.0, seed: int = 0) -> None:
    """A stereo hit with some noise of its own, after silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = one_shot(frequency_hz, silence_samples)
    noise = np.random.default_rng([seed, int(frequency_hz)]).standard_normal(len(audio)) * np.abs(audio) * 0.3
    soundfile.write(path, gain * np.stack([audio + noise, audio - noise / 2], axis=1), RATE_HZ)


def import_one(source: Path, library: Path, licence: str | None = LICENCE) -> ImportedKit:
    (report,) = extend_library(library, read_source(source), licence)
    return report


def samples_of(library: Path) -> dict[str, np.ndarray]:
    return {row["file"]: soundfile.read(library / row["file"], dtype="float32")[0] for row in read_manifest(library)}


HYDROGEN = """<?xml version="1.0" encoding="UTF-8"?>
<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit">
 <name>Test Kit</name><license>{licence}</license>
 <instrumentList>
  <instrument><id>0</id><name>Kick</name><midiOutNote>36</midiOutNote><instrumentComponent>
   <layer><filename>kick-soft.wav</filename><min>0</min><max>0.5</max></layer>
   <layer><filename>kick-hard.wav</filename><min>0.5</min><max>1</max></layer>
  </instrumentComponent></instrument>
  <instrument><id>1</id><name>Mystery</name><midiOutNote>49</midiOutNote><instrumentComponent>
   <layer><filename>Cymbal.WAV</filename><min>0</min><max>1</max></layer>
  </instrumentComponent></instrument>
  <instrument><id>2</id><name>Snare</name><midiOutNote>38</midiOutNote><filename>snare.wav</filename></instrument>
  <instrument><id>3</id><name>Gone</name><midiOutNote>42</midiOutNote><filename>gone.wav</filename></instrument>
  <instrument><id>4</id><name>Whistle</name><midiOutNote>72</midiOutNote><filename>snare.wav</filename></instrument>
  <instrument><id>5</id><name></name></instrument>
 </instrumentList>
</drumkit_info>"""


@pytest.fixture
def hydrogen(tmp_path: Path) -> Path:
    folder = tmp_path / "Test Kit"
    for name, frequency_hz in (("kick-soft", 50), ("kick-hard", 60), ("cymbal", 5000), ("snare", 200)):
        write_hit(folder / f"{name}.wav", frequency_hz)
    (folder / "drumkit.xml").write_text(HYDROGEN.format(licence="CC BY 4.0"))
    return folder


def test_hydrogen_folder(hydrogen: Path, tmp_path: Path) -> None:
    report = import_one(hydrogen, tmp_path / "lib", licence=None)
    assert report.notes == {36: 2, 38: 1, 49: 1}, "the mystery's own note is believed: kick's and snare's agree"
    assert report.unnamed == ["Whistle"]
    (left_out,) = report.left_out
    assert "gone.wav" in left_out
    rows = read_manifest(tmp_path / "lib")
    assert {row["licence"] for row in rows} == {"CC BY 4.0"}
    assert {int(row["layer_velocity"]): row["n_layers"] for row in rows if row["gm_note"] == "36"} == {
        32: "2",
        95: "2",
    }
    assert all(row["source"].startswith("Test Kit:") for row in rows)


def test_a_licence_that_the_source_states_stays(hydrogen: Path, tmp_path: Path) -> None:
    import_one(hydrogen, tmp_path / "lib", licence="CC0-1.0")
    assert {row["licence"] for row in read_manifest(tmp_path / "lib")} == {"CC BY 4.0"}


def test_a_source_without_a_usable_sample_leaves_no_library(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "kick.wav").write_bytes(b"no sound")
    with pytest.raises(OptionError, match="shots: no sample can be used: .*kick"):
        import_one(tmp_path / "shots", tmp_path / "lib", licence="CC0")
    assert not (tmp_path / "lib" / "manifest.csv").exists()


def test_hydrogen_archive_is_the_same_kit_and_unpacks_nothing(hydrogen: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed" / "Test Kit.h2drumkit"
    packed.parent.mkdir()
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(hydrogen, arcname="inside")
        soundfile.write(tmp_path / "cymbal.wav", one_shot(5000), RATE_HZ)
        archive.add(tmp_path / "cymbal.wav", arcname="inside/Cymbal.WAV")
    report = import_one(packed, tmp_path / "lib", licence=None)
    assert report.notes == {36: 2, 38: 1, 49: 1}
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


@pytest.mark.parametrize("huge", ["drumkit.xml", "kick.wav"])
def test_an_archive_that_promises_too_much_is_not_unpacked_into_memory(tmp_path: Path, huge: str) -> None:
    """The member is a hole: nothing of it lies in the archive."""
    (tmp_path / "drumkit.xml").write_text(
        "<drumkit_info><instrument><name>Kick</name><filename>kick.wav</filename></instrument></drumkit_info>"
    )
    path = tmp_path / "bomb.h2drumkit"
    with tarfile.open(path, "w") as archive:
        if huge != "drumkit.xml":
            archive.add(tmp_path / "drumkit.xml", "drumkit.xml")
        hole = tarfile.TarInfo(huge)
        hole.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(1 << 40), "GNU.sparse.map": f"{1 << 40},0"}
        archive.addfile(hole)
    with pytest.raises(OptionError, match=rf"{huge} is larger than 256 MB"):
        import_one(path, tmp_path / "lib")


def test_source_without_licence_is_refused_before_anything_is_written(hydrogen: Path, tmp_path: Path) -> None:
    (hydrogen / "drumkit.xml").write_text(HYDROGEN.format(licence="undefined license"))
    with pytest.raises(OptionError, match="Test Kit: the source states no licence.*--licence"):
        import_one(hydrogen, tmp_path / "lib", licence=None)
    assert not (tmp_path / "lib").exists()


def test_sfz(tmp_path: Path) -> None:
    folder = tmp_path / "sfz"
    for name, frequency_hz in (("a b 1", 60), ("a b 2", 70), ("snr", 200), ("x", 900), ("off", 300)):
        write_hit(folder / "Samples" / f"{name}.wav", frequency_hz)
    (folder / "more.txt").write_text("<region> key=$SN sample=SNR.wav // the rest is not heard key=99\n")
    (folder / "kit.sfz").write_text(
        "#define $SN d2\n#define $SNX 49\n/* a kit */\n"
        "<control> default_path=Samples\\\n<global> volume=-6\n"
        "<group> key=36 group_label=Bass Drum\n"
        "<region> sample=a b 1.wav hivel=63\n<region> sample=a b 2.wav lovel=64 offset=10\n"
        "<group>\n"
        '#include "more.txt"\n'
        "<region> sample=x.wav lokey=$SNX hikey=49\n"
        "<region> sample=off.wav key=42 trigger=release\n<region> sample=*sine key=42\n"
    )
    report = import_one(folder, tmp_path / "lib")
    assert report.notes == {36: 2, 38: 1, 49: 1} and not report.left_out
    kicks = [row for row in read_manifest(tmp_path / "lib") if row["gm_note"] == "36"]
    assert sorted(int(row["layer_velocity"]) for row in kicks) == [32, 96]


@pytest.mark.parametrize(
    ("text", "message"),
    [("nothing here", "no region with a sample"), ('#include "kit.sfz"', "included within itself")],
)
def test_sfz_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "kit.sfz"
    path.write_text(text)
    with pytest.raises(OptionError, match=message) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


def test_folder_of_one_shots(tmp_path: Path) -> None:
    folder = tmp_path / "My Shots"
    names = {
        "BD_soft.wav": 50,
        "BD_hard.wav": 52,
        "Snares/808_deep.wav": 200,
        "hat v1.wav": 7000,
        "hat v2.wav": 7100,
        "OpenHH.wav": 6000,
        "tomA.wav": 90,
        "tomB.wav": 210,
        "tomC.wav": 140,
        "zap.wav": 1000,
    }
    for name, frequency_hz in names.items():
        write_hit(folder / name, frequency_hz)
    report = import_one(folder, tmp_path / "lib")
    assert report.notes == {36: 2, 38: 1, 42: 2, 43: 1, 45: 1, 46: 1, 48: 1}
    assert report.unnamed == ["zap.wav"]
    by_source = {row["source"].partition(":")[2]: row for row in read_manifest(tmp_path / "lib")}
    toms = [by_source[name]["gm_note"] for name in ("tomB", "tomC", "tomA")]
    assert toms == ["48", "45", "43"], "from the highest to the lowest"
    library = KitLibrary(tmp_path / "lib")
    (kick,) = library.by_kit["my_shots"]["kick"]
    assert kick.velocities == (45, 115), "soft and hard are layers of one drum"


def test_onsets_are_at_the_start_and_levels_among_samples_stay(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    write_hit(folder / "kick.wav", 60, silence_samples=0)
    write_hit(folder / "snare.wav", 200, silence_samples=7777, gain=0.25)
    import_one(folder, tmp_path / "lib")
    peaks = {}
    for row in read_manifest(tmp_path / "lib"):
        audio, rate_hz = soundfile.read(tmp_path / "lib" / row["file"], dtype="float32")
        assert audio.ndim == 1 and rate_hz == RATE_HZ
        assert attack_sample(audio, lead_in_samples=0) / RATE_HZ <= 0.0002
        peaks[row["gm_note"]] = float(row["peak_db"])
        assert peaks[row["gm_note"]] == pytest.approx(20 * np.log10(np.abs(audio).max()), abs=0.06)
    assert peaks["36"] == pytest.approx(-0.9, abs=0.1)
    assert 9.0 < peaks["36"] - peaks["38"] < 16.0


@settings(deadline=None, max_examples=25)
@given(
    rate_hz=st.sampled_from([22050, 44100, 48000, 96000]),
    silence=st.integers(0, 3000),
    gain=st.floats(0.001, 1.0),
    channels=st.integers(1, 3),
)
def test_any_hit_starts_at_its_attack(rate_hz: int, silence: int, gain: float, channels: int) -> None:
    audio = np.repeat(one_shot(440.0, silence)[:, None] * np.float32(gain), channels, axis=1)
    trimmed = trim_hit((audio, rate_hz))
    assert trimmed.ndim == 1 and trimmed.dtype == np.float32
    assert attack_sample(trimmed, lead_in_samples=0) / RATE_HZ <= 0.0002
    assert np.abs(trimmed).max() == pytest.approx(np.abs(audio).max(), rel=0.15)


def test_a_library_is_extended_and_never_overwritten(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_hit(tmp_path / name / "kick.wav", 60, seed=len(name))
    import_one(tmp_path / "first", tmp_path / "lib")
    before = samples_of(tmp_path / "lib")
    import_one(tmp_path / "second", tmp_path / "lib")
    after = samples_of(tmp_path / "lib")
    assert set(after) == {"first/001.flac", "second/001.flac"}
    np.testing.assert_array_equal(after["first/001.flac"], before["first/001.flac"])
    with pytest.raises(OptionError, match="has a kit 'first' already; give another name with --kit"):
        import_one(tmp_path / "first", tmp_path / "lib")
    assert sorted(path.name for path in (tmp_path / "lib").iterdir()) == ["first", "manifest.csv", "second"]


def test_a_source_within_the_library_folder_stays(tmp_path: Path) -> None:
    """It would have been replaced by the kit of its name."""
    write_hit(tmp_path / "my-kit" / "kick.wav", 60)
    with pytest.raises(OptionError, match="my-kit: is there and is no kit of this library"):
        import_one(tmp_path / "my-kit", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["my-kit", "kick.wav"]


def test_what_a_source_repeats_is_kept_once_and_loudest(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    write_hit(folder / "kick v1.wav", 60, gain=0.2)
    write_hit(folder / "kick v2.wav", 60, gain=0.8)
    report = import_one(folder, tmp_path / "lib")
    assert report.notes == {36: 1} and report.repeated == 1
    (row,) = read_manifest(tmp_path / "lib")
    assert int(row["layer_velocity"]) > 64


def test_presets_share_a_sample_or_are_whole(tmp_path: Path) -> None:
    write_hit(tmp_path / "shots" / "kick.wav", 60)
    write_hit(tmp_path / "shots" / "snare.wav", 200)
    (kit,) = read_source(tmp_path / "shots")
    presets = [replace(kit, name="standard"), replace(kit, name="room")]
    shared = extend_library(tmp_path / "shared", presets, "CC0-1.0")
    assert [report.repeated for report in shared] == [0, 2] and not shared[1].notes
    whole = extend_library(tmp_path / "whole", presets, "CC0-1.0", whole=True)
    assert [report.notes for report in whole] == [{36: 1, 38: 1}] * 2
    assert set(samples_of(tmp_path / "whole")) == {f"{k}/00{n}.flac" for k in ("standard", "room") for n in (1, 2)}


def test_a_full_disk_is_named_and_leaves_no_half_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hit(tmp_path / "shots" / "kick.wav", 60)

    def full(*_: object, **__: object) -> None:
        raise soundfile.LibsndfileError(2)  # as libsndfile tells of a full disk

    monkeypatch.setattr(soundfile, "write", full)
    with pytest.raises(OutputError, match=r"001\.flac: cannot be written \(.*\); free some space"):
        import_one(tmp_path / "shots", tmp_path / "library")
    assert not list((tmp_path / "library").iterdir())


def test_silent_and_damaged_samples_are_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    write_hit(folder / "kick.wav", 60)
    soundfile.write(folder / "snare.wav", np.zeros(1000), RATE_HZ)
    (folder / "ride.wav").write_bytes(b"no audio at all")
    soundfile.write(folder / "crash.wav", np.full(1000, np.nan, dtype=np.float32), RATE_HZ, subtype="FLOAT")
    report = import_one(folder, tmp_path / "lib")
    assert report.notes == {36: 1}
    reasons = " ".join(report.left_out)
    assert "silent" in reasons and "ride.wav: cannot be read as audio" in reasons and "not finite" in reasons


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("kit.h2drumkit", b"no tar", "not a Hydrogen drumkit"),
        ("font.sf2", b"RIFF", "not a soundfont"),
        ("song.txt", b"", "not a drum kit"),
    ],
)
def test_damaged_sources_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(OptionError, match=message) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


def test_missing_and_empty_sources(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such file or folder"):
        read_source(tmp_path / "nothing")
    with pytest.raises(AudioError, match="no audio in this folder"):
        read_source(tmp_path)
    with tarfile.open(tmp_path / "empty.h2drumkit", "w") as archive:
        archive.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    with pytest.raises(OptionError, match="no drumkit.xml"):
        read_source(tmp_path / "empty.h2drumkit")
    for text in (
        "<drumkit_info>",
        '<?xml version="1.0" encoding="mars"?><a/>',
        '<?xml version="1.0" encoding="utf-7"?><a/>',
    ):
        (tmp_path / "drumkit.xml").write_text(text)
        with pytest.raises(OptionError, match="damaged"):
            read_source(tmp_path)


def test_sfz_groups_controls_and_comments(tmp_path: Path) -> None:
    for number in range(1, 5):
        write_hit(tmp_path / f"Tom{number}.wav", 60 * number)
    for name in ("Crash", "x", "kick", "Snare Roll"):
        write_hit(tmp_path / f"{name}.wav", 900)
    keys = (50, 48, 47, 43)
    (tmp_path / "kit.sfz").write_text(
        '#define $KICK 36 // the kick\n/*\n#include "old.sfz"\n*/\n'
        "<global> key=36\n"
        "<group> group_label=Toms\n"
        + "".join(
            f"<region> sample=Tom{tom}.wav lokey={key} hikey={key}\n" for tom, key in zip("4321", keys, strict=True)
        )
        + "<group> group_label=HiHat & Cymbals\n<region> sample=Crash.wav key=49\n"
        "<region> sample=Snare Roll.wav key=38\n"
        "<group> lovel=1 hivel=60\n<control> default_path=./\n<region> sample=kick.wav key=$KICK\n"
    )
    kit = read_sfz(tmp_path / "kit.sfz")
    by_note = {sample.note: sample for sample in kit.samples}
    assert 49 in by_note and 42 not in by_note
    assert by_note[36].velocity == 30  # the group's range is still there behind <control>
    assert len({sample.instrument for sample in kit.samples if sample.note == ANY_TOM}) == 4
    assert kit.unnamed == ["Snare Roll"]


def test_a_stereo_shot_whose_channels_cancel_is_heard(tmp_path: Path) -> None:
    hit = one_shot(60.0)
    (tmp_path / "shots").mkdir()
    soundfile.write(tmp_path / "shots" / "kick.wav", np.stack([hit, -hit], axis=1), RATE_HZ)
    assert import_one(tmp_path / "shots", tmp_path / "lib").notes == {36: 1}


def test_command_line(tmp_path: Path) -> None:
    write_hit(tmp_path / "shots" / "kick.wav", 60)
    words = [sys.executable, "-m", "mix2midi", "kits", "import", str(tmp_path / "shots"), "-o", str(tmp_path / "lib")]
    refused = subprocess.run(words, capture_output=True, text=True)
    assert refused.returncode == 1 and "--licence" in refused.stderr and len(refused.stderr.splitlines()) == 1
    done = subprocess.run([*words, "--licence", LICENCE, "--kit", "mine"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "mine: 1 samples (kick 1)\n"
    with (tmp_path / "lib" / "manifest.csv").open() as file:
        assert [row["kit"] for row in csv.DictReader(file)] == ["mine"]
