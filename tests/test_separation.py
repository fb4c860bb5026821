"""Separators: alignment and seams with fake networks, the real ones where they are, and weights that come and go."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from mix2midi.audio import AudioArray, AudioFile, read_audio
from mix2midi.device import memory_guard, resolve_device
from mix2midi.errors import AudioError, DeviceError, ModelError, OptionError
from mix2midi.separation import (
    MODELS,
    NoSeparator,
    choose_separator,
    download,
    fetch_model,
    list_models,
    load_separator,
    models,
)
from mix2midi.separation.models import find_model
from mix2midi.separation.separator import NetworkSeparator, measure_level

RATE_HZ = 44100


class FakeNetwork:
    """A network of 1,000 samples that applies a function to each segment."""

    rate_hz = RATE_HZ
    segment_length = 1000
    stride_length = 750

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], is_normalised: bool = False) -> None:
        self._function = function
        self.is_normalised = is_normalised

    def __call__(self, mix: np.ndarray) -> np.ndarray:
        assert mix.shape == (2, self.segment_length)
        assert mix.dtype == np.float32
        return self._function(mix).astype(np.float32)


class CutSource(AudioArray):
    """A song that comes in blocks of a length of its own choice."""

    def __init__(self, samples: np.ndarray, block_length: int) -> None:
        super().__init__(samples, RATE_HZ)
        self._block_length = block_length

    def blocks(self, rate_hz: int, *, mono: bool, block_s: float = 30.0) -> Iterator[np.ndarray]:
        return super().blocks(rate_hz, mono=mono, block_s=self._block_length / rate_hz)


def noise(length: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, length)).astype(np.float32)


def edge_blind(mix: np.ndarray) -> np.ndarray:
    """Like a real network: good in the middle of a segment, bad at its edges."""
    return mix * np.sin(np.linspace(0, np.pi, mix.shape[1])) + 0.1 * mix[:, ::-1] ** 3


def stream(separator: NetworkSeparator, source: AudioArray) -> np.ndarray:
    return np.concatenate(list(separator.separate_stream(source)), axis=1)


# Length, alignment, seams


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 5000), is_normalised=st.booleans())
def test_what_a_network_passes_stays_in_place(length: int, is_normalised: bool) -> None:
    mix = noise(length, seed=length)
    stem = NetworkSeparator("copy", FakeNetwork(lambda segment: segment, is_normalised)).separate(mix, RATE_HZ)
    expected = mix - measure_level(AudioArray(mix, RATE_HZ), RATE_HZ).mean if is_normalised else mix
    assert stem.shape == mix.shape
    if length > 1:  # a single sample has no deviation and counts as silence
        np.testing.assert_allclose(stem, expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(2, 6000), block_length=st.integers(1, 3000), is_normalised=st.booleans())
def test_result_does_not_depend_on_blocks(length: int, block_length: int, is_normalised: bool) -> None:
    mix = noise(length, seed=length)
    separator = NetworkSeparator("fake", FakeNetwork(edge_blind, is_normalised))
    whole, in_pieces = stream(separator, CutSource(mix, length)), stream(separator, CutSource(mix, block_length))
    np.testing.assert_allclose(in_pieces, whole, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(1, 4000),
    channels=st.sampled_from([1, 2, 6]),
    rate_hz=st.sampled_from([22050, 44100, 48000]),
)
def test_shape_and_rate_come_back(length: int, channels: int, rate_hz: int) -> None:
    mix = noise(length, channels)
    stem = NetworkSeparator("half", FakeNetwork(lambda segment: segment / 2)).separate(mix, rate_hz)
    assert stem.shape == mix.shape
    assert stem.dtype == np.float32
    if rate_hz == RATE_HZ:
        np.testing.assert_allclose(
            stem, mix / 2 if channels == 2 else np.tile(mix.mean(0) / 2, (channels, 1)), atol=1e-6
        )


def test_vector_stays_vector_and_input_stays_unchanged() -> None:
    mix = noise(3000, 1)[0]
    before = mix.copy()
    stem = NoSeparator().separate(mix, 48000)
    assert stem.shape == mix.shape
    stem[:] = 0
    np.testing.assert_array_equal(mix, before)


def test_stream_has_the_length_of_the_song_at_the_network_rate() -> None:
    separator = NetworkSeparator("copy", FakeNetwork(lambda segment: segment))
    blocks = list(separator.separate_stream(AudioArray(noise(10_001, 1), 48000)))
    assert {block.shape[0] for block in blocks} == {2}
    assert sum(block.shape[1] for block in blocks) == round(10_001 * RATE_HZ / 48000)


def test_network_sees_the_level_of_the_whole_song() -> None:
    mix = np.concatenate([noise(4000) * 0.01, noise(4000)], axis=1) + np.float32(0.2)
    seen: list[np.ndarray] = []
    network = FakeNetwork(lambda segment: seen.append(segment.copy()) or segment, is_normalised=True)  # type: ignore[func-returns-value]
    NetworkSeparator("spy", network).separate(mix, RATE_HZ)
    mono = mix.mean(axis=0, dtype=np.float64)
    expected = (mix[:, :1000] - mono.mean()) / mono.std(ddof=1)
    np.testing.assert_allclose(seen[0], expected, atol=1e-4)


@pytest.mark.parametrize("is_normalised", [True, False])
def test_silence_stays_silent(is_normalised: bool) -> None:
    separator = NetworkSeparator("dreamer", FakeNetwork(lambda segment: segment + 1, is_normalised))
    stem = separator.separate(np.zeros((2, 5000), np.float32), RATE_HZ)
    np.testing.assert_array_equal(stem, 0)


def test_progress_rises_to_one() -> None:
    separator = NetworkSeparator("copy", FakeNetwork(lambda segment: segment))
    seen: list[float] = []
    for _ in separator.separate_stream(AudioArray(noise(9000), RATE_HZ), seen.append):
        pass
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 5


def test_not_a_number_is_refused() -> None:
    mix = noise(3000)
    mix[0, 100] = np.nan
    with pytest.raises(AudioError, match="no sound"):
        NetworkSeparator("copy", FakeNetwork(lambda segment: segment)).separate(mix, RATE_HZ)


# demucs


def small_demucs() -> Any:
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    settings = {"channels": 8, "bottom_channels": 32, "t_layers": 1, "t_heads": 2, "segment": Fraction(1, 2)}
    return HTDemucs(["drums", "bass", "other", "vocals"], **settings)


def save_demucs(model: Any, path: Path, **header: str) -> Path:
    """As the hub's files are: tensors, and how to build the class in the header."""
    args, kwargs = model._init_args_kwargs
    segment = {
        "_type": "fraction",
        "numerator": kwargs["segment"].numerator,
        "denominator": kwargs["segment"].denominator,
    }
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps(list(args)),
        "kwargs": json.dumps({**kwargs, "segment": segment}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path, metadata | header)
    return path


