"""How the beat network is taught: grooves, what is made of them, and the loop."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mix2midi.errors import OptionError
from mix2midi.pipeline.training import train_from_recipe
from mix2midi.postprocess.beat_roll import BEAT_FPS, ROWS
from mix2midi.postprocess.beat_training.augment import make_example
from mix2midi.postprocess.beat_training.grooves import Groove, load_grooves, without_lead
from mix2midi.postprocess.beat_training.variations import (
    in_other_meter,
    pattern_groove,
    swung,
    with_pause,
    with_section,
)
from mix2midi.postprocess.beat_weights import load_beat_weights

KICK, SNARE, TOMS, HAT = (list(ROWS).index(name) for name in ("kick", "snare", "toms", "closed_hat"))
SEEDS = st.integers(0, 2**32 - 1)


def rock(bars: int = 16, tempo_bpm: float = 120.0, hand: int = HAT) -> Groove:
    """Kick on one and three, snare on two and four, the hand on eighths."""
    hits = [(4.0 * bar + beat, KICK if beat % 2 == 0 else SNARE, 100.0) for bar in range(bars) for beat in range(4)]
    hits += [(eighth / 2, hand, 70.0) for eighth in range(8 * bars)]
    beat, row, velocity = np.array(sorted(hits)).T
    return Groove(beat, row.astype(np.int64), velocity, tempo_bpm, 4, "rock", "rock")


def hits_of(groove: Groove) -> Counter[tuple[float, int, float]]:
    return Counter(zip(groove.beat.round(6).tolist(), groove.row.tolist(), groove.velocity.tolist(), strict=True))


def write_grooves(path: Path) -> Path:
    """The same four bars of rock for both splits, and what is to be left out: a fill, a bar of 7/8, a short one."""
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)]))
    for step in range(64):
        midi.tracks[0].append(
            mido.Message("note_on", channel=9, note=38 if step % 4 == 2 else 42, velocity=90, time=240)
        )
        midi.tracks[0].append(mido.Message("note_off", channel=9, note=38, time=0))
    data = io.BytesIO()
    midi.save(file=data)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["midi_filename", "style", "split", "beat_type", "time_signature", "duration"])
    for split in ("train", "validation"):
        writer.writerow([f"{split}.mid", "rock", split, "beat", "4-4", "16.0"])
        writer.writerow(["fill.mid", "rock", split, "fill", "4-4", "16.0"])
        writer.writerow(["seven.mid", "rock", split, "beat", "7-8", "16.0"])
        writer.writerow(["short.mid", "rock", split, "beat", "4-4", "2.0"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("groove/info.csv", table.getvalue())
        for name in ("train", "validation"):
            archive.writestr(f"groove/{name}.mid", data.getvalue())
    return path


def test_grooves_are_read_with_their_beats(tmp_path):
    grooves = load_grooves(write_grooves(tmp_path / "groove.zip"), "train")
    assert [(groove.name, groove.tempo_bpm, groove.beats_per_bar) for groove in grooves] == [("train.mid", 120.0, 4)]
    assert grooves[0].beat[:3].tolist() == [0.5, 1.0, 1.5]
    with pytest.raises(OptionError, match=r"absent\.zip: no such file"):
        load_grooves(tmp_path / "absent.zip", "train")


@pytest.mark.parametrize("lead", [-0.06, 0.03])
def test_a_steady_lead_is_taken_off_and_scatter_is_not(lead):
    groove = rock()
    led = replace(groove, beat=groove.beat + lead)
    assert np.allclose(without_lead(led).beat, groove.beat)
    everywhere = replace(groove, beat=np.sort(np.random.default_rng(3).uniform(0, 64, len(groove.beat))))
    assert without_lead(everywhere) is everywhere


@given(SEEDS)
def test_a_section_takes_the_place_of_whole_bars(seed):
    rng = np.random.default_rng(seed)
    groove, other = rock(), rock(hand=TOMS)
    mixed = with_section(groove, other, rng)
    assert np.all(np.diff(mixed.beat) >= 0)
    kinds = {bar: set(mixed.row[(mixed.beat // 4) == bar]) - {KICK, SNARE} for bar in range(16)}
    assert all(len(hands) == 1 for hands in kinds.values())  # no bar is half of one and half of the other
    sections = [bar for bar, hands in kinds.items() if hands == {TOMS}]
    assert sections == list(range(sections[0], sections[-1] + 1))
    assert 2 <= len(sections) <= 12


def test_a_section_of_another_meter_or_tempo_does_not_fit():
    rng = np.random.default_rng(0)
    waltz, slow = replace(rock(), beats_per_bar=3), rock(tempo_bpm=60.0)
    assert with_section(rock(), waltz, rng).row.tolist() == rock().row.tolist()
    assert with_section(rock(), slow, rng).row.tolist() == rock().row.tolist()


@given(SEEDS)
def test_a_pause_takes_hits_of_some_bars_and_nothing_else(seed):
    groove = rock()
    paused = with_pause(groove, np.random.default_rng(seed))
    gone = hits_of(groove) - hits_of(paused)
    assert gone
    assert not hits_of(paused) - hits_of(groove)
    bars = {int(beat // 4) for beat, _, _ in gone}
    assert len(bars) <= 8
    assert max(bars) - min(bars) < 8


@given(SEEDS)
def test_swing_delays_every_second_note_and_no_other(seed):
    slow = rock(tempo_bpm=80.0)
    sixteenths = replace(slow, beat=np.arange(len(slow.beat)) / 4)
    bent = swung(sixteenths, np.random.default_rng(seed))
    late = bent.beat - sixteenths.beat
    step = 0.25 if late[1] > 0.01 and late[2] < 1e-9 else 0.5
    assert np.allclose(late[sixteenths.beat % (2 * step) == 0], 0.0)
    assert np.all(late[sixteenths.beat % (2 * step) == step] > 0.07 * step)
    sixes = replace(slow, beats_per_bar=6)
    assert swung(sixes, np.random.default_rng(seed)) is sixes


def test_meters_other_than_four_are_made_with_the_kick_on_one():
    rng = np.random.default_rng(0)
    drawn = [in_other_meter(rock(), rng) for _ in range(300)]
    meters = Counter(groove.beats_per_bar for groove in drawn)
    assert set(meters) == {3, 4, 6}
    assert meters[4] > 200
    for groove in drawn:
        ones = np.arange(groove.bars) * groove.beats_per_bar
        kicks = groove.beat[groove.row == KICK]
        assert np.isin(ones, kicks.round(6)).all()
        assert np.all(np.diff(groove.beat) >= 0)


@given(SEEDS)
def test_hits_that_are_early_go_with_their_beat_into_other_meters(seed):
    """Half of what is played on a beat lies a little before it."""
    early = replace(rock(), beat=np.maximum(rock().beat - 0.01, 0.0))
    plain, moved = (in_other_meter(groove, np.random.default_rng(seed)) for groove in (rock(), early))
    assert plain.beats_per_bar == moved.beats_per_bar
    first = moved.beat < 0.05  # the very first hits have nothing before them to be early in
    assert np.abs(moved.beat - plain.beat)[~first].max() < 0.05
    assert np.array_equal(moved.row, plain.row)


def test_pick_ups_lie_before_the_first_beat():
    """A bar's pick-up is not on its downbeat, where an example that begins there would have it."""
    beat = np.sort(np.concatenate([np.arange(0.0, 64.0, 4.0), np.arange(3.75, 64.0, 4.0)]))
    row = np.where(beat % 4 == 0, KICK, SNARE)
    groove = Groove(beat, row, np.full(len(beat), 100.0), 120.0, 4, "rock", "rock")
    on_first = []
    for seed in range(60):
        example = make_example(groove, 20.0, np.random.default_rng(seed))
        first = int(np.argmax(example.target[1] == 1.0))
        on_first.append(bool((example.roll[SNARE, max(0, first - 1) : first + 2] > 0.3).any()))
    assert np.mean(on_first) < 0.1  # hits that mishearing invents


