"""Which drum and which velocity layer a name means, in imported kits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.drums import piece_of_note
from mix2midi.training.kit_import.library import tom_notes
from mix2midi.training.kit_import.names import ANY_TOM, note_of_name, settle_notes
from mix2midi.training.kit_import.one_shots import read_one_shots
from tests.test_kits_import import write_hit


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("Kick", "kick"),
        ("BD 909", "kick"),
        ("drum_bass_hard", "kick"),
        ("Kick Stomp", "kick"),
        ("SnareRim", "side_stick"),
        ("Snare Rimshot", "snare"),
        ("rimshot", "side_stick"),
        ("hh_closed", "closed_hat"),
        ("HiHatOpen_02", "open_hat"),
        ("HHPedal", "pedal_hat"),
        ("hh-ped", "pedal_hat"),
        ("ped_hat 2", "pedal_hat"),
        ("Op Hat", "open_hat"),
        ("Hihatopen", "open_hat"),
        ("hihatclosed", "closed_hat"),
        ("FT 16", "low_tom"),
        ("kck01", "kick"),
        ("B.D. 2", "kick"),
        ("CH", "closed_hat"),
        ("Hi-Hat Semiopen", "open_hat"),
        ("drum_cymbal_closed", "closed_hat"),
        ("TomHi", "high_tom"),
        ("Floor Tom (16 inch)", "low_tom"),
        ("lowtom", "low_tom"),
        ("tom mid", "mid_tom"),
        ("Crash 18", "crash"),
        ("RideBell", "bell"),
        ("ride_01", "ride"),
        ("China", "china"),
        ("splash-soft", "splash"),
        ("Tamb", "tambourine"),
        ("CowBell", "cowbell"),
        ("handclap", "clap"),
        ("drum_cymbal_open", "open_hat"),
        ("closedhh", "closed_hat"),
        ("HHcl", "closed_hat"),
        ("HH_O", "open_hat"),
        ("openhh", "open_hat"),
        ("hhpedal", "pedal_hat"),
        ("OH", "open_hat"),
        ("Snare_OH", "snare"),
        ("Kick_CH1", "kick"),
        ("Crash OH", "crash"),
        ("High Floor Tom", "low_tom"),
        ("Chinese Cymbal", "china"),
        ("Ride Cup", "bell"),
        ("Looperman Kick", "kick"),
        ("Groovebox Snare", "snare"),
        ("Kick CP", "kick"),
    ],
)
def test_names_of_drums(name: str, piece: str) -> None:
    note = note_of_name(name)
    assert note is not None
    found = piece_of_note(note)
    assert found is not None and found.key == piece


@pytest.mark.parametrize("name", ["snare roll", "drum loop 3", "bottom", "zap", "custom 7", "", "bass_hard_c"])
def test_names_that_tell_no_single_drum(name: str) -> None:
    assert note_of_name(name) is None


@pytest.mark.parametrize(
    ("path", "piece"),
    [
        ("HiHat/open.wav", "open_hat"),
        ("Hats/Open 2.wav", "open_hat"),
        ("Toms/high.wav", "high_tom"),
        ("HiHats/Open/HH 1.wav", "open_hat"),
        ("Pedal Hats/Hat_01.wav", "pedal_hat"),
        ("Open Hats/Closed HH 1.wav", "closed_hat"),
        ("Open Room/HH 1.wav", "closed_hat"),
        ("Toms/Floor/Tom 01.wav", "low_tom"),
        ("Cymbals/Ride/Cymbal 1.wav", "ride"),
        ("Ride/Crash 1.wav", "crash"),
        ("Cymbals/Cymbal 1.wav", "crash"),
        ("Crash Kit/HH 1.wav", "closed_hat"),
        ("Snare/Snare Roll 1.wav", None),
        ("Kick/Kick loop.wav", None),
        ("Hats/reversed.wav", None),
        ("Loops/kick.wav", "kick"),
    ],
)
def test_folders_say_what_names_leave_open(tmp_path: Path, path: str, piece: str | None) -> None:
    write_hit(tmp_path / "shots" / path, 200)
    kit = read_one_shots(tmp_path / "shots")
    assert [piece_of_note(sample.note).key for sample in kit.samples] == ([piece] if piece else [])  # type: ignore[union-attr]
    assert bool(kit.unnamed) is (piece is None)


def test_layers_by_word_and_by_many_numbers(tmp_path: Path) -> None:
    for name in ("SnareSoft", "SnareHard", *(f"kick_v{number:02d}" for number in range(1, 25))):
        write_hit(tmp_path / "shots" / f"{name}.wav", 200)
    samples = read_one_shots(tmp_path / "shots").samples
    snares = {sample.instrument: sample.velocity for sample in samples if sample.note == 38}
    assert len(snares) == 1 and sorted(sample.velocity for sample in samples if sample.note == 38) == [45, 115]
    kicks = sorted(sample.velocity for sample in samples if sample.note == 36)
    assert len(set(kicks)) == 24 and kicks[0] < 10 and kicks[-1] > 120


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_name_is_understood_or_not(name: str) -> None:
    note = note_of_name(name)
    assert note in (None, ANY_TOM) or piece_of_note(note) is not None


def test_notes_that_count_instruments_are_not_believed() -> None:
    counted = [("Ride", 36), ("Kick", 37), ("Zap", 38), ("Snare", 39)]
    assert settle_notes(counted) == [51, 36, None, 38]
    assert settle_notes([("Ride", 51), ("Kick", 36), ("Zap", 38), ("Bongo", 60)]) == [51, 36, 38, None]


@given(st.integers(1, 12))
def test_toms_fall_from_high_to_low(count: int) -> None:
    notes = tom_notes(count)
    assert len(notes) == count and notes == sorted(notes, key=[48, 45, 43].index)
    assert set(notes) == {1: {45}, 2: {48, 43}}.get(count, {48, 45, 43})
