"""Mixes for the separator to learn from: any drums in any company, put together anew for every batch.

All of it happens in the short-time Fourier domain, where levels, tone and compression are products that drums and mix
share: the target is always exactly what the drums are in the mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from mix2midi.separation.training.recipe import MixRecipe, NetworkRecipe
from mix2midi.training.company_pool import CompanyPool
from mix2midi.training.effects import rms
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import decibels_to_gain

#: Range of the speeds at which clips are played.
_SLOWEST, _FASTEST = 0.8, 1.25
#: Points over the logarithm of the frequency at which the random tone is drawn.
_TONE_POINTS = 6
#: Level below which a clip or a slice of drums counts as silent.
_SILENT = 1e-5


@dataclass
class Mixer:
    """Makes batches of mixes.

    Parameters
    ----------
    recipe : MixRecipe
    network : NetworkRecipe
        Whose transform is used.
    company : CompanyPool
    """

    recipe: MixRecipe
    network: NetworkRecipe
    company: CompanyPool

    def __post_init__(self) -> None:
        self._window = torch.hann_window(self.network.n_fft)

    def spectra(self, rng: Generator, drums: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Put slices of drums into company.

        Parameters
        ----------
        rng : numpy Generator
        drums : ndarray [shape=(batch, samples), float32]

        Returns
        -------
        mix, drums : Tensor [batch, bins, frames], complex
            Of the mixes, and of what the drums are in them.
        """
        company = np.stack([self._company(rng, drums.shape[1]) for _ in drums])
        gains = np.array([self._gains(rng, *pair) for pair in zip(drums, company, strict=True)], np.float32)
        drum_bins = self._transform(drums * gains[:, :1]) * self._tones(rng, len(drums))
        company_bins = self._transform(company * gains[:, 1:]) * self._tones(rng, len(drums))
        level = self._levels(rng, drum_bins + company_bins)
        return (drum_bins + company_bins) * level, drum_bins * level

    def _company(self, rng: Generator, samples: int) -> NDArray[np.float32]:
        company = self._clip(rng, samples)
        if rng.random() < self.recipe.second_share:
            second = self._clip(rng, samples)
            balance_db = rng.normal(0.0, 5.0)
            company = company + second * np.float32(rms(company) / rms(second) * decibels_to_gain(balance_db))
        return company

    def _clip(self, rng: Generator, samples: int) -> NDArray[np.float32]:
        """A stretch of a clip, perhaps faster or slower."""
        clip = self.company.draw(rng, evenly=True)
        speed = float(rng.uniform(_SLOWEST, _FASTEST)) if rng.random() < self.recipe.speed_share else 1.0
        needed = int(samples * speed) + 2
        start_s = float(rng.uniform(0.0, max(0.0, clip.duration_s - needed / RATE_HZ)))
        audio = self.company.read(clip, start_s, needed)
        if speed == 1.0:
            return audio[:samples]
        # Straight lines between samples: what they fold back is faint, and training need not be beautiful.
        return np.interp(np.arange(samples) * speed, np.arange(needed), audio).astype(np.float32)

    def _gains(self, rng: Generator, drums: NDArray[np.float32], company: NDArray[np.float32]) -> tuple[float, float]:
        """Of drums and company."""
        draw = rng.random()
        if draw < self.recipe.company_alone_share:
            return 0.0, 1.0
        if draw < self.recipe.company_alone_share + self.recipe.drums_alone_share:
            return 1.0, 0.0
        level_db = rng.normal(self.recipe.company_db, self.recipe.company_spread_db)
        if rms(drums) < _SILENT:
            return 0.0, 1.0
        return 1.0, float(rms(drums) / rms(company) * decibels_to_gain(level_db))

    def _transform(self, audio: NDArray[np.float32]) -> Tensor:
        network = self.network
        tensor = torch.from_numpy(audio.astype(np.float32))
        return torch.stft(tensor, network.n_fft, network.hop_length, window=self._window, return_complex=True)

    def _tones(self, rng: Generator, count: int) -> Tensor:
        """Smooth random gains over frequency [count, bins, 1]."""
        bins = self.network.n_fft // 2 + 1
        points_db = rng.normal(0.0, self.recipe.equaliser_db, (count, _TONE_POINTS))
        place = np.log(np.arange(bins) + 4.0)
        knots = np.linspace(place[0], place[-1], _TONE_POINTS)
        curves_db = np.stack([np.interp(place, knots, row) for row in points_db])
        return torch.from_numpy(decibels_to_gain(curves_db).astype(np.float32))[:, :, None]

    def _levels(self, rng: Generator, mix: Tensor) -> Tensor:
        """Gain that brings each mix to its level, evening it out in some [batch, 1, frames]."""
        energy = mix.abs().square().mean(dim=1)  # [batch, frames]
        evened = torch.ones_like(energy)
        for row, own in enumerate(energy):
            if rng.random() < self.recipe.compressor_share:
                evened[row] = _compressor_gain(rng, own)
        # Parseval: white noise of deviation 1 has the energy of the window, 3/8 of its length, in every bin.
        rms = ((energy * evened.square()).mean(dim=1, keepdim=True) / (0.375 * self.network.n_fft)).sqrt()
        wanted_db = rng.normal(self.recipe.level_db, self.recipe.level_spread_db, (len(energy), 1))
        wanted = torch.from_numpy(decibels_to_gain(wanted_db).astype(np.float32))
        return (evened * wanted / rms.clamp_min(1e-6))[:, None, :]


def _compressor_gain(rng: Generator, energy: Tensor) -> Tensor:
    """Louder moments turned down, by a level that follows within a random time [frames]."""
    width, exponent = int(rng.integers(2, 20)), float(rng.uniform(0.1, 0.35))
    smooth = torch.nn.functional.avg_pool1d(energy[None, None], 2 * width + 1, 1, width, count_include_pad=False)[0, 0]
    return (smooth / smooth.mean().clamp_min(1e-12)).clamp_min(1e-3) ** -exponent
