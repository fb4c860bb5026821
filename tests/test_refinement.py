"""Heat maps read once more with the whole song in mind: the network, its examples, its training."""

from __future__ import annotations

import csv
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.errors import ModelError, OptionError
from mix2midi.pipeline.training import train_from_recipe
from mix2midi.transcription import HeatMap, Transcriber, pick_notes, recollection, refinement_network
from mix2midi.transcription.curves import family_curve
from mix2midi.transcription.instants import logit, shift_curve
from mix2midi.transcription.recollection import family_curves
from mix2midi.transcription.refinement import read_instants, refine_heat_map
from mix2midi.transcription.refinement_network import RefinementConfig, RefinementNetwork
from mix2midi.transcription.training.refinement.arrangement import arrange_song
from mix2midi.transcription.training.refinement.examples import SongExample, damage, make_example
from mix2midi.transcription.weights import Weights, load_weights, save_weights
from tests.heat_maps import HOP, RATE_HZ, drawn
from tests.networks import tiny_network

ROW = {piece.key: row for row, piece in enumerate(PIECES)}
HATS = ("closed_hat", "pedal_hat", "open_hat")
BAR = 690  # frames, 2 s
Hit = tuple[str, float, float]


def groove(bars: int, height: float = 0.9) -> list[Hit]:
    """The same bar again and again: hats on eighths, kick on 1 and 3, snare on 2 and 4."""
    eighth = BAR / 8
    hits: list[Hit] = []
    for bar in range(bars):
        start = 40 + bar * BAR
        hits += [("closed_hat", start + n * eighth, height) for n in range(8)]
        hits += [("kick", start + n * eighth, height) for n in (0, 4)]
        hits += [("snare", start + n * eighth, height) for n in (2, 6)]
    return hits


def song(hits: list[Hit], bars: int = 12) -> HeatMap:
    return drawn(hits, frames=bars * BAR + 80)


def network(seed: int = 0, strength: float = 0.0) -> RefinementNetwork:
    """Untrained; with `strength`, one that changes what it sees at random."""
    torch.manual_seed(seed)
    made = RefinementNetwork(RefinementConfig(channels=16, heads=2, layers=1)).eval()
    torch.nn.init.normal_(made.get_parameter("change.weight"), std=strength)
    return made


def refined(heat_map: HeatMap, seed: int = 0, strength: float = 0.0) -> HeatMap:
    return refine_heat_map(heat_map, network(seed, strength))


def at(heat_map: HeatMap, key: str, frame: float) -> float:
    return float(heat_map.onset[ROW[key], round(frame)])


def test_instants_hold_what_is_near_them_and_nothing_else() -> None:
    heat_map = song([("kick", 100, 0.9), ("closed_hat", 103, 0.6), ("snare", 130, 0.4)])
    instants = read_instants(heat_map)
    assert len(instants.frames) == 2
    activation = 1.0 / (1.0 + np.exp(-instants.logits))
    assert activation[0, ROW["kick"]] == pytest.approx(0.9, abs=0.01)
    assert activation[0, ROW["closed_hat"]] == pytest.approx(0.6, abs=0.01)
    assert activation[1, ROW["snare"]] == pytest.approx(0.4, abs=0.01)
    assert activation[1, ROW["kick"]] < 0.01


def test_a_curve_is_moved_at_its_instants_and_nowhere_else() -> None:
    frames, shifts = np.array([100, 110, 300]), np.array([2.0, -1.0, 1.0])
    moved = np.full(400, 0.5)
    shift_curve(moved, frames, shifts)
    odds = logit(moved, 1e-6)
    np.testing.assert_allclose(odds[frames], shifts)
    np.testing.assert_allclose(odds[292:309], 1.0)
    assert np.all(np.diff(odds[100:111]) <= 1e-9), "halfway to the next the shifts blend"
    apart = np.abs(np.arange(400)[:, None] - frames).min(axis=1)
    assert np.all(moved[apart >= 16] == 0.5)
    assert np.all(moved[apart <= 2] != 0.5)


