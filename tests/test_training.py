"""Training from tiny made-up data: recipes are read, a run learns, and can be taken up again."""

from __future__ import annotations

import csv
import errno
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import image
from safetensors.torch import load_file

from mix2midi.errors import ModelError, OptionError, OutputError
from mix2midi.training.learning import append_log, learning_rate
from mix2midi.training.slices import SliceRing, slices_of_step
from mix2midi.training.team import Team
from mix2midi.transcription.network import NetworkConfig
from mix2midi.transcription.training.pictures import draw_heat_maps
from mix2midi.transcription.training.recipe import OptimiserRecipe, Recipe, load_recipe
from mix2midi.transcription.training.slices import SliceRenderer
from mix2midi.transcription.training.train import train, training_renderer
from mix2midi.transcription.training.trainer import Trainer
from tests.networks import TINY
from tests.sounds import RECIPE


def test_learning_rate_rises_holds_and_falls() -> None:
    options = OptimiserRecipe(steps=1000, learning_rate=1.0, warmup_steps=100, decay_share=0.3)
    rates = [learning_rate(options, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and rates[99] == rates[600] == 1.0
    assert rates[-1] == pytest.approx(0.01) and rates[850] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volume: 11", "unknown setting 'volume'"),
        ("slices: {volume: 11}", "slices: unknown setting 'volume'"),
        ("- a\n- b", "table of settings"),
        ("a: [", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("seed: 2024-99-99", "not valid YAML .*month must be"),
        ("seed: !!int one", "not valid YAML .*invalid literal"),
        ("seed: !!bool perhaps", "not valid YAML"),
        ("1: 2\nvolume: 11", "unknown setting 1"),
        ("optimiser: 5", "optimiser: 5 is no table of settings"),
        ("optimiser: {learning_rate: 1e-3}", "learning_rate: '1e-3' is no number"),
        ("optimiser: {steps: 10.5}", "steps: 10.5 is no whole number"),
        ("workers: 0", "workers: 0 is too few; give at least 1"),
        ("checkpoint_every: 0", "checkpoint_every: 0 is too few"),
        ("optimiser: {steps: -3}", "steps: -3 is too few"),
        ("optimiser: {freeze_norms: 'no'}", "freeze_norms: 'no' is no true or false"),
        ("optimiser: {rare_weight: {tom: 2.0}}", "rare_weight: unknown name 'tom'; known are kick"),
        ("data: {left_out_kits: avl_redzep}", "left_out_kits: 'avl_redzep' is no list"),
        ("data: {left_out_kits: [1]}", "left_out_kits: 1 is no text"),
        (
            "slices: {drum_effects: {equalizer: 0.6}}",
            "drum_effects: unknown name 'equalizer'; known are room, equaliser",
        ),
        ("slices: {drum_effects: {room: 60}}", "drum_effects: room: 60 does not lie between 0 and 1"),
        ("slices: {pattern_share: 1.5}", "pattern_share: 1.5 does not lie between 0 and 1"),
        ("slices: {frames: 1375}", "frames: 1375 is no multiple of"),
        ("slices: {views: {clean: 1.5, mix: -0.5, separated: 0.0}}", "views gives shares"),
        ("slices: {window: 0}", "window 0 must lie between 1"),
        ("slices: {drum_effects: {room: 1e-1}}", "drum_effects: room: '1e-1' is no number"),
        ("slices: {views: 5}", "views: 5 is no table of settings"),
        ("network: {chanels: 3}", "network: unknown setting 'chanels'"),
        ("network: {trunk_channels: 0}", "network: trunk_channels: 0 is no size"),
        ("network: {trunk_channels: wide}", "network: trunk_channels: 'wide' is no whole number"),
        ("seed: -1", "seed: -1 is negative"),
        ("optimiser: {positive_weight: -3.0}", "positive_weight: -3.0 is negative"),
        ("optimiser: {rare_weight: {toms: -2.0}}", "rare_weight: toms: -2.0 is negative"),
        ("slices: {company_spread_db: -5.0}", "company_spread_db: -5.0 is negative"),
        ("optimiser: {learning_rate: -1.0}", "learning_rate: -1.0 is no positive number"),
        (
            "slices: {capacity: 100, first: 400}",
            "first 400 and window 1500 must lie between 1 and the capacity, 100",
        ),
        ("slices: {views: {clean: 0.5, mix: 0.1, separated: 0.1}}", "add up to 1"),
    ],
)
def test_recipes_with_mistakes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=message) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)