@pytest.fixture
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights and without network; the path is the package's cache."""
    monkeypatch.setattr(models, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name, model in MODELS.items():
        if not model.source.startswith("hf://"):
            monkeypatch.setitem(MODELS, name, dataclasses.replace(model, source="http://127.0.0.1:9"))
    return tmp_path / "cache"


def test_demucs_gives_what_its_own_code_gives(lonely: Path, tmp_path: Path) -> None:
    import torch
    from demucs.apply import apply_model

    model = small_demucs()
    save_demucs(model, tmp_path / "htdemucs" / MODELS["htdemucs"].file_name)
    mix = noise(61_234) * np.linspace(0.1, 1, 61_234, dtype=np.float32)
    stem = load_separator("htdemucs", model_dir=tmp_path).separate(mix, RATE_HZ)

    level = measure_level(AudioArray(mix, RATE_HZ), RATE_HZ)
    batch = torch.from_numpy((mix - np.float32(level.mean)) / np.float32(level.deviation))[None]
    with torch.no_grad():
        expected = apply_model(model.eval(), batch, shifts=0, overlap=0.25)[0, 0].numpy() * level.deviation
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(stem, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", b"\xff" * 100])
def test_damaged_demucs_names_file_and_way_out(lonely: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "htdemucs" / MODELS["htdemucs"].file_name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{path}: .*models fetch htdemucs"):
        load_separator("htdemucs", model_dir=tmp_path)


def test_truncated_demucs_is_refused(lonely: Path, tmp_path: Path) -> None:
    path = save_demucs(small_demucs(), tmp_path / "htdemucs" / MODELS["htdemucs"].file_name)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged"):
        load_separator("htdemucs", model_dir=tmp_path)


def test_demucs_file_cannot_make_other_code_run(lonely: Path, tmp_path: Path) -> None:
    target = tmp_path / "made by the weights"
    path = tmp_path / "htdemucs" / MODELS["htdemucs"].file_name
    save_demucs(small_demucs(), path, klass="pathlib.Path.mkdir", args=json.dumps([str(target)]), kwargs="{}")
    with pytest.raises(ModelError, match="no htdemucs"):
        load_separator("htdemucs", model_dir=tmp_path)
    assert not target.exists()


@pytest.mark.slow
def test_real_htdemucs_separates_a_real_song(shared_dir: Path) -> None:
    if not find_model("htdemucs").is_usable:
        pytest.skip("the weights of htdemucs are not on this machine")
    folder = shared_dir / "data" / "mdb-dev" / "Rock"
    length = 8 * RATE_HZ
    mix = read_audio(AudioFile(folder / "mix.flac"), RATE_HZ)[:, :length]
    drums = read_audio(AudioFile(folder / "drums.flac"), RATE_HZ)[:, :length]
    drums = (
        drums * np.sum(mix * drums) / np.sum(drums**2)
    )  # at the level that they have in the mix, which is twice theirs
    stem = load_separator("htdemucs").separate(mix, RATE_HZ)
    assert stem.shape == mix.shape
    assert decibels(drums, mix - drums) < 0
    assert decibels(drums, stem - drums) > 7


def decibels(signal: np.ndarray, distortion: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(signal**2) / np.sum(distortion**2)))


# open-unmix


def save_open_unmix(folder: Path, channels: int = 2, suffix: str = ".safetensors") -> Path:
    """A small random network in a folder as open-unmix saves it."""
    import torch
    from openunmix.model import OpenUnmix

    torch.manual_seed(0)
    network = OpenUnmix(nb_bins=129, nb_channels=channels, hidden_size=8, nb_layers=2, max_bin=100)
    folder.mkdir()
    settings = {"sample_rate": 8000, "nfft": 256, "nhop": 64, "nb_channels": channels}
    (folder / "separator.json").write_text(json.dumps(settings))
    (folder / "drums.json").write_text(json.dumps({"args": {"hidden_size": 8, "nb_channels": channels, "nfft": 256}}))
    state = {**network.state_dict(), "stft.window": torch.ones(256)}  # published files have such extras
    if suffix == ".safetensors":
        save_file(state, folder / "drums.safetensors")
    else:
        torch.save(state, folder / "drums.pth")
    return folder


@pytest.mark.parametrize(("channels", "suffix"), [(2, ".safetensors"), (1, ".safetensors"), (2, ".pth")])
def test_folder_of_open_unmix(tmp_path: Path, channels: int, suffix: str) -> None:
    separator = load_separator(str(save_open_unmix(tmp_path / "my model", channels, suffix)))
    assert (separator.name, separator.rate_hz) == ("my model", 8000)
    mix = noise(8000 * 3)
    stem = separator.separate(mix, 8000)
    assert stem.shape == mix.shape
    assert np.isfinite(stem).all()
    assert 0 < np.abs(stem).max() < 10
    np.testing.assert_array_equal(stem, separator.separate(mix, 8000))
    np.testing.assert_array_equal(separator.separate(np.zeros_like(mix), 8000), 0)


def test_golden_open_unmix() -> None:
    folder = Path(__file__).parent / "golden" / "open_unmix"
    golden = np.load(folder / "half_second.npz")
    stem = load_separator(str(folder)).separate(golden["mix"], 8000)
    np.testing.assert_allclose(stem, golden["drums"], atol=1e-4)


def test_open_unmix_of_all_passing_mask_gives_the_mix(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = save_open_unmix(tmp_path / "open")
    state = load_file(folder / "drums.safetensors")
    state["fc3.weight"] = torch.zeros_like(state["fc3.weight"])  # the mask is then its bias: one, everywhere
    state["output_scale"], state["output_mean"] = torch.ones(129), torch.ones(129)
    save_file(state, folder / "drums.safetensors")
    mix = noise(8000 * 25)
    stem = load_separator(str(folder)).separate(mix, 8000)
    np.testing.assert_allclose(stem, mix, atol=0.01)


def test_pickle_in_a_folder_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.mkdir, (tmp_path / "made by the weights",))

    folder = save_open_unmix(tmp_path / "evil")
    (folder / "drums.safetensors").unlink()
    (folder / "drums.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ModelError, match=r"drums\.pth"):
        load_separator(str(folder))
    assert not (tmp_path / "made by the weights").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("separator.json", None),
        ("separator.json", "{"),
        ("separator.json", '{"nfft": 256}'),
        ("separator.json", '{"sample_rate": 8000, "nfft": 512, "nhop": 64, "nb_channels": 2}'),
        ("separator.json", '{"sample_rate": 8000, "nfft": 256, "nhop": 64, "nb_channels": 7}'),
        ("drums.json", "[]"),
        ("drums.safetensors", None),
        ("drums.safetensors", "damaged"),
    ],
)
def test_incomplete_folder_names_the_file(tmp_path: Path, name: str, content: str | None) -> None:
    folder = save_open_unmix(tmp_path / "broken")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ModelError, match=f"^{folder}.*separator.json, drums.json and drums.pth$"):
        load_separator(str(folder))