def test_family_curves_of_logits_are_those_of_heat_maps() -> None:
    heat_map = song(groove(2))
    rows = np.concatenate([heat_map.onset, heat_map.family_onset]).astype(np.float64).clip(1e-6, 1 - 1e-6)
    curves = family_curves(torch.from_numpy(np.log(rows / (1 - rows)).T)).numpy()
    for index, family in enumerate(FAMILIES):
        np.testing.assert_allclose(curves[:, index], family_curve(heat_map, family), atol=2e-3)


def count(heat_map: HeatMap, note: int) -> int:
    return sum(hit.note == note for hit in pick_notes(heat_map))


def test_before_training_a_covered_hit_is_recalled_from_the_other_bars() -> None:
    hits = groove(12)
    covered = next(i for i, (key, frame, _) in enumerate(hits) if key == "snare" and frame > 5 * BAR)
    hits[covered] = ("snare", hits[covered][1], 0.35)
    assert count(song(hits), 38) == 23
    assert count(refined(song(hits)), 38) == 24
    alone = song([hits[covered]])
    drawn_at = at(alone, "snare", hits[covered][1])
    assert at(refined(alone), "snare", hits[covered][1]) == pytest.approx(drawn_at, abs=0.01), "nothing is like it"


def test_a_rattle_is_not_believed_where_no_other_bar_has_a_hit() -> None:
    rattle = ("snare", 40 + 5 * BAR + 3 * BAR / 8, 0.6)  # on an eighth with a hat alone
    heat_map = song([*groove(12), rattle])
    assert count(heat_map, 38) == 25
    assert count(refined(heat_map), 38) == 24


def test_a_sure_hit_out_of_the_ordinary_stays() -> None:
    crash = ("crash", 40 + 6 * BAR, 0.97)
    assert count(refined(song([*groove(12), crash])), 49) == 1


def test_an_open_hat_among_closed_ones_stays_open() -> None:
    hits = groove(12)
    odd = next(i for i, (key, frame, _) in enumerate(hits) if key == "closed_hat" and frame > 5 * BAR)
    frame = hits[odd][1]
    hits[odd] = ("closed_hat", frame, 0.3)
    heat_map = song([*hits, ("open_hat", frame, 0.75)])
    again = refined(heat_map)
    assert at(again, "open_hat", frame) > at(again, "closed_hat", frame), "repetitions know closed ones alone"
    assert count(again, 46) == 1
    assert count(again, 42) == 12 * 8 - 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 1.0))
def test_which_piece_it_was_does_not_change_whether_one_was_hit(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    hats = [(key, 30.0 + 60 * n, rng.uniform(0.1, 0.9)) for n in range(40) for key in HATS]
    heat_map = drawn(hits=hats, frames=2500)
    learnt = network(seed, strength=0.5).tempered(share)
    instants = read_instants(heat_map)
    known = (torch.from_numpy(part) for part in (instants.logits, instants.velocity, instants.loudness))
    with torch.inference_mode():
        says = learnt(torch.from_numpy((instants.frames / heat_map.fps).astype(np.float32)), *known)
    again = refine_heat_map(heat_map, learnt)
    expected = family_curves(says).numpy()[:, FAMILIES.index("hats")]
    np.testing.assert_allclose(family_curve(again, "hats")[instants.frames], expected, atol=0.02)


def test_onsets_stay_where_they_are() -> None:
    rng = np.random.default_rng(3)
    hits = [(key, frame + rng.uniform(-2, 2), rng.uniform(0.7, 0.95)) for key, frame, _ in groove(12)]
    plain, again = (pick_notes(heat_map) for heat_map in (song(hits), refined(song(hits))))
    assert [note.note for note in plain] == [note.note for note in again]
    moved_s = np.abs([a.onset_s - b.onset_s for a, b in zip(plain, again, strict=True)])
    assert moved_s.max() < 0.0005


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), strength=st.floats(0.0, 3.0))
def test_activations_stay_activations(seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    hits = [(str(rng.choice(list(ROW))), rng.uniform(0, 3000), rng.uniform(0.0, 1.0)) for _ in range(60)]
    heat_map = drawn(hits, frames=3000)
    half = replace(
        heat_map, onset=heat_map.onset.astype(np.float16), family_onset=heat_map.family_onset.astype(np.float16)
    )
    again = refined(half, seed, strength)
    for before, after in ((half.onset, again.onset), (half.family_onset, again.family_onset)):
        assert before.shape == after.shape and before.dtype == after.dtype
        assert np.isfinite(after).all() and after.min() >= 0.0 and after.max() <= 1.0


def test_a_tempered_network_lies_between_what_it_was_and_what_it_became() -> None:
    learnt = network(1, strength=0.5)
    with torch.no_grad():
        learnt.repetition.mul_(1.4)
    heat_map = song(groove(4), 4)
    ends = [read_logits(refine_heat_map(heat_map, one)) for one in (network(1), learnt)]
    for share, expected in ((0.0, ends[0]), (1.0, ends[1])):
        np.testing.assert_allclose(read_logits(refine_heat_map(heat_map, learnt.tempered(share))), expected, atol=1e-3)
    middle = read_logits(refine_heat_map(heat_map, learnt.tempered(0.5)))
    inside = (np.abs(ends[0]) < 6) & (np.abs(ends[1]) < 6)  # beyond, activations are next to 0 or 1
    assert inside.any()
    np.testing.assert_allclose(middle[inside], ((ends[0] + ends[1]) / 2)[inside], atol=0.1)


def read_logits(heat_map: HeatMap) -> np.ndarray:
    activation = heat_map.onset.astype(np.float64).clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(activation / (1 - activation)))