def test_a_misspelt_layer_is_refused_before_anything_is_rendered() -> None:
    with pytest.raises(OptionError, match="network: unknown setting 'chanels'; known are rate_hz"):
        Recipe(network={"chanels": 3}).network_config()


def test_text_of_another_encoding_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes("# für Schlagzeug\nseed: 1".encode("latin-1"))
    with pytest.raises(OptionError, match=r"recipe\.yaml: not text in UTF-8"):
        load_recipe(tmp_path / "recipe.yaml")


def test_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot read the recipe"):
        load_recipe(tmp_path / "nothing.yaml")


def test_shipped_recipe_describes_the_shipped_network() -> None:
    recipe = load_recipe(Path(__file__).parents[1] / "mix2midi" / "configs" / "transcriber.yaml")
    assert recipe.network_config() == NetworkConfig()


def test_pictures_show_targets_beside_what_is_produced(tmp_path: Path) -> None:
    heat_maps = np.zeros((2, 26, 50), np.float32)
    heat_maps[1, 3, 20] = 1.0
    for name, produced in (("same", heat_maps), ("none", np.zeros_like(heat_maps))):
        draw_heat_maps(tmp_path / f"{name}.png", list(heat_maps), list(produced), frame_s=0.003)
    same, none = (image.imread(tmp_path / f"{name}.png") for name in ("same", "none"))
    changed = np.flatnonzero((same != none).any(axis=(0, 2)))
    assert changed.size and changed.min() > same.shape[1] / 2, "only the right half, what was produced, differs"


def test_training_learns_and_a_killed_run_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    recipe = data / "recipe.yaml"
    whole = train(recipe, data, tmp_path / "whole")

    def kill(line: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, tmp_path / "killed", report=kill)  # after the checkpoint of step 4
    resumed = train(recipe, data, tmp_path / "killed")
    logs = []
    for run in ("whole", "killed"):
        with (tmp_path / run / "log.csv").open() as file:
            logs.append(list(csv.DictReader(file)))
        assert [int(line["step"]) for line in logs[-1]] == [4, 8]
        assert all(float(line["validation_loss"]) > 0 for line in logs[-1])
    assert float(logs[0][1]["loss_onset"]) == pytest.approx(float(logs[1][1]["loss_onset"]), rel=1e-3)
    expected, found = load_file(whole), load_file(resumed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5)
    pictures = sorted((tmp_path / "whole" / "pictures").iterdir())
    assert [picture.name for picture in pictures] == ["0000004.png", "0000008.png"]


