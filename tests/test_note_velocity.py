"""How hard a hit was: what the network says, and how loud it is beside the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.notes import DrumNote
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.network import DrumNetwork, NetworkConfig
from mix2midi.transcription.velocity import balance_velocities, family_loudness_db, soften_soft_drums

HOP, RATE_HZ = 128, 44100
SNARE = FAMILIES.index("snare")


def heat_map_with(levels_db: dict[int, float], frames: int = 2000) -> HeatMap:
    """Loudness rows that stand at -60 dB, with 30 ms of another level from each of some frames on."""
    loudness_db = np.full((len(FAMILIES), frames), -60.0, dtype=np.float32)
    for frame, level_db in levels_db.items():
        loudness_db[:, frame : frame + 12] = level_db
    nothing = np.zeros((len(PIECES), frames), dtype=np.float32)
    return HeatMap(nothing, nothing, loudness_db * 0, loudness_db, HOP, RATE_HZ)


def notes_at(frames: list[int], velocities: list[int]) -> list[DrumNote]:
    return [DrumNote(f * HOP / RATE_HZ, 38, v) for f, v in zip(frames, velocities, strict=True)]


def test_louder_hits_get_higher_velocities_and_the_mean_stays() -> None:
    frames = [100, 300, 500, 700]
    heat_map = heat_map_with(dict(zip(frames, [0.0, -6.0, -12.0, -3.0], strict=True)))
    balanced = balance_velocities(notes_at(frames, [80] * 4), heat_map, "snare")
    velocity = [note.velocity for note in balanced]
    assert np.argsort(velocity).tolist() == [2, 1, 3, 0]
    assert np.mean(velocity) == pytest.approx(80, abs=2)
    assert [note.onset_s for note in balanced] == [f * HOP / RATE_HZ for f in frames]


def test_half_of_a_velocity_is_loudness_and_a_hit_9_6_db_softer_counts_half() -> None:
    frames = [100, 300, 500, 700]
    heat_map = heat_map_with(dict(zip(frames, [0.0, 0.0, 0.0, -32.0 * np.log10(2.0)], strict=True)))
    balanced = balance_velocities(notes_at(frames, [80] * 4), heat_map, "snare")
    loudness = np.array([1.0, 1.0, 1.0, 0.5]) / 0.875
    assert [note.velocity for note in balanced] == np.rint(40 + 40 * loudness).tolist()


def test_equal_loudness_changes_nothing_but_the_spread() -> None:
    frames = [100, 300, 500, 700]
    heat_map = heat_map_with(dict.fromkeys(frames, -3.0))
    velocity = [note.velocity for note in balance_velocities(notes_at(frames, [60, 70, 80, 90]), heat_map, "snare")]
    assert velocity == sorted(velocity)
    assert max(velocity) - min(velocity) < 30


def test_too_few_hits_and_percussion_stay() -> None:
    heat_map = heat_map_with({100: 0.0, 300: -20.0})
    notes = notes_at([100, 300], [50, 100])
    assert balance_velocities(notes, heat_map, "snare") == notes
    assert balance_velocities(notes * 3, heat_map, "percussion") == notes * 3


def test_a_drum_that_is_soft_throughout_is_softened_and_a_hard_one_stays() -> None:
    frames = list(range(100, 1900, 60))
    soft = [note.velocity for note in soften_soft_drums(notes_at(frames, [40, 50, 60] * 10), "snare")]
    assert 30 < np.mean(soft) < 45
    assert soft == [soft[0], soft[1], soft[2]] * 10 and soft[0] < soft[1] < soft[2]
    for family, velocities in (("snare", [90, 100, 40] * 10), ("percussion", [40, 50, 60] * 10)):
        notes = notes_at(frames, velocities)
        assert soften_soft_drums(notes, family) == notes
    few = notes_at([100, 300], [20, 30])
    assert soften_soft_drums(few, "snare") == few


@given(st.lists(st.integers(1, 127), max_size=60), st.sampled_from(FAMILIES))
def test_softening_keeps_the_order_and_lifts_nothing(velocities: list[int], family: str) -> None:
    notes = [DrumNote(0.1 * k, 38, velocity) for k, velocity in enumerate(velocities)]
    softened = [note.velocity for note in soften_soft_drums(notes, family)]
    assert all(1 <= new <= old for new, old in zip(softened, velocities, strict=True))
    by_strength = np.array(softened)[np.argsort(velocities, kind="stable")]
    assert np.all(np.diff(by_strength) >= 0)


@given(st.lists(st.tuples(st.integers(0, 1999), st.integers(1, 127), st.floats(-80, 20)), max_size=20))
def test_velocities_stay_velocities(hits: list[tuple[int, int, float]]) -> None:
    heat_map = heat_map_with({frame: level_db for frame, _, level_db in hits})
    notes = sorted(notes_at([frame for frame, _, _ in hits], [velocity for _, velocity, _ in hits]))
    balanced = balance_velocities(notes, heat_map, "snare")
    assert all(1 <= note.velocity <= 127 for note in balanced)
    assert len(balanced) == len(notes)


def test_loudness_follows_the_level_in_its_range() -> None:
    network = DrumNetwork(NetworkConfig()).eval()
    time_s = np.arange(RATE_HZ) / RATE_HZ
    for family, inside_hz, outside_hz in (("kick", 70, 3000), ("hats", 9000, 200)):
        row = FAMILIES.index(family)

        def level_db(frequency_hz: float, gain: float, row: int = row) -> float:
            audio = torch.from_numpy(gain * np.sin(2 * np.pi * frequency_hz * time_s)).float()
            frames = (len(audio) - 2 * network.config.context_samples) // HOP // 4 * 4
            length = frames * HOP + 2 * network.config.context_samples
            with torch.inference_mode():
                fast_bands, _ = network.features(audio[None, :length])
                return float(family_loudness_db(network.config, fast_bands)[0, row].mean())

        assert level_db(inside_hz, 0.5) - level_db(inside_hz, 0.05) == pytest.approx(20.0, abs=0.5)
        assert level_db(inside_hz, 0.1) > level_db(outside_hz, 0.1) + 20.0
