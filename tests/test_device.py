"""Devices: chosen in one place, and clear when they are missing or full."""

from __future__ import annotations

import pytest

from mix2midi.device import memory_guard, resolve_device
from mix2midi.errors import DeviceError, OptionError


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


@pytest.mark.parametrize(
    ("version", "device"), [((14, 7), "cpu"), ((15, 0), "cpu"), ((15, 1), "mps"), ((26, 0), "mps")]
)
def test_apples_gpu_needs_a_macos_that_can_run_htdemucs(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], device: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr("torch.backends.mps.is_macos_or_newer", lambda *least: version >= least)
    assert resolve_device("auto") == device
    if device == "mps":
        assert resolve_device("mps") == "mps"
    else:
        with pytest.raises(DeviceError, match=r"'mps' is not .* or macOS is older than 15\.1; use 'auto' or 'cpu'"):
            resolve_device("mps")


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