def test_a_run_killed_while_it_validates_misses_no_line_of_its_log(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("mix2midi.transcription.training.pictures.draw_heat_maps", kill)
        train(data / "recipe.yaml", data, tmp_path / "run", steps=4)
    train(data / "recipe.yaml", data, tmp_path / "run", steps=4)
    with (tmp_path / "run" / "log.csv").open() as file:
        assert [line["step"] for line in csv.DictReader(file) if line["validation_loss"]] == ["4"]


def test_a_run_without_slices_that_was_killed_while_it_validates_misses_no_line_either(tmp_path: Path) -> None:
    recipe = Recipe(network=TINY.to_dict(), optimiser=OptimiserRecipe(steps=2))

    def run(validate: Callable[[], float]) -> None:
        trainer = Trainer(recipe, tmp_path)
        trainer.resume()

        def learn() -> float:
            trainer.step += 1
            return 0.5

        trainer.learn_to_end(learn, validate, lambda line: None)

    def kill() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(kill)
    run(lambda: 0.25)
    assert (tmp_path / "log.csv").read_text().splitlines()[1:] == ["2,0.5,3e-05,0.25"]


def test_a_run_of_another_recipe_is_not_taken_up(data: Path, tmp_path: Path) -> None:
    """What lies rendered in its folder would be learnt from, whatever the new recipe says."""
    text, other = (data / "recipe.yaml").read_text(), tmp_path / "other.yaml"
    train(data / "recipe.yaml", data, tmp_path / "run", steps=2)
    other.write_text(text.replace("batch_size: 2", "batch_size: 3").replace("workers: 1", "workers: 2"))
    train(other, data, tmp_path / "run", steps=3)
    other.write_text(text.replace("frames: 344,", "frames: 344, drum_effects: {room: 0.5},"))
    with pytest.raises(OptionError, match=r"run: holds a run with another slices: drum_effects: room; name another"):
        train(other, data, tmp_path / "run")


def test_a_run_of_other_data_is_not_taken_up_unless_it_is_meant(data: Path, tmp_path: Path) -> None:
    """Slices of the drums that were there before would be mixed with those of the new ones."""
    recipe = data / "recipe.yaml"
    data = Path(shutil.copytree(data, tmp_path / "data"))  # the other tests want it as it is
    train(recipe, data, tmp_path / "run", steps=2)
    train(recipe, data.rename(tmp_path / "moved"), tmp_path / "run", steps=3)
    data = tmp_path / "moved"
    manifest = data / "kits" / "manifest.csv"
    manifest.write_text(manifest.read_text() + manifest.read_text().splitlines()[1] + "\n")
    with pytest.raises(
        OptionError, match=r"run: holds a run that began with another kits/manifest\.csv; put that back"
    ):
        train(recipe, data, tmp_path / "run", steps=4)
    (tmp_path / "run" / "data.json").unlink()  # as in a run that began before there was one
    train(recipe, data, tmp_path / "run", steps=4)
    archive = data / "groove.zip"
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(OptionError, match=r"another groove\.zip"):
        train(recipe, data, tmp_path / "run", steps=5)


def test_a_loss_that_is_no_number_ends_the_run_and_spoils_nothing(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((data / "recipe.yaml").read_text().replace("optimiser: {", "optimiser: {velocity_weight: .inf, "))
    with pytest.raises(OptionError, match="the loss of step 1 is no number; lower the recipe's learning_rate"):
        train(recipe, data, tmp_path / "run")
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_kits_that_are_not_there_are_not_left_out_silently(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((data / "recipe.yaml").read_text().replace("[spare]", "[spear]"))
    with pytest.raises(OptionError, match="no kit 'spear', which the recipe names in left_out_kits or unused_kits"):
        train(recipe, data, tmp_path / "run")
    train(data / "recipe.yaml", data, tmp_path / "run", steps=1)  # nothing was made by the wrong one


def test_damaged_data_is_named(data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(data, tmp_path / "data"))  # the other tests want it whole
    archive = data / "groove.zip"
    archive.write_bytes(archive.read_bytes()[:-50])
    with pytest.raises(OptionError, match=r"groove\.zip: is no whole archive of the Groove MIDI Dataset; fetch it"):
        train(data / "recipe.yaml", data, tmp_path / "run")
    manifest = data / "kits" / "manifest.csv"
    manifest.write_bytes(manifest.read_bytes().replace(b"CC0", "für alle".encode("latin-1")))
    with pytest.raises(OptionError, match=r"manifest\.csv: not text in UTF-8"):
        train(data / "recipe.yaml", data, tmp_path / "run")


def test_a_sample_that_cannot_be_read_is_named_and_nothing_else_is_printed(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(data, tmp_path / "data"))
    for file in (data / "kits" / "plain").iterdir():
        file.write_bytes(b"no audio")
    with pytest.raises(OptionError, match=r"plain.*\.flac: cannot be read as audio .*; see `mix2midi kits check`"):
        train(data / "recipe.yaml", data, tmp_path / "run")
    assert capfd.readouterr().err == ""


def test_resume_takes_up_the_same_curve(data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    renderer = training_renderer(recipe, data)
    ring = SliceRing(tmp_path / "slices", recipe.slices.capacity, renderer.samples)
    for number in range(16):
        ring.put(number, *renderer.render(number))

    def losses(trainer: Trainer, steps: int) -> list[float]:
        batches = (
            slices_of_step(recipe.slices, recipe.seed, recipe.optimiser.batch_size, trainer.step)[0]
            for _ in range(steps)
        )
        return [trainer.learn(*ring.get(numbers))["loss_onset"] for numbers in batches]

    straight = losses(Trainer(recipe, tmp_path), 6)
    stopped = Trainer(recipe, tmp_path)
    before = losses(stopped, 3)
    stopped.save()
    taken_up = Trainer(recipe, tmp_path)
    assert taken_up.resume()
    np.testing.assert_allclose(before + losses(taken_up, 3), straight, rtol=1e-4)


def test_the_log_of_a_killed_run_tells_of_each_step_once(tmp_path: Path) -> None:
    recipe, team = Recipe(network=TINY.to_dict()), Team(device="cpu")
    trainer = Trainer(recipe, tmp_path, team)
    trainer.step = 100
    trainer.save()
    for step in (50, 100, 150):
        append_log(tmp_path / "log.csv", {"step": step, "loss": 0.5, "validation_loss": ""})
    assert Trainer(recipe, tmp_path, team).resume()
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss,validation_loss", "50,0.5,", "100,0.5,"]
    (tmp_path / "checkpoint.pt").unlink()
    assert not Trainer(recipe, tmp_path, team).resume()
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss,validation_loss"]


def test_a_full_disk_is_named_and_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(Recipe(network=TINY.to_dict()), tmp_path, Team(device="cpu"))
    trainer.save()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    trainer.step = 1
    with pytest.raises(OutputError, match=r"checkpoint\.pt: cannot be written: no space left on device; free some"):
        trainer.save()
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_batch_can_be_learnt(renderer: SliceRenderer, data: Path, tmp_path: Path) -> None:
    recipe = replace(
        load_recipe(data / "recipe.yaml"), optimiser=OptimiserRecipe(steps=1000, warmup_steps=5, learning_rate=0.02)
    )
    ring = SliceRing(tmp_path / "slices", 24, renderer.samples)
    ring.put(0, *renderer.render(0))
    trainer = Trainer(recipe, tmp_path)
    batch = ring.get(np.zeros(2, dtype=np.int64))
    losses = [sum(trainer.learn(*batch).values()) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_run_can_start_from_weights(data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    first = Trainer(recipe, tmp_path / "first")
    (tmp_path / "first").mkdir()
    first.save()
    second = Trainer(replace(recipe, seed=recipe.seed + 1), tmp_path / "second")
    second.start_from(tmp_path / "first" / "weights.safetensors")
    for key, value in first.average.state_dict().items():
        np.testing.assert_array_equal(second.network.state_dict()[key].numpy(), value.numpy())
    other = replace(recipe, network={**recipe.network, "slow_bands": 50})
    with pytest.raises(ModelError, match="another network"):
        Trainer(other, tmp_path).start_from(tmp_path / "first" / "weights.safetensors")


def test_damaged_checkpoints_are_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="cannot resume"):
        train(data / "recipe.yaml", data, tmp_path, steps=1)


def test_a_result_keeps_a_share_of_what_it_started_from(data: Path, tmp_path: Path) -> None:
    first = train(data / "recipe.yaml", data, tmp_path / "first", steps=2)
    (tmp_path / "blended.yaml").write_text(RECIPE.replace("optimiser: {", "optimiser: {initial_share: 0.25, "))
    plain = train(data / "recipe.yaml", data, tmp_path / "plain", steps=4, initial_weights=first)
    blended = train(tmp_path / "blended.yaml", data, tmp_path / "blended", steps=4, initial_weights=first)
    old, new, both = (load_file(path)["onset.bias"] for path in (first, plain, blended))
    assert not np.array_equal(old, new)
    np.testing.assert_allclose(both, 0.25 * old + 0.75 * new, rtol=1e-5)
    for others in (plain, None, tmp_path / "missing.safetensors"):  # `both` would be of these, or of the new run alone
        with pytest.raises(OptionError, match="blended: holds a run with another --from; name another folder"):
            train(tmp_path / "blended.yaml", data, tmp_path / "blended", steps=4, initial_weights=others)
    again = train(tmp_path / "blended.yaml", data, tmp_path / "blended", steps=4, initial_weights=first)
    np.testing.assert_array_equal(load_file(again)["onset.bias"], both)