@given(SEEDS)
def test_generated_patterns_are_grooves_on_a_grid(seed):
    groove = pattern_groove(np.random.default_rng(seed))
    assert 40.0 < groove.tempo_bpm < 300.0
    assert np.all(np.diff(groove.beat) >= 0)
    assert groove.row.max(initial=0) < len(ROWS)


@given(SEEDS)
def test_an_example_marks_beats_and_downbeats_every_so_often(seed):
    example = make_example(rock(), 20.0, np.random.default_rng(seed))
    assert example.roll.shape == (len(ROWS), 20 * BEAT_FPS)
    assert example.roll.min() >= 0.0
    beats, downbeats = (np.flatnonzero(row == 1.0) for row in example.target)
    assert np.isin(downbeats, beats).all()
    assert len(beats) >= 4
    tempos_bpm = 60.0 * BEAT_FPS / np.diff(beats)
    assert np.all((tempos_bpm > 80.0) & (tempos_bpm < 180.0))  # 120 by e to the power .2, a raster and a drift
    assert np.all(np.isin(np.diff(np.searchsorted(beats, downbeats)), 4))
    ends_s = np.flatnonzero(example.roll.any(axis=0))[-1] / BEAT_FPS
    assert beats[-1] / BEAT_FPS > ends_s - 1.0  # where hits are, beats are