def test_silence_stays_silent() -> None:
    empty = song([])
    assert refined(empty, strength=1.0) is empty


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 99), shift_frames=st.integers(1, 5000))
def test_when_a_song_begins_does_not_matter(seed: int, shift_frames: int) -> None:
    hits = groove(4)
    early, late = song(hits, 4), song([(key, frame + shift_frames, height) for key, frame, height in hits], 12)
    moved = refined(late, seed, strength=0.3).onset[:, shift_frames : shift_frames + early.onset.shape[1]]
    # Drawn hits lie between frames, and halves are kept: what is next to nothing may differ.
    np.testing.assert_allclose(moved.astype(float), refined(early, seed, strength=0.3).onset.astype(float), atol=0.05)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    heat_map = song(groove(12))
    whole = refined(heat_map, strength=0.3)
    monkeypatch.setattr(recollection, "_KEPT_INSTANTS", 10)
    monkeypatch.setattr(recollection, "_GLOBAL_BLOCK", 7)
    monkeypatch.setattr(refinement_network, "_LOCAL_BLOCKS_AT_ONCE", 1)
    np.testing.assert_allclose(refined(heat_map, strength=0.3).onset, whole.onset, atol=1e-3)


def test_songs_that_lie_far_apart_do_not_hear_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recollection, "_REACH_S", 5.0)
    hits = groove(4)
    gap = 10 * BAR
    other = [("low_tom" if key == "snare" else key, frame + gap, height) for key, frame, height in groove(4)]
    alone, both = song(hits, 16), song([*hits, *other], 16)
    first = slice(0, 4 * BAR)
    np.testing.assert_allclose(refined(both).onset[:, first], refined(alone).onset[:, first], atol=1e-3)


def test_weights_bring_their_refinement(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    audio = np.random.default_rng(0).standard_normal(40000).astype(np.float32)
    save_weights(Weights(tiny_network(), refinements=(network(3, strength=0.5),)), path)
    plain, whole = Transcriber(Weights(tiny_network())), Transcriber(load_weights(path))
    expected = refine_heat_map(plain.heat_map(audio), network(3, strength=0.5))
    np.testing.assert_array_equal(whole.heat_map(audio).onset, expected.onset)
    assert np.abs(expected.onset.astype(float) - plain.heat_map(audio).onset).max() > 0.1


def test_several_refinements_vote(tmp_path: Path) -> None:
    heat_map = song(groove(4))
    two = (network(3, strength=0.5), network(4, strength=0.5))
    save_weights(Weights(tiny_network(), refinements=two), tmp_path / "w.safetensors")
    vote = load_weights(tmp_path / "w.safetensors").vote
    assert vote is not None
    instants = read_instants(heat_map)
    known = [torch.from_numpy(part) for part in (instants.logits, instants.velocity, instants.loudness)]
    times_s = torch.from_numpy((instants.frames / heat_map.fps).astype(np.float32))
    with torch.inference_mode():
        alone = [member(times_s, *known) for member in two]
        assert not torch.allclose(alone[0], alone[1], atol=0.1)
        torch.testing.assert_close(vote(times_s, *known), (alone[0] + alone[1]) / 2)
    assert Weights(tiny_network()).vote is None


def test_refinements_that_cannot_be_rebuilt_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="multiple of heads"):
        RefinementConfig(channels=10, heads=4)
    path = tmp_path / "w.safetensors"
    broken = Weights(tiny_network(), refinements=(network(),))
    broken.refinements[0].config = RefinementConfig(channels=32)
    save_weights(broken, path)
    with pytest.raises(ModelError, match="do not fit"):
        load_weights(path)


