"""Fixtures that every test file shares."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mix2midi.pipeline import Converter
    from mix2midi.transcription.training.slices import SliceRenderer


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real songs and kits beside the repository; the test is skipped where it is not there."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder 'shared' with real songs is not beside the repository")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny random network, for what must run but not be right."""
    from tests.networks import write_tiny_weights

    return write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="session")
def sources_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the company of the drums is made from: MIDI, syllables and recordings; read only."""
    from tests.company import write_sources

    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A short song, alone in its folder."""
    from tests.songs import write_song

    return write_song(tmp_path / "in" / "song.wav")


@pytest.fixture
def converter(tiny_weights: Path) -> Converter:
    """Transcribes with the tiny network, without separation."""
    from mix2midi.pipeline import Converter

    return Converter(stem_only=True, weights=tiny_weights, device="cpu")


@pytest.fixture
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights and without network; the path is the package's cache."""
    from mix2midi.separation import models

    monkeypatch.setattr(models, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name, model in models.MODELS.items():
        if not model.source.startswith("hf://"):
            monkeypatch.setitem(models.MODELS, name, dataclasses.replace(model, source="http://127.0.0.1:9"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up kits, performances and a recipe: what `mix2midi train` needs, in miniature."""
    from tests.sounds import write_data

    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def renderer(data: Path) -> SliceRenderer:
    """Slices for training from `data`."""
    from mix2midi.transcription.training.recipe import load_recipe
    from mix2midi.transcription.training.train import training_renderer

    return training_renderer(load_recipe(data / "recipe.yaml"), data)
