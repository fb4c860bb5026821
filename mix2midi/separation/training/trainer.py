"""One step of the separator's training: mixes, loss, and what comes out in open-unmix's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mix2midi.errors import ModelError
from mix2midi.files import atomic_write
from mix2midi.separation.open_unmix import read_open_unmix_folder
from mix2midi.separation.training.mixes import Mixer
from mix2midi.separation.training.recipe import NetworkRecipe, SeparatorRecipe
from mix2midi.training.blend import blend_networks
from mix2midi.training.kits import RATE_HZ
from mix2midi.training.learning import SliceLearner
from mix2midi.training.team import Team

if TYPE_CHECKING:
    from openunmix.model import OpenUnmix

#: Borders of the bands that count alike, in Hz.
_BANDS_HZ = (0, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 22050)
_STATISTICS_BATCHES = 20


class Trainer(SliceLearner["OpenUnmix"]):
    """A training run of the separator, and one step of it.

    Parameters
    ----------
    recipe : SeparatorRecipe
    mixer : Mixer
    folder : Path
        Of the run: checkpoint, log and the trained open-unmix folder lie here.
    team : Team, optional
        With whom it learns; by default alone, on the CPU.
    """

    figures = ("sdr_db", "gain_db")

    def __init__(self, recipe: SeparatorRecipe, mixer: Mixer, folder: Path, team: Team | None = None) -> None:
        team = team or Team()
        torch.manual_seed(recipe.seed)
        network, options = make_network(recipe.network).to(team.device), recipe.optimiser
        # Decay apart from the gradient (AdamW): within it (Adam), 0.01 outweighs the gradients of most weights.
        optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
        super().__init__(network, optimiser, recipe, folder, team)
        self.recipe, self.mixer = recipe, mixer
        self.bands = band_matrix(recipe.network).to(team.device)
        self.slice_s = recipe.slices.duration_s
        self._has_statistics = False

    def start_from(self, folder: Path) -> None:
        """Begin a new run with a separator that was trained before, and with its statistics.

        Raises
        ------
        ModelError
            The folder holds no open-unmix, or another than the recipe's.
        """
        network, spectrogram = read_open_unmix_folder(folder)
        recipe = self.recipe.network
        is_same_transform = (spectrogram.n_fft, spectrogram.hop_length) == (recipe.n_fft, recipe.hop_length)
        if not is_same_transform or _shapes(network) != _shapes(self.network):
            raise ModelError(f"{folder}: another network than the recipe's; leave it out to start anew")
        for own in (self.network, self.average):
            own.load_state_dict(network.state_dict())
        self._has_statistics = True

    def begin(self, audio: NDArray[np.float32]) -> None:
        """Mean and deviation of each bin of the mixes, which open-unmix keeps beside its weights."""
        if self._has_statistics:
            return
        rng = np.random.default_rng([self.recipe.seed, 2**30])
        batches = np.array_split(audio, min(len(audio), _STATISTICS_BATCHES))
        frames = torch.cat([self.mixer.spectra(rng, batch)[0].abs().transpose(1, 2).flatten(0, 1) for batch in batches])
        width = self.network.nb_bins
        mean, deviation = frames.mean(dim=0)[:width], frames.std(dim=0)[:width]
        for network in (self.network, self.average):
            with torch.no_grad():
                network.input_mean.copy_(-mean)
                # open-unmix keeps the smallest deviation at a ten-thousandth of the largest.
                network.input_scale.copy_(1.0 / deviation.clamp_min(1e-4 * float(deviation.max())))

    def learn(self, audio: NDArray[np.float32], hits: NDArray[np.float32]) -> dict[str, float]:
        """One step of the optimiser on drums in company that is drawn for this step; which drums hit when is not used.

        Returns
        -------
        dict
            ``loss`` in dB.
        """
        rng = np.random.default_rng([self.recipe.seed, 2**30, self.step])
        self.set_learning_rate()
        self.network.train()
        torch.manual_seed(int(rng.integers(2**62)))  # its dropout, so that a resumed run draws what it would have drawn
        loss = self.loss(*self.separate(self.network, *self.mixer.spectra(rng, audio)))
        self.advance(loss)
        return {"loss": float(loss.detach())}

    def separate(self, network: OpenUnmix, mix: Tensor, drums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Energies [batch, bands] of error, drums and mix: the mask is laid on the mix, phase and all."""
        mix, drums = mix.to(self.device), drums.to(self.device)
        magnitude, target = mix.abs(), drums.abs().square()
        # The drums as seen along the phase of the mix: |estimate - drums|^2 without complex gradients.
        along = (mix.real * drums.real + mix.imag * drums.imag) / magnitude.clamp_min(1e-8)
        with self.arithmetic():
            estimate = network(magnitude[:, None])[:, 0].float()
        error = estimate * (estimate - 2.0 * along)
        error_bands, target_bands, mix_bands = (
            energy.sum(dim=2) @ self.bands.T for energy in (error, target, magnitude.square())
        )
        return (error_bands + target_bands).clamp_min(0.0), target_bands, mix_bands

    def loss(self, error: Tensor, drums: Tensor, mix: Tensor) -> Tensor:
        """Error in dB of the drums, mean over mixes: as a whole, and band by band."""
        options = self.recipe.optimiser
        floor = 10.0 ** (options.floor_db / 10.0)
        whole = _decibels(error.sum(1), drums.sum(1), floor * mix.sum(1))
        bands = _decibels(error, drums, floor * mix + 1e-3 * floor * mix.sum(1, keepdim=True)).mean(dim=1)
        return ((1.0 - options.band_weight) * whole + options.band_weight * bands).mean()

    def save_result(self) -> None:
        """Write the averaged weights as a folder of open-unmix."""
        save_open_unmix(self.average, self.recipe, self.step, self.folder / "open-unmix")

    def blend_with(self, folder: Path) -> None:
        """Let the separator that the run started from count in the result for as much as the recipe says."""
        share = self.recipe.optimiser.initial_share
        if share > 0.0:
            blended = blend_networks(read_open_unmix_folder(folder)[0], self.average, 1.0 - share)
            save_open_unmix(blended, self.recipe, self.step, self.folder / "open-unmix")


