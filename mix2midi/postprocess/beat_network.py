"""The network that hears beats and downbeats in a drum part.

A temporal convolutional network, as Davies and Böck introduced for beat tracking ("Temporal convolutional networks for
musical audio beat tracking", EUSIPCO 2019), here over transcribed hits instead of a spectrogram. It sees 20 s to either
side, enough to tell the bar from its half and the beat from its double.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from mix2midi.postprocess.beat_roll import ROWS


@dataclass(frozen=True)
class BeatNetworkConfig:
    """Sizes of the layers; stored with the weights."""

    rows: tuple[str, ...] = tuple(ROWS)
    channels: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    dropout: float = 0.1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BeatNetworkConfig:
        """The inverse of `to_dict`; unknown names raise `TypeError`."""
        known: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}
        return cls(**known)


class _Block(nn.Module):
    """Residual, dilated, with the two directions in time seen at once."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.wide = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.point = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.point(self.dropout(nn.functional.gelu(self.wide(x))))


class BeatNetwork(nn.Module):
    """Drum roll to logits.

    Parameters
    ----------
    config : BeatNetworkConfig
        Sizes of the layers.
    """

    def __init__(self, config: BeatNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.entrance = nn.Conv1d(len(config.rows), config.channels, 5, padding=2)
        self.trunk = nn.Sequential(*(_Block(config.channels, d, config.dropout) for d in config.dilations))
        self.exit = nn.Conv1d(config.channels, 2, 1)
        nn.init.constant_(self.exit.get_parameter("bias"), -3.0)  # most frames are no beat

    def forward(self, roll: Tensor) -> Tensor:
        """Logits of beat and downbeat.

        Parameters
        ----------
        roll : Tensor [shape=(batch, rows, frames)]

        Returns
        -------
        Tensor [shape=(batch, 2, frames)]
        """
        logits: Tensor = self.exit(nn.functional.gelu(self.trunk(self.entrance(roll))))
        return logits