def write_recipe(folder: Path, text: str = "") -> Path:
    write_grooves(folder / "groove.zip")
    recipe = {
        "trains": "beats",
        "validate_every": 15,
        "checkpoint_every": 20,
        "network": {"channels": 8},
        "examples": {"duration_s": 8.0},
        "optimiser": {"steps": 60, "batch_size": 4, "learning_rate": 0.01, "warmup_steps": 5},
    }
    path = folder / "beats.yaml"
    path.write_text(text or yaml.safe_dump(recipe), encoding="utf-8")
    return path


def test_training_learns_and_a_stopped_run_ends_like_one_that_was_not(tmp_path):
    recipe = write_recipe(tmp_path)
    lines: list[dict[str, Any]] = []
    whole = train_from_recipe(recipe, tmp_path, tmp_path / "whole", report=lines.append)
    losses = [line["validation_loss"] for line in lines if line["validation_loss"] != ""]
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_from_recipe(recipe, tmp_path, tmp_path / "stopped", report=stop)
    resumed = train_from_recipe(recipe, tmp_path, tmp_path / "stopped")
    networks = load_beat_weights(whole), load_beat_weights(resumed)
    assert all(torch.equal(a, b) for a, b in zip(*(network.parameters() for network in networks), strict=True))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("trains: beats\nstepps: 3", "unknown setting 'stepps'"),
        ("trains: beats\nnetwork: {chanels: 8}", "network: unknown setting 'chanels'"),
        ("trains: beats\nexamples: {grooves: absent.zip}", r"absent\.zip: no such file"),
        ("trains: beats\nexamples: {grooves: beats.yaml}", r"beats\.yaml: is no whole archive of the Groove MIDI"),
        ("trains: beats\nexamples: {pattern_share: 7.0}", "pattern_share: 7.0 does not lie between 0 and 1"),
        ("trains: beats\nexamples: {duration_s: 1.0}", "duration_s: 1.0 is too short"),
        ("trains: beats\nseed: -1", "seed: -1 is negative"),
        ("trains: beats\nnetwork: {channels: 0}", "network: channels and dilations are numbers above 0"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused(tmp_path, text, reason):
    with pytest.raises(OptionError, match=reason):
        train_from_recipe(write_recipe(tmp_path, text), tmp_path, tmp_path / "run")


@pytest.mark.parametrize("trains", ["beats", "refinement"])
def test_what_one_process_trains_is_not_trained_by_several_at_once(tmp_path, monkeypatch, trains):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match=f"{trains} is trained by one process; start it without torchrun"):
        train_from_recipe(write_recipe(tmp_path, f"trains: {trains}"), tmp_path, tmp_path / "run")


def test_beats_do_not_start_from_weights(tmp_path):
    with pytest.raises(OptionError, match="leave out --from"):
        train_from_recipe(
            write_recipe(tmp_path, "trains: beats"), tmp_path, tmp_path / "run", initial_weights=tmp_path / "w"
        )