def _shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def make_network(recipe: NetworkRecipe) -> OpenUnmix:
    """Openunmix's network of one channel, untrained."""
    from openunmix.model import OpenUnmix

    return OpenUnmix(
        nb_bins=recipe.n_fft // 2 + 1,
        nb_channels=1,
        hidden_size=recipe.hidden_size,
        nb_layers=recipe.layers,
        max_bin=int(recipe.bandwidth_hz / RATE_HZ * recipe.n_fft),
    )


def band_matrix(recipe: NetworkRecipe) -> Tensor:
    """Which bin belongs to which band [bands, bins]."""
    frequency_hz = np.arange(recipe.n_fft // 2 + 1) * RATE_HZ / recipe.n_fft
    number = np.clip(np.searchsorted(_BANDS_HZ, frequency_hz, side="right") - 1, 0, len(_BANDS_HZ) - 2)
    return torch.from_numpy((number[None] == np.arange(len(_BANDS_HZ) - 1)[:, None]).astype(np.float32))


def _decibels(error: Tensor, drums: Tensor, floor: Tensor) -> Tensor:
    return 10.0 * torch.log10((error + floor + 1e-12) / (drums + floor + 1e-12))


def save_open_unmix(network: OpenUnmix, recipe: SeparatorRecipe, steps: int, folder: Path) -> None:
    """Write a folder as open-unmix's own training does, weights as safetensors of half precision."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    transform = recipe.network
    settings = {"sample_rate": RATE_HZ, "nfft": transform.n_fft, "nhop": transform.hop_length, "nb_channels": 1}
    settings["niter"] = 0  # the mask was trained to be laid on the mix as it is
    args = {"target": "drums", "hidden_size": transform.hidden_size, "nb_channels": 1, "unidirectional": False}
    drums = {"args": args, "steps": steps, "seed": recipe.seed}
    state = {
        key: value.detach().cpu().half().contiguous() if value.dtype.is_floating_point else value.cpu()
        for key, value in network.state_dict().items()
    }
    for name, content in (("separator.json", settings), ("drums.json", drums)):
        with atomic_write(folder / name) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with atomic_write(folder / "drums.safetensors") as partial:
        partial.write_bytes(save(state))