def test_published_open_unmix(lonely: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openunmix
    import torch

    network = openunmix.umxhq_spec(targets=["drums"], pretrained=False)["drums"]
    path = tmp_path / "umxhq" / MODELS["umxhq"].file_name
    path.parent.mkdir()
    torch.save(network.state_dict(), path)
    with pytest.raises(ModelError, match="umxhq"):  # not the published file
        load_separator("umxhq", model_dir=tmp_path)
    monkeypatch.setitem(MODELS, "umxhq", dataclasses.replace(MODELS["umxhq"], sha256=""))
    separator = load_separator("umxhq", model_dir=tmp_path)
    assert separator.separate(noise(RATE_HZ), RATE_HZ).shape == (2, RATE_HZ)


# Names


def test_none_gives_the_song_itself() -> None:
    mix = noise(5000)
    choice = choose_separator("none")
    assert choice.name == "none"
    np.testing.assert_array_equal(choice.separator.separate(mix, RATE_HZ), mix)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(OptionError, match="'spleeter' is not known.*htdemucs.*none"):
        load_separator("spleeter")
    with pytest.raises(OptionError, match="not known"):
        fetch_model("spleeter")


def test_auto_takes_htdemucs_that_is_there(lonely: Path) -> None:
    save_demucs(small_demucs(), lonely / "htdemucs" / MODELS["htdemucs"].file_name)
    choice = choose_separator("auto")
    assert (choice.name, choice.separator.name) == ("htdemucs", "htdemucs")
    assert choice.reason == "htdemucs: its weights are on this machine"


def test_auto_does_without_and_says_so(lonely: Path) -> None:
    choice = choose_separator("auto")
    assert choice.name == "none"
    assert "cannot be fetched" in choice.reason
    assert "\n" not in choice.reason


def test_auto_takes_the_next_best_that_is_there(lonely: Path) -> None:
    save_demucs(small_demucs(), lonely / "htdemucs_ft" / MODELS["htdemucs_ft"].file_name)
    assert choose_separator("auto").name == "htdemucs_ft"


def test_auto_does_not_pass_over_damaged_weights(lonely: Path) -> None:
    path = save_demucs(small_demucs(), lonely / "htdemucs" / MODELS["htdemucs"].file_name)
    download.sidecar_of(path).write_text("0" * 64)
    with pytest.raises(ModelError, match=f"{path}: is damaged"):
        choose_separator("auto")


# Weights


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the Hugging Face hub: checksum and size on a redirection, then the file."""

    content = b"weights of a network" * 100_000
    cut_at: int | None = None
    stated = hashlib.sha256(content).hexdigest()

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer()

    def do_GET(self) -> None:  # noqa: N802
        if self._answer():
            self.wfile.write(self.content[: self.cut_at])

    def _answer(self) -> bool:
        is_file = self.path.startswith("/storage")
        self.send_response(200 if is_file else 302)
        if is_file:
            self.send_header("Content-Length", str(len(self.content)))
        else:
            self.send_header("X-Linked-ETag", f'"{self.stated}"')
            self.send_header("Location", f"/storage{self.path}")
        self.end_headers()
        return is_file

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(lonely: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine."""

    class FreshHub(Hub):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FreshHub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield FreshHub
    server.shutdown()
    server.server_close()
    thread.join()


def state_of(name: str, model_dir: Path | None = None) -> str:
    return {status.model.name: status.state for status in list_models(model_dir)}[name]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_fetch_shows_progress_and_verifies(hub: type[Hub], lonely: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    assert state_of("htdemucs") == "missing"
    path = fetch_model("htdemucs", on_download=lambda *step: seen.append(step))
    assert path == lonely / "htdemucs" / "955717e8.safetensors"
    assert path.read_bytes() == hub.content
    assert seen[-1] == ("htdemucs", len(hub.content), len(hub.content))
    assert state_of("htdemucs") == "verified"
    path.write_bytes(b"something else")
    assert state_of("htdemucs") == "damaged"
    assert fetch_model("htdemucs").read_bytes() == hub.content


def test_model_dir_is_filled_from_the_cache_and_carried(hub: type[Hub], lonely: Path, tmp_path: Path) -> None:
    fetch_model("htdemucs")
    hub.content = b"the hub has changed, and is not asked again"
    stick = tmp_path / "stick"
    path = fetch_model("htdemucs", stick)
    assert files_in(stick) == ["htdemucs/955717e8.safetensors", "htdemucs/955717e8.safetensors.sha256"]
    (lonely / "htdemucs" / "955717e8.safetensors").unlink()
    assert (state_of("htdemucs"), state_of("htdemucs", stick)) == ("missing", "verified")
    assert fetch_model("htdemucs", stick) == path


def test_hub_cache_of_demucs_is_used(lonely: Path, tmp_path: Path) -> None:
    content = b"from demucs"
    digest = hashlib.sha256(content).hexdigest()
    repository = tmp_path / "hub" / "models--adefossez--HTDemucs"
    for folder in ("blobs", "refs", "snapshots/abc"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "blobs" / digest).write_bytes(content)
    (repository / "snapshots" / "abc" / "955717e8.safetensors").symlink_to(f"../../blobs/{digest}")
    assert state_of("htdemucs") == "verified"
    (repository / "blobs" / digest).write_bytes(b"damaged")
    assert state_of("htdemucs") == "damaged"


def test_torch_cache_of_openunmix_is_used(lonely: Path, tmp_path: Path) -> None:
    path = tmp_path / "torch" / "hub" / "checkpoints" / MODELS["umxhq"].file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the published file")
    assert state_of("umxhq") == "damaged"


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"stated": "0" * 64}, "damaged"),
        ({"cut_at": 1000}, "fetching weights from .* failed"),
    ],
)
def test_bad_transfer_leaves_nothing(hub: type[Hub], lonely: Path, change: dict[str, Any], trouble: str) -> None:
    for attribute, value in change.items():
        setattr(hub, attribute, value)
    with pytest.raises(ModelError, match=f"^htdemucs: .*{trouble}"):
        fetch_model("htdemucs")
    assert files_in(lonely) == []