def test_hits_are_marked_at_their_instants_and_damage_keeps_them() -> None:
    hits = np.array([[100.5, ROW["kick"], 90], [131.0, ROW["ride"], 60], [9e6, ROW["kick"], 60]], np.float32)
    example = make_example(song([("kick", 100, 0.9), ("ride", 130, 0.3), ("snare", 400, 0.5)]), hits)
    assert torch.nonzero(example.truth).tolist() == [
        [0, ROW["kick"]],
        [0, len(PIECES) + FAMILIES.index("kick")],
        [1, ROW["ride"]],
        [1, len(PIECES) + FAMILIES.index("cymbals")],
    ]
    assert example.times_s.tolist() == pytest.approx([frame * HOP / RATE_HZ for frame in (100, 130, 400)], abs=2e-3)
    changed = [damage(np.random.default_rng(seed), example) for seed in range(20)]
    assert all(torch.equal(one.truth, example.truth) for one in changed)
    assert all(float(one.logits.abs().max()) < 6.91 for one in changed)
    assert len({float(one.times_s[-1]) for one in changed}) == 20
    assert any(not torch.allclose(one.logits, example.logits, atol=1.0) for one in changed)


def test_examples_come_back_from_disk(tmp_path: Path) -> None:
    example = make_example(song(groove(2)), np.array([[40, ROW["kick"], 90]], np.float32))
    example.save(tmp_path / "e.npz")
    again = SongExample.load(tmp_path / "e.npz")
    assert all(torch.equal(getattr(again, item.name), getattr(example, item.name)) for item in fields(example))


def test_arranged_songs_are_long_enough_and_sections_return(data: Path) -> None:
    from mix2midi.training.performances import load_grooves

    performances = load_grooves(data / "groove.zip", "train", min_duration_s=1.0)
    for seed in range(10):
        part = arrange_song(np.random.default_rng(seed), performances, 30.0, pattern_share=0.0)
        assert part.duration_s > 30.0 and part.onset_s[0] >= 0.0
        assert (np.diff(part.onset_s) >= 0.0).all()
        assert part.velocity.min() >= 1 and part.velocity.max() <= 127


