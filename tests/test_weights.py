"""Weights as files: they come back whole, or one line says why they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from mix2midi.errors import ModelError
from mix2midi.transcription import Picking, Transcriber
from mix2midi.transcription.network import DrumNetwork, NetworkConfig
from mix2midi.transcription.peaks import CURVES, VIEWS
from mix2midi.transcription.training.mean import main as mean_main
from mix2midi.transcription.training.widen import main as widen_main
from mix2midi.transcription.weights import SHIPPED_WEIGHTS, Weights, load_weights, save_weights
from tests.networks import TINY, tiny_network


def test_round_trip_gives_the_same_heat_map(tmp_path: Path) -> None:
    picking = Picking(thresholds=dict.fromkeys(CURVES, 0.4))
    save_weights(Weights(tiny_network(), {"mix": picking.to_dict()}, {"steps": 7}), tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.network.config == TINY
    assert loaded.notes == {"steps": 7}
    audio = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    original, again = Transcriber(Weights(tiny_network())), Transcriber(loaded)
    assert again.pickings == {"clean": Picking(), "separated": Picking(), "mix": picking}
    np.testing.assert_array_equal(again.heat_map(audio).onset, original.heat_map(audio).onset)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"], "no partial file is left"


def test_the_same_weights_make_the_same_file(tmp_path: Path) -> None:
    weights = Weights(tiny_network(), {}, {"licence": "MIT", "title": "für Æ"})
    for number in range(8):  # three settings in the header, in an order by chance
        save_weights(weights, tmp_path / f"{number}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert load_weights(tmp_path / "0.safetensors").notes == weights.notes


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such weights file"):
        load_weights(tmp_path / "nothing.safetensors")


def test_damage_is_found(tmp_path: Path, tiny_weights: Path) -> None:
    whole = tiny_weights.read_bytes()
    for name, content in {
        "truncated": whole[: len(whole) // 2],
        "text": b"these are not weights",
        "empty": b"",
        "pickle": b"\x80\x04\x95cposix\nsystem\n",
    }.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="damaged"):
            load_weights(path)


def _stored(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata())  # noqa: SIM118


def test_other_versions_are_refused(tmp_path: Path, tiny_weights: Path) -> None:
    state, metadata = _stored(tiny_weights)
    path = tmp_path / "other.safetensors"
    save_file(state, path, metadata={**metadata, "format": "mix2midi-transcriber-1"})
    with pytest.raises(ModelError, match="not weights of this version"):
        load_weights(path)
    save_file(state, path, metadata={**metadata, "config": '{"trunk_channels": 8}'})
    with pytest.raises(ModelError, match="another version"):
        load_weights(path)


def test_missing_or_foreign_tensors_are_refused(tmp_path: Path, tiny_weights: Path) -> None:
    state, metadata = _stored(tiny_weights)
    path = tmp_path / "other.safetensors"
    save_file({key: value for key, value in state.items() if key != "onset.bias"}, path, metadata=metadata)
    with pytest.raises(ModelError, match="do not fit"):
        load_weights(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path, tiny_weights: Path) -> None:
    """As training that went astray leaves them; songs would seem to have no drums."""
    state, metadata = _stored(tiny_weights)
    path = tmp_path / "astray.safetensors"
    save_file({**state, "onset.bias": torch.full_like(state["onset.bias"], value)}, path, metadata=metadata)
    with pytest.raises(ModelError, match="not finite") as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


def test_thresholds_of_another_version_are_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    save_weights(Weights(tiny_network(), {"clean": {"repetition": {"kick": 0.5}}}), path)
    with pytest.raises(ModelError, match="another version of mix2midi .*unknown settings repetition") as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


def test_config_refuses_unknown_settings() -> None:
    with pytest.raises(ModelError, match="volume"):
        NetworkConfig.from_dict({**TINY.to_dict(), "volume": 11})


def test_shipped_weights_load_and_are_small() -> None:
    weights = load_weights()
    assert weights.network.config == NetworkConfig()
    assert set(weights.pickings) == set(VIEWS)
    for picking in weights.pickings.values():
        Picking.from_dict(picking)
    assert SHIPPED_WEIGHTS.stat().st_size <= 8 * 1024 * 1024


def test_the_mean_of_runs_is_the_mean_of_their_weights(tmp_path: Path) -> None:
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_weights(Weights(DrumNetwork(TINY), {}, {"seed": seed}), tmp_path / f"{seed}.safetensors")
    parts = [f"{tmp_path / '1.safetensors'}=0.25", f"{tmp_path / '2.safetensors'}=0.75"]
    assert mean_main([str(tmp_path / "mean.safetensors"), *parts]) == 0
    one, two, mean = (load_weights(tmp_path / f"{name}.safetensors") for name in ("1", "2", "mean"))
    assert mean.notes == {"seed": 1}
    state, other = one.network.state_dict(), two.network.state_dict()
    for key, value in mean.network.state_dict().items():
        torch.testing.assert_close(value, 0.25 * state[key] + 0.75 * other[key], check_dtype=False)


def test_a_mean_that_is_none_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = replace(TINY, trunk_channels=4)
    save_weights(Weights(tiny_network()), tmp_path / "a.safetensors")
    save_weights(Weights(DrumNetwork(small)), tmp_path / "b.safetensors")
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for parts, trouble in (
        ([f"{a}=0.5"], "add up to 1"),
        ([f"{a}=nan"], "add up to 1"),
        ([f"{a}=inf", f"{a}=-inf"], "add up to 1"),
        ([f"{a}=0.5", f"{b}=0.5"], "differ in shape"),
        ([f"{a}=half"], "is not WEIGHTS=SHARE"),
        ([f"{tmp_path / 'c.safetensors'}=1"], "no such weights file"),
    ):
        assert mean_main([str(tmp_path / "mean.safetensors"), *parts]) == 1
        stderr = capsys.readouterr().err
        assert trouble in stderr and stderr.count("\n") == 1
    assert not (tmp_path / "mean.safetensors").exists()


def test_a_file_of_half_precision_is_smaller_hears_the_same_and_stays_one(tmp_path: Path, tiny_weights: Path) -> None:
    half = tmp_path / "half.safetensors"
    assert mean_main([str(half), f"{tiny_weights}=1", "--half-precision"]) == 0
    assert half.stat().st_size < tiny_weights.stat().st_size
    matrices = {key for key, value in _stored(tiny_weights)[0].items() if value.ndim > 1}
    assert matrices == {key for key, value in _stored(half)[0].items() if value.dtype == torch.float16}
    loaded = load_weights(half)
    assert all(value.dtype != torch.float16 for value in loaded.network.state_dict().values())
    save_weights(loaded, tmp_path / "again.safetensors")
    again, first = _stored(tmp_path / "again.safetensors")[0], _stored(half)[0]
    assert all(torch.equal(value, again[key]) and value.dtype == again[key].dtype for key, value in first.items())
    audio = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    whole, halved = (Transcriber(load_weights(path)).heat_map(audio) for path in (tiny_weights, half))
    np.testing.assert_allclose(halved.onset.astype(float), whole.onset.astype(float), atol=4e-3)


def test_a_widened_network_hears_the_same(tmp_path: Path, tiny_weights: Path) -> None:
    wide = replace(TINY, slow_stem=(3, 4, 5), slow_channels=7, trunk_channels=11)
    recipe, output = tmp_path / "recipe.yaml", tmp_path / "wide.safetensors"
    recipe.write_text(yaml.safe_dump({"network": {key: _plain(value) for key, value in wide.to_dict().items()}}))
    assert widen_main([str(output), str(tiny_weights), str(recipe)]) == 0
    widened = load_weights(output)
    assert widened.network.config == wide
    audio = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 64 * 512 + 4096)).astype(np.float32))
    with torch.inference_mode():
        before, after = tiny_network()(audio), widened.network(audio)
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)
    audible = widened.network.train()(audio)[0].square().mean()
    audible.backward()
    reader = widened.network.get_parameter("slow_stem.convolutions.3.weight")
    assert reader.grad is not None and reader.grad[:2, 2:].any(), "what listens to nothing new yet can learn to"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_a_network_that_cannot_be_widened_is_refused_in_a_line(
    tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, output = tmp_path / "recipe.yaml", tmp_path / "wide.safetensors"
    for change, trouble in (({"trunk_channels": 4}, "not narrowed"), ({"head_channels": 12}, "in nothing else")):
        network = {key: _plain(value) for key, value in {**TINY.to_dict(), **change}.items()}
        recipe.write_text(yaml.safe_dump({"network": network}))
        assert widen_main([str(output), str(tiny_weights), str(recipe)]) == 1
        stderr = capsys.readouterr().err
        assert trouble in stderr and stderr.count("\n") == 1
    assert not output.exists()