def test_interrupted_fetch_leaves_nothing(hub: type[Hub], lonely: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_model("htdemucs", on_download=interrupt)
    assert files_in(lonely) == []


def test_folder_that_cannot_be_written(hub: type[Hub], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be saved"):
        fetch_model("htdemucs", tmp_path / "file")


@pytest.mark.parametrize("name", ["htdemucs", "umxhq"])
def test_without_network_the_answer_says_what_to_do(lonely: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"^{name}: .*cannot be fetched.*--model-dir$"):
        load_separator(name)


def test_silent_server_is_given_up(lonely: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ModelError, match=r"cannot be fetched .*\((no answer|timed out)\)"):
            fetch_model("htdemucs")


def test_offline_variable_is_obeyed(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        fetch_model("htdemucs")


# Devices


def test_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda", "mps")


def test_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    for name in ("cuda", "cuda:3", "mps"):
        with pytest.raises(DeviceError, match=f"'{name}' is not on this machine.*'cpu'"):
            resolve_device(name)


def test_second_card_needs_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert (resolve_device("auto"), resolve_device("cuda:0")) == ("cuda", "cuda:0")
    with pytest.raises(DeviceError):
        resolve_device("cuda:1")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x"])
def test_unknown_device(name: str) -> None:
    with pytest.raises(OptionError, match="auto, cpu, cuda, mps"):
        resolve_device(name)


def test_lack_of_memory_is_named_and_other_errors_pass() -> None:
    import torch

    with (
        pytest.raises(DeviceError, match="separating.*memory of device 'cuda' is full.*'cpu'"),
        memory_guard("cuda", "separating"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    with pytest.raises(DeviceError, match="is full"), memory_guard("cpu", "separating"):
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), memory_guard("cpu", "separating"):
        raise RuntimeError("shapes do not fit")
