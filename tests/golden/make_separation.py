"""Makes the golden files of the first stage, separation/: a small random open-unmix, half a second of mix, its drums.

The drums come from openunmix's own code and not from mix2midi, so that the test compares two ways to one result.
Run ``python tests/golden/make_separation.py``; the files change only with openunmix, or with torch's random numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from openunmix.model import OpenUnmix, Separator
from safetensors.torch import save_file

FOLDER = Path(__file__).parent / "open_unmix"
SETTINGS = {"sample_rate": 8000, "nfft": 256, "nhop": 64, "nb_channels": 2}


def network() -> OpenUnmix:
    torch.manual_seed(0)
    made = OpenUnmix(nb_bins=129, nb_channels=2, hidden_size=8, nb_layers=2, max_bin=100).eval()
    torch.nn.init.uniform_(made.output_mean, 0, 1)  # a mask that differs by frequency, not one of ones
    return made


def mix() -> np.ndarray:
    """[2, samples] of a low and a high tone, with a click four times a second."""
    time_s = np.arange(4000) / 8000
    tones = 0.2 * np.sin(2 * np.pi * 110 * time_s) + 0.1 * np.sin(2 * np.pi * 1300 * time_s)
    clicks = 0.6 * np.exp(-(time_s % 0.25) / 0.01) * np.cos(2 * np.pi * 900 * time_s)
    return np.stack([tones + clicks, 0.5 * tones + 0.8 * clicks]).astype(np.float32)


def drums(samples: np.ndarray) -> np.ndarray:
    """What openunmix makes of the mix in the middle of 20 s of silence, the segment that a short song is padded to."""
    separator = Separator(
        {"drums": network()}, niter=1, residual=True, sample_rate=8000, n_fft=256, n_hop=64, nb_channels=2
    )
    before = (20 * 8000 - samples.shape[1]) // 2
    padded = np.pad(samples, ((0, 0), (before, 20 * 8000 - samples.shape[1] - before)))
    with torch.no_grad():
        estimate = separator(torch.from_numpy(padded)[None])[0, 0].numpy()
    return np.asarray(estimate[:, before : before + samples.shape[1]])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "separator.json").write_text(json.dumps(SETTINGS) + "\n")
    (FOLDER / "drums.json").write_text(json.dumps({"args": {"hidden_size": 8, "nb_channels": 2, "nfft": 256}}) + "\n")
    save_file(network().state_dict(), FOLDER / "drums.safetensors")
    np.savez_compressed(FOLDER / "half_second.npz", mix=mix(), drums=drums(mix()))


if __name__ == "__main__":
    main()
