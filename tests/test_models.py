"""The choice of a separator, and weights that are there, missing, damaged, fetched or carried."""

from __future__ import annotations

import hashlib
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mix2midi.cli import app
from mix2midi.errors import ModelError, OptionError
from mix2midi.separation import MODELS, choose_separator, download, fetch_model, list_models, load_separator
from mix2midi.separation.models import BUILTIN_FOLDER, find_model
from tests.separators import RATE_HZ, noise, save_demucs, small_demucs

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


@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything, and Windows asks others"
)
def test_a_cache_of_somebody_else_is_passed_over(lonely: Path) -> None:
    path = save_demucs(small_demucs(), lonely / "htdemucs" / MODELS["htdemucs"].file_name)
    path.parent.chmod(0)
    try:
        assert find_model("htdemucs").state == "missing"
    finally:
        path.parent.chmod(0o755)


def test_a_file_that_cannot_be_read_is_passed_over(lonely: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_demucs(small_demucs(), lonely / "htdemucs" / MODELS["htdemucs"].file_name)
    monkeypatch.setattr("mix2midi.separation.models._state_of", lambda *_: (_ for _ in ()).throw(PermissionError()))
    assert find_model("htdemucs").state == "missing"


def test_a_checksum_that_is_none_does_not_count(lonely: Path) -> None:
    path = save_demucs(small_demucs(), lonely / "htdemucs" / MODELS["htdemucs"].file_name)
    download.sidecar_of(path).write_bytes(b"\xff\xfe no checksum")
    assert find_model("htdemucs").state == "cached"


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


def test_what_nobody_states_a_checksum_of_must_look_like_weights(hub: type[Hub], lonely: Path) -> None:
    hub.stated, hub.content = "", b"<html>please log in</html>"
    with pytest.raises(ModelError, match="htdemucs: what came from .* is damaged"):
        fetch_model("htdemucs")
    assert files_in(lonely) == []
    hub.content = (2).to_bytes(8, "little") + b"{}"
    assert fetch_model("htdemucs").read_bytes() == hub.content


def test_fetch_shows_progress_and_verifies(hub: type[Hub], lonely: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    assert state_of("htdemucs") == "missing"
    path = fetch_model("htdemucs", on_download=lambda *step: seen.append(step))
    assert path == lonely / "htdemucs" / "955717e8.safetensors"
    assert path.read_bytes() == hub.content
    assert seen[-1] == ("htdemucs", len(hub.content), len(hub.content))
    assert state_of("htdemucs") == "verified"
    (lonely / "plain").touch()
    assert path.stat().st_mode == (lonely / "plain").stat().st_mode, "others may read it too"
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


def test_model_dir_may_stand_before_fetch(hub: type[Hub], lonely: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "--model-dir", str(tmp_path / "stick"), "fetch", "htdemucs", "-q"])
    assert result.exit_code == 0
    assert "htdemucs/955717e8.safetensors" in files_in(tmp_path / "stick")


def test_a_folder_called_like_a_separator_is_a_folder(tmp_path: Path) -> None:
    for name in ("none", "builtin", "mine"):
        copytree(BUILTIN_FOLDER, tmp_path / name)
    found = {name: load_separator(str(tmp_path / name)).name for name in ("none", "builtin", "mine")}
    assert found == {"none": str(tmp_path / "none"), "builtin": str(tmp_path / "builtin"), "mine": "mine"}


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
