"""umxhq, umxl and open-unmix models in folders, through the package openunmix; of each only the drums.

The weights are the published ones, one file per target, read with ``weights_only=True`` or as safetensors.

References
----------
Stöter, Uhlich, Liutkus, Mitsufuji: Open-Unmix - A Reference Implementation for Music Source Separation. JOSS 2019.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio.source import MIN_RATE_HZ
from mix2midi.device import memory_guard
from mix2midi.errors import ModelError
from mix2midi.separation.separator import NetworkSeparator

if TYPE_CHECKING:
    from openunmix.model import OpenUnmix as Network
    from torch import Tensor

#: Its recurrent layers read a segment forward and backward; beyond this they gain nothing and cost memory.
_SEGMENT_S, _STRIDE_S = 20.0, 15.0
#: What open-unmix does where a model does not say.
_WIENER_ROUNDS = 1
#: Beyond these a folder is damaged, and separating with it would take all memory or days.
_MAX_RATE_HZ, _MAX_N_FFT, _MAX_OVERLAP, _MAX_WIENER_ROUNDS = 384_000, 65536, 64, 100

#: What torch raises for damaged weights in its formats, of which the older one raises whatever comes.
_OF_DAMAGED_FILES = (
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AssertionError,
    AttributeError,
    struct.error,
    pickle.UnpicklingError,
)


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Settings of the short-time Fourier transform, and what is done with what the network makes of it.

    Attributes
    ----------
    rate_hz, n_fft, hop_length : int
    channels : int
        Those that the network takes together.
    wiener_rounds : int
        Rounds of the Wiener filter; without any, the mask of the network is laid on the mix.
    """

    rate_hz: int = 44100
    n_fft: int = 4096
    hop_length: int = 1024
    channels: int = 2
    wiener_rounds: int = _WIENER_ROUNDS