def have_same_parameters(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_training_learns_and_is_taken_up_again(data: Path, tmp_path: Path, tiny_weights: Path) -> None:
    recipe = yaml.safe_load((data / "recipe.yaml").read_text())
    slices = {key: value for key, value in recipe["slices"].items() if key in ("views", "company_db")}
    path = tmp_path / "recipe.yaml"
    settings_of = {
        "trains": "refinement",
        "workers": 1,
        "validate_every": 20,
        "checkpoint_every": 10,
        "network": {"channels": 16, "heads": 2, "layers": 1},
        "data": recipe["data"],
        "slices": {**slices, "frames": 2752, "count": 3, "validation_count": 1, "pattern_share": 0.5},
        "optimiser": {"steps": 40, "batch_size": 2, "warmup_steps": 5, "learning_rate": 0.01, "crop_instants": 60},
    }
    path.write_text(yaml.safe_dump(settings_of))

    def run(folder: Path, steps: int | None = None) -> Path:
        return train_from_recipe(path, data, folder, steps=steps, initial_weights=tiny_weights)

    whole = run(tmp_path / "run")
    with (tmp_path / "run" / "log.csv").open() as file:
        log = list(csv.DictReader(file))
    assert [line["step"] for line in log] == ["20", "25", "40"]
    assert float(log[-1]["loss"]) < float(log[0]["loss"])
    rendered = {song.name: song.stat().st_mtime_ns for song in (tmp_path / "run" / "songs").iterdir()}
    (tmp_path / "run" / "checkpoint.pt").unlink()
    first = load_weights(whole)
    again = load_weights(run(tmp_path / "run"))
    assert {song.name: song.stat().st_mtime_ns for song in (tmp_path / "run" / "songs").iterdir()} == rendered
    (one,), (other,) = first.refinements, again.refinements
    assert have_same_parameters(one, other), "the same songs and the same seed, the same network"
    untrained = RefinementNetwork(one.config)
    assert not torch.equal(untrained.repetition, one.repetition)

    # In mixed precision: nearly the same curve, by another arithmetic.
    shutil.copytree(tmp_path / "run", tmp_path / "mixed", ignore=shutil.ignore_patterns("checkpoint.pt"))
    settings_of["optimiser"] |= {"precision": "bfloat16"}
    path.write_text(yaml.safe_dump(settings_of))
    assert not have_same_parameters(one, load_weights(run(tmp_path / "mixed")).refinements[0])
    with (tmp_path / "mixed" / "log.csv").open() as file:
        mixed = [float(line["loss"]) for line in csv.DictReader(file)]
    np.testing.assert_allclose(mixed, [float(line["loss"]) for line in log], rtol=0.05)
    settings_of["optimiser"] |= {"precision": "float32"}

    # From that refinement on: with nothing of what is learnt then, it stays what it was.
    settings_of["optimiser"] |= {"goes_on": True, "learnt_share": 0.0, "steps": 10}
    path.write_text(yaml.safe_dump(settings_of))
    gone_on = load_weights(train_from_recipe(path, data, tmp_path / "on", initial_weights=whole))
    assert have_same_parameters(one, gone_on.refinements[0])
    with pytest.raises(ModelError, match="holds no single refinement"):
        train_from_recipe(path, data, tmp_path / "none", initial_weights=tiny_weights)

    # Beside it: both vote.
    settings_of["optimiser"] |= {"goes_on": False, "joins": True, "learnt_share": 1.0}
    path.write_text(yaml.safe_dump(settings_of))
    joined = load_weights(train_from_recipe(path, data, tmp_path / "beside", initial_weights=whole))
    assert have_same_parameters(one, joined.refinements[0])
    assert not have_same_parameters(one, joined.refinements[1])
    assert [notes["steps"] for notes in joined.notes["refinements"]] == [40, 10]
    with pytest.raises(ModelError, match="holds no refinement to join"):
        train_from_recipe(path, data, tmp_path / "none", initial_weights=tiny_weights)


def test_data_that_is_not_there_is_named_by_the_workers(tiny_weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("trains: refinement\nslices: {count: 2, validation_count: 1}")
    with pytest.raises(OptionError, match=r"manifest\.csv: no such file"):
        train_from_recipe(path, tmp_path, tmp_path / "run", initial_weights=tiny_weights)


def test_recipes_with_mistakes_are_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    for text, message in (
        ("trains: refinement\nvolume: 11", "unknown setting 'volume'"),
        ("trains: refinement\nslices: {views: {clean: 1.0, mix: 0.5, separated: 0.0}}", "add up to 1"),
    ):
        path.write_text(text)
        with pytest.raises(OptionError, match=message):
            train_from_recipe(path, data, tmp_path / "run")


def test_shipped_recipes_are_read() -> None:
    from mix2midi.training.recipe import load_settings
    from mix2midi.transcription.training.refinement.recipe import RefinementRecipe

    folder = Path(__file__).parents[1] / "mix2midi" / "configs"
    first, second = (
        load_settings(RefinementRecipe, folder / f"{name}.yaml") for name in ("refinement", "refinement_second")
    )
    assert first.network == second.network == RefinementConfig()
    assert second.optimiser.joins and not first.optimiser.joins
