"""The network that paints the heat map.

A fast view (short window, one frame every 128 samples) says *when*, a slow view (long window, a quarter of the
frames) says *which drum*. Both meet in a dilated residual trunk at the slow rate, whose context is seconds long, and
return to the fast rate by sub-pixel upsampling. The layout follows a trial of this project; dilated trunks over
spectrograms are known from TCN beat trackers (Davies and Böck, 2019), sub-pixel upsampling from Shi et al., 2016.

Nothing in it looks at the song as a whole, so a song can be computed in pieces that overlap, see `painting`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchaudio.functional import melscale_fbanks

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.errors import ModelError

#: Spectra that are computed at once. They are ten times the size of their bands, and faster by half while they stay in
#: the processor's cache.
_STFT_FRAMES = 128


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that is needed to rebuild the network; stored with the weights.

    Lengths are in samples at `rate_hz` or in frames of the slow view; channels and bands are counts.
    """

    rate_hz: int = 44100
    hop_length: int = 128
    fast_window: int = 1024
    fast_bands: int = 60
    slow_window: int = 4096
    slow_bands: int = 96
    slow_stride: int = 4
    min_frequency_hz: float = 25.0
    max_frequency_hz: float = 19000.0
    fast_stem: tuple[int, ...] = (12, 20)
    fast_channels: int = 40
    slow_stem: tuple[int, ...] = (12, 24, 32)
    slow_channels: int = 96
    trunk_channels: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 1, 4, 16)
    head_channels: int = 64
    pieces: tuple[str, ...] = tuple(piece.key for piece in PIECES)
    families: tuple[str, ...] = FAMILIES

    def __post_init__(self) -> None:
        # YAML and JSON know lists alone; as tuples, equal settings compare equal.
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_dict`.

        Raises
        ------
        ModelError
            A value is unknown or missing: the weights were made for another version of the network.
        """
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            odd = ", ".join(sorted(set(values) ^ known))
            raise ModelError(f"weights of another version of the network (settings that differ: {odd})")
        return cls(**values)

    @property
    def slow_hop_length(self) -> int:
        """Samples between frames of the slow view; chunks start at multiples of it."""
        return self.hop_length * self.slow_stride

    @property
    def context_samples(self) -> int:
        """Samples that the features want on either side of the frames they describe."""
        return self.slow_window // 2

    @property
    def stem_margin_frames(self) -> int:
        """Frames on either side that influence what the stems make of a frame, a multiple of `slow_stride`."""
        return self.slow_stride * max(len(self.slow_stem), -(-len(self.fast_stem) // self.slow_stride))

    @property
    def trunk_margin_frames(self) -> int:
        """Frames of the stems on either side that influence a frame of the heat map, a multiple of `slow_stride`.

        Half the receptive field of the trunk, and of the head.
        """
        return self.slow_stride * (sum(self.dilations) + 1)


class LogBands(nn.Module):
    """Log magnitude in triangular bands on the mel scale (HTK's formula, unnormalised)."""

    filters: Tensor
    window: Tensor

    def __init__(self, config: NetworkConfig, window_length: int, hop_length: int, bands: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        filters = melscale_fbanks(
            window_length // 2 + 1,
            config.min_frequency_hz,
            config.max_frequency_hz,
            bands,
            config.rate_hz,
        )
        # Derived from the configuration, so not stored with the weights.
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(window_length), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Bands of each window.

        Parameters
        ----------
        audio : Tensor [shape=(batch, samples)]

        Returns
        -------
        Tensor [shape=(batch, bands, frames)]
        """
        frames = (audio.shape[-1] - self.window.shape[0]) // self.hop_length + 1
        parts = [
            self._bands(audio, first, min(first + _STFT_FRAMES, frames)) for first in range(0, frames, _STFT_FRAMES)
        ]
        return torch.cat(parts, dim=2)

    def _bands(self, audio: Tensor, first: int, stop: int) -> Tensor:
        """Bands of frames `first` to `stop`."""
        n_fft = self.window.shape[0]
        part = audio[:, first * self.hop_length : (stop - 1) * self.hop_length + n_fft]
        spectrum = torch.stft(part, n_fft, self.hop_length, window=self.window, center=False, return_complex=True)
        magnitude = (spectrum.real.square() + spectrum.imag.square()).add(1e-12).sqrt()
        bands = torch.matmul(magnitude.transpose(1, 2), self.filters).transpose(1, 2)
        return torch.log10(bands + 1e-2)


class BandStem(nn.Module):
    """Convolutions over time and frequency that halve the frequency axis each time, then one projection of it."""

    def __init__(self, bands: int, stem: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(bands)
        layers: list[nn.Module] = []
        before = 1
        for after in stem:
            layers += [
                nn.Conv2d(before, after, 3, stride=(2, 1), padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
            before, bands = after, (bands + 1) // 2
        self.convolutions = nn.Sequential(*layers)
        self.projection = nn.Sequential(
            nn.Conv1d(before * bands, channels, 1, bias=False), nn.BatchNorm1d(channels), nn.ReLU()
        )

    def forward(self, bands: Tensor) -> Tensor:
        """[batch, band, time] to [batch, channel, time]."""
        x = self.convolutions(self.norm(bands).unsqueeze(1))  # [batch, channel, band, time]
        return self.projection(x.flatten(1, 2))  # [batch, channel * band, time] -> [batch, channel, time]


class DilatedBlock(nn.Module):
    """A residual block: dilated convolution, then a pointwise one."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channel, time] to the same."""
        return torch.relu(x + self.layers(x))


class DrumNetwork(nn.Module):
    """Audio to heat map logits.

    Parameters
    ----------
    config : NetworkConfig
        Sizes of all layers.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.fast_bands = LogBands(config, config.fast_window, config.hop_length, config.fast_bands)
        self.slow_bands = LogBands(config, config.slow_window, config.slow_hop_length, config.slow_bands)
        self.fast_stem = BandStem(config.fast_bands, config.fast_stem, config.fast_channels)
        self.slow_stem = BandStem(config.slow_bands, config.slow_stem, config.slow_channels)
        width, stride = config.trunk_channels, config.slow_stride
        self.entrance = nn.Sequential(
            nn.Conv1d(config.fast_channels * stride + config.slow_channels, width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.trunk = nn.Sequential(*(DilatedBlock(width, dilation) for dilation in config.dilations))
        self.exit = nn.Conv1d(width, config.head_channels * stride, 1)
        self.head = nn.Sequential(
            nn.Conv1d(config.head_channels + config.fast_channels, config.head_channels, 3, padding=1, bias=False),
            nn.BatchNorm1d(config.head_channels),
            nn.ReLU(),
            nn.Conv1d(config.head_channels, config.head_channels, 3, padding=1, bias=False),
            nn.BatchNorm1d(config.head_channels),
            nn.ReLU(),
        )
        self.onset = nn.Conv1d(config.head_channels, len(config.pieces) + len(config.families), 1)
        self.velocity = nn.Conv1d(config.head_channels, len(config.pieces), 1)
        if self.onset.bias is not None:
            nn.init.constant_(self.onset.bias, -4.0)  # hits are rare: start from "nothing here"

    def features(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Fast and slow bands of audio that carries `context_samples` more on either side.

        The slow window sits in the middle of the `slow_stride` fast ones that it belongs to.

        Parameters
        ----------
        audio : Tensor [shape=(batch, samples)]

        Returns
        -------
        fast : Tensor [shape=(batch, fast bands, frames)]
        slow : Tensor [shape=(batch, slow bands, frames / slow_stride)]

        Raises
        ------
        ValueError
            The frames are no multiple of `slow_stride`; who cuts the audio sees to that.
        """
        config = self.config
        frames = (audio.shape[-1] - 2 * config.context_samples) // config.hop_length
        if frames % config.slow_stride:
            raise ValueError(f"{frames} frames are no multiple of {config.slow_stride}")
        start = config.context_samples - config.fast_window // 2
        fast = audio[:, start : start + (frames - 1) * config.hop_length + config.fast_window]
        start = (config.slow_hop_length - config.hop_length) // 2 + config.context_samples - config.slow_window // 2
        slow_frames = frames // config.slow_stride
        slow = audio[:, start : start + (slow_frames - 1) * config.slow_hop_length + config.slow_window]
        return self.fast_bands(fast), self.slow_bands(slow)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Heat map of a batch of excerpts.

        Parameters
        ----------
        audio : Tensor [shape=(batch, context + frames * hop_length + context)]
            Mono at `config.rate_hz`; frame 0 is centred at sample `config.context_samples`.

        Returns
        -------
        onset : Tensor [shape=(batch, pieces + families, frames)]
            Logits.
        velocity : Tensor [shape=(batch, pieces, frames)]
            Strength, 0 to 1.
        """
        return self.read(*self.stems(*self.features(audio)))

    def stems(self, fast_bands: Tensor, slow_bands: Tensor) -> tuple[Tensor, Tensor]:
        """What frames hold by themselves.

        Parameters
        ----------
        fast_bands, slow_bands : Tensor
            See `features`.

        Returns
        -------
        x : Tensor [shape=(batch, trunk channels, slow frames)]
            What the trunk goes on from.
        fast : Tensor [shape=(batch, fast channels, frames)]
        """
        fast = self.fast_stem(fast_bands)
        slow = self.slow_stem(slow_bands)
        batch, channels, frames = fast.shape
        stride = self.config.slow_stride
        # [batch, channel, frame] -> [batch, channel * stride, slow frame]
        folded = fast.reshape(batch, channels, frames // stride, stride).transpose(2, 3).flatten(1, 2)
        return self.entrance(torch.cat([folded, slow], dim=1)), fast

    def read(self, x: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        """Heat map of what `stems` gives, as `forward` returns it."""
        batch, _, slow_frames = x.shape
        stride = self.config.slow_stride
        x = self.exit(self.trunk(x))
        # [batch, channel * stride, slow frame] -> [batch, channel, frame]
        x = x.reshape(batch, -1, stride, slow_frames).transpose(2, 3).flatten(2, 3)
        x = self.head(torch.cat([x, fast], dim=1))
        return self.onset(x), torch.sigmoid(self.velocity(x))


def fuse_norms(network: DrumNetwork) -> DrumNetwork:
    """A copy for transcribing, a tenth faster: normalisations that follow a convolution become part of it."""
    fused = deepcopy(network).eval()
    for module in list(fused.modules()):
        if isinstance(module, nn.Sequential):
            _fuse_pairs(module)
    return fused


def _fuse_pairs(layers: nn.Sequential) -> None:
    """Merge each convolution with the normalisation after it, which then does nothing."""
    for index in range(len(layers) - 1):
        convolution, norm = layers[index], layers[index + 1]
        if isinstance(convolution, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            layers[index], layers[index + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