class OpenUnmix:
    """An open-unmix of one target as a `SegmentNetwork`.

    What is not drums is made a second source, so that the Wiener filter of the paper can tell them apart. A network
    that takes one channel is run on both.

    Parameters
    ----------
    network : openunmix.model.OpenUnmix
        In evaluation mode.
    spectrogram : Spectrogram
    device : str
    name : str
        For messages.
    deviation : float, optional
        See `SegmentNetwork`. By default songs are taken as they are, as openunmix does.
    """

    def __init__(
        self, network: Network, spectrogram: Spectrogram, device: str, name: str, deviation: float | None = None
    ) -> None:
        from openunmix.model import Separator

        self.deviation = deviation
        self._channels = spectrogram.channels
        self._device = device
        self._task = f"separating drums with {name}"
        self._separator = Separator(
            {"drums": network},
            niter=spectrogram.wiener_rounds,
            residual=spectrogram.wiener_rounds > 0,
            sample_rate=spectrogram.rate_hz,
            n_fft=spectrogram.n_fft,
            n_hop=spectrogram.hop_length,
            nb_channels=spectrogram.channels,
        )
        self._separator.to(device).eval()
        self.rate_hz = spectrogram.rate_hz
        self.segment_length = _whole_hops(_SEGMENT_S, spectrogram)
        self.stride_length = _whole_hops(_STRIDE_S, spectrogram)

    def __call__(self, mix: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `SegmentNetwork`."""
        import torch

        with memory_guard(self._device, self._task), torch.inference_mode():
            batch = torch.from_numpy(mix).reshape(-1, self._channels, mix.shape[1])  # [batch, channels, samples]
            stems = self._separator(batch.to(self._device))  # [batch, targets, channels, samples]
            drums: NDArray[np.float32] = stems[:, 0].reshape(mix.shape).cpu().numpy()
        return drums


def load_published_open_unmix(name: str, path: Path, device: str) -> NetworkSeparator:
    """Load the drums of a model that openunmix knows by name.

    Parameters
    ----------
    name : str
        ``"umxhq"`` or ``"umxl"``.
    path : Path
        Its published weights.
    device : str
        A device that torch knows.

    Raises
    ------
    ModelError
        If the file is damaged or holds another model.
    """
    import openunmix

    networks = getattr(openunmix, f"{name}_spec")(targets=["drums"], pretrained=False)
    way_out = f"delete it and run `mix2midi models fetch {name}`"
    _fill(networks["drums"], _read_state(path, way_out), path, way_out)
    return _separator(name, networks["drums"], Spectrogram(), device)


def load_open_unmix_folder(
    folder: Path, device: str, name: str | None = None, deviation: float | None = None
) -> NetworkSeparator:
    """Load a model that was trained with open-unmix.

    Parameters
    ----------
    folder : Path
        With ``separator.json`` (sample_rate, nfft, nhop, nb_channels; niter where it is not 1), ``drums.json`` (args of
        the training) and ``drums*.safetensors`` or ``drums*.pth``.
    device : str
        A device that torch knows.
    name : str, optional
        What the separator is called; by default the folder's name.
    deviation : float, optional
        See `SegmentNetwork`; by default songs are taken as they are.

    Raises
    ------
    ModelError
        If a file is missing, damaged, or does not fit the others.
    """
    network, spectrogram = read_open_unmix_folder(folder)
    return _separator(name or folder.resolve().name, network, spectrogram, device, deviation)


def read_open_unmix_folder(folder: Path) -> tuple[Network, Spectrogram]:
    """The network of a folder of open-unmix and the transform that it reads; errors as `load_open_unmix_folder` has."""
    from openunmix.model import OpenUnmix as Network

    way_out = "name a folder as open-unmix saves it, with separator.json, drums.json and drums.pth"
    spectrogram = _read_spectrogram(folder / "separator.json", way_out)
    args = _read_json(folder / "drums.json", way_out).get("args", {})
    path = _weights_in(folder, way_out)
    state = _read_state(path, way_out)
    try:
        network = Network(
            nb_bins=spectrogram.n_fft // 2 + 1,
            nb_channels=spectrogram.channels,
            hidden_size=state["fc1.weight"].shape[0],
            nb_layers=sum(key.startswith("lstm.weight_ih") and "reverse" not in key for key in state),
            unidirectional=bool(args.get("unidirectional", False)),
            max_bin=state["input_mean"].shape[0],
        )
    except (KeyError, AttributeError, IndexError, ValueError) as error:
        raise ModelError(f"{path}: holds no open-unmix network; {way_out}") from error
    _fill(network, state, path, way_out)
    return network, spectrogram


def _separator(
    name: str, network: Network, spectrogram: Spectrogram, device: str, deviation: float | None = None
) -> NetworkSeparator:
    with memory_guard(device, f"loading {name}"):
        return NetworkSeparator(name, OpenUnmix(network.eval(), spectrogram, device, name, deviation))


def _whole_hops(duration_s: float, spectrogram: Spectrogram) -> int:
    """Length in samples of a whole number of frames: those of overlapping segments then lie on each other."""
    return round(duration_s * spectrogram.rate_hz / spectrogram.hop_length) * spectrogram.hop_length


def _weights_in(folder: Path, way_out: str) -> Path:
    found = [*sorted(folder.glob("drums*.safetensors")), *sorted(folder.glob("drums*.pth"))]
    if not found:
        raise ModelError(f"{folder}: holds no weights for drums; {way_out}")
    return found[0]


def _read_spectrogram(path: Path, way_out: str) -> Spectrogram:
    settings = _read_json(path, way_out)
    try:
        rate_hz, n_fft, hop_length, channels = (
            int(settings[key]) for key in ("sample_rate", "nfft", "nhop", "nb_channels")
        )
        wiener_rounds = int(settings.get("niter", _WIENER_ROUNDS))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path}: does not state sample_rate, nfft, nhop and nb_channels; {way_out}") from error
    if (
        channels not in (1, 2)
        or not MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ
        or not max(1, n_fft / _MAX_OVERLAP) <= hop_length <= n_fft <= _MAX_N_FFT
        or not 0 <= wiener_rounds <= _MAX_WIENER_ROUNDS
    ):
        raise ModelError(f"{path}: states values that no open-unmix has; {way_out}")
    return Spectrogram(rate_hz, n_fft, hop_length, channels, wiener_rounds)


def _read_json(path: Path, way_out: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: is missing or no JSON; {way_out}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: holds no settings; {way_out}")
    return content


def _read_state(path: Path, way_out: str) -> Mapping[str, Tensor]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, *_OF_DAMAGED_FILES) as error:
        raise ModelError(f"{path}: is damaged, or holds more than weights; {way_out}") from error
    if not isinstance(state, Mapping):
        raise ModelError(f"{path}: holds no weights; {way_out}")
    return state


def _fill(network: Network, state: Mapping[str, Tensor], path: Path, way_out: str) -> None:
    """Load weights by strict names; the published files carry windows of transforms beside them, which are left out."""
    wanted = network.state_dict().keys()
    try:
        network.load_state_dict({key: value for key, value in state.items() if key in wanted}, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{path}: does not fit its network, it is damaged or of another version; {way_out}") from error
