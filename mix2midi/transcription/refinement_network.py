"""The network that goes over a heat map once more, with the whole song before it.

It sees instants, not frames: what the first network thinks of each, and what is around it, as far as minutes away.
Drum parts repeat themselves: a crash that the guitars cover in one bar stands clear in another, and a rattle that looks
like a hat once does so at no other place of the same bar. So each instant first hears what those hold that lie in like
surroundings, the second before and after: that much needs no training, and no beat has to be known. What is learnt is
added to it: layers that look by turns at the neighbours (attention with relative time: a hat comes every quarter of a
second) and at alike instants anywhere (attention by content).

Vaswani et al., "Attention Is All You Need", NeurIPS 2017; Ishizuka et al., "Global Structure-Aware Drum Transcription
Based on Self-Attention Mechanisms", Signals 2021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mix2midi.drums import FAMILIES, PIECES, PIECES_BY_KEY
from mix2midi.errors import ModelError
from mix2midi.transcription.recollection import NEVER, Recollection, Song, family_curves, recollect

#: Rates of the sines that tell how far apart neighbours are: from four seconds to 40 ms.
_RATES_HZ = tuple(0.25 * 96.0 ** (index / 11.0) for index in range(12))
_TIME_FEATURES = 2 * len(_RATES_HZ) + 3
#: Neighbours are looked for within this block of instants and those beside it, as far as this many seconds.
_BLOCK = 32
_NEIGHBOUR_S = 4.0
_LOCAL_BLOCKS_AT_ONCE = 16
#: What the others count beside its own, before anything is learnt.
_REPETITION_SHARE = 0.5


@dataclass(frozen=True)
class RefinementConfig:
    """Everything that is needed to rebuild the network; stored with the weights.

    Attributes
    ----------
    channels, heads, layers : int
    dropout : float
        While it learns, 0 to 1.
    """

    channels: int = 64
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.channels, self.heads, self.layers) < 1 or self.channels % self.heads:
            raise ModelError("refinement: channels, heads and layers are at least 1, channels a multiple of heads")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


class RefinementNetwork(nn.Module):
    """Instants of a song to logits that know the song.

    Rows are `drums.PIECES`, then `drums.FAMILIES`.
    """

    def __init__(self, config: RefinementConfig) -> None:
        super().__init__()
        self.config = config
        channels, heads, dropout = config.channels, config.heads, config.dropout
        rows, families = len(PIECES) + len(FAMILIES), len(FAMILIES)
        self.entrance = nn.Linear(2 * rows + 1 + 3 * families, channels)
        self.dropout = nn.Dropout(dropout)
        layers: list[nn.Module] = []
        for _ in range(config.layers):
            layers += [_Neighbours(channels, heads), _Thought(channels, dropout)]
            layers += [_Repetitions(channels, heads), _Thought(channels, dropout)]
        layers += [_Neighbours(channels, heads), _Thought(channels, dropout)]
        self.layers = nn.ModuleList(layers)
        self.norm, self.change = nn.LayerNorm(channels), nn.Linear(channels, rows)
        nn.init.zeros_(self.change.weight)  # it begins as nothing but repetitions
        nn.init.zeros_(self.change.bias)
        self.repetition = nn.Parameter(_initial_repetition())

    def forward(
        self,
        times_s: Tensor,
        logits: Tensor,
        velocity: Tensor,
        loudness: Tensor,
        recollection: Recollection | None = None,
    ) -> Tensor:
        """Refined logits.

        Parameters
        ----------
        times_s : Tensor [shape=(instants,)]
            Rising.
        logits : Tensor [shape=(instants, rows)]
        velocity, loudness : Tensor [shape=(instants, families)]
            How hard each family seems to be hit there, 0 to 1, and how loud its range is beside the rest of the song.
        recollection : Recollection, optional
            What `recollect` makes of times and logits, where it is known already.

        Returns
        -------
        Tensor [shape=(instants, rows)]
        """
        song, repeated, trust = recollection or recollect(times_s, logits)
        known = torch.cat([logits / 3.0, repeated / 3.0, trust, family_curves(logits), velocity, loudness], dim=1)
        x = self.dropout(self.entrance(known))
        for layer in self.layers:
            x = layer(x) if isinstance(layer, _Thought) else layer(x, song)
        refined: Tensor = logits + self.repetition * repeated + self.change(self.norm(x))
        return refined

    def tempered(self, learnt_share: float) -> RefinementNetwork:
        """A copy that goes this far, 0 to 1, from what the network did before it learnt to what it learnt."""
        network = deepcopy(self)
        with torch.no_grad():
            network.change.weight.mul_(learnt_share)
            network.change.bias.mul_(learnt_share)
            before = _initial_repetition().to(network.repetition.device)
            network.repetition.copy_(before.lerp(network.repetition, learnt_share))
        return network


class RefinementVote(nn.Module):
    """Several refinement networks, each trained from its own songs, whose logits are averaged.

    Where one has learnt what holds for its songs alone, the others disagree. Lakshminarayanan et al., "Simple and
    Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.

    Parameters
    ----------
    members : sequence of RefinementNetwork
        At least one.
    """

    def __init__(self, members: Sequence[RefinementNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, times_s: Tensor, logits: Tensor, velocity: Tensor, loudness: Tensor) -> Tensor:
        """See `RefinementNetwork.forward`; what needs no training is done once for all."""
        shared = recollect(times_s, logits)
        votes = [member(times_s, logits, velocity, loudness, shared) for member in self.members]
        return torch.stack(votes).mean(dim=0)


def _initial_repetition() -> Tensor:
    """What alike instants count for in each row before anything is learnt; each percussion instrument is alone."""
    in_family = [PIECES_BY_KEY[piece.key].family in FAMILIES for piece in PIECES] + [True] * len(FAMILIES)
    return _REPETITION_SHARE * torch.tensor(in_family, dtype=torch.float32)


class _Thought(nn.Module):
    """Each instant for itself."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 3 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(3 * channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[instant, channel] to the same."""
        return x + self.layers(x)


class _Attention(nn.Module):
    """What both kinds of attention have: queries, keys and values of several heads, and the way back."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.asks = nn.Linear(channels, 3 * channels)
        self.exit = nn.Linear(channels, channels)


class _Repetitions(_Attention):
    """Attention to instants anywhere that are alike, or to none."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels, heads)
        self.likeness = nn.Parameter(torch.tensor([1.0, 0.5, 0.25, 0.1]).repeat(-(-heads // 4))[:heads])
        self.nothing = nn.Parameter(torch.full((heads,), -2.0))

    def forward(self, x: Tensor, song: Song) -> Tensor:
        """[instant, channel] to the same."""
        count, channels = x.shape
        # [instant, channel] -> query, key, value of [head, instant, channel / heads]
        query, key, value = self.asks(self.norm(x)).view(count, 3, self.heads, -1).permute(1, 2, 0, 3)
        query = query / math.sqrt(channels // self.heads)
        found = []
        for block, asked, likeness in song.blocks():
            score = query[:, block] @ key[:, asked].transpose(1, 2) + self.likeness[:, None, None] * likeness
            nothing = self.nothing[:, None, None].expand(-1, score.shape[1], 1)
            score = score.masked_fill(likeness <= NEVER, NEVER)
            weight = torch.cat([score, nothing], dim=2).softmax(dim=2)[..., :-1]
            found.append((weight @ value[:, asked]).transpose(0, 1).flatten(1))
        return x + self.exit(torch.cat(found))


class _Neighbours(_Attention):
    """Attention to the instants of the seconds around, which knows how far away each is."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels, heads)
        self.distance = nn.Linear(_TIME_FEATURES, heads)
        self.place = nn.Linear(_TIME_FEATURES, 8)
        self.place_exit = nn.Linear(8 * heads, channels, bias=False)

    def forward(self, x: Tensor, song: Song) -> Tensor:
        """[instant, channel] to the same."""
        count = len(x)
        missing = -count % _BLOCK
        query, key, value = functional.pad(self.asks(self.norm(x)), (0, 0, 0, missing)).chunk(3, dim=1)
        times_s = functional.pad(song.times_s, (0, missing), value=math.inf)
        queries = query.view(-1, _BLOCK, query.shape[1])
        keys, values, around_s = _with_neighbours(key), _with_neighbours(value), _with_neighbours(times_s[:, None])
        parts = [
            self._attend(queries[part], keys[part], values[part], times_s.view(-1, _BLOCK)[part], around_s[part, :, 0])
            for part in _parts(len(queries))
        ]
        return x + torch.cat(parts)[:count]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, times_s: Tensor, around_s: Tensor) -> Tensor:
        """Blocks [block, asking, channel], and what each may ask [block, asked, channel], to [instant, channel]."""
        apart_s = around_s[:, None] - times_s[:, :, None]
        features = _time_features(apart_s)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        score = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        score = score + self.distance(features).permute(0, 3, 1, 2)
        oneself = torch.arange(3 * _BLOCK) == torch.arange(_BLOCK)[:, None] + _BLOCK
        near = (apart_s.abs() < _NEIGHBOUR_S) | oneself.to(apart_s.device)
        weight = score.masked_fill(~near[:, None], NEVER).softmax(dim=3)
        heard = (weight @ value).transpose(1, 2).flatten(2).flatten(0, 1)
        places = (weight.transpose(1, 2) @ self.place(features)).flatten(2).flatten(0, 1)
        attended: Tensor = self.exit(heard) + self.place_exit(places)
        return attended


def _with_neighbours(rows: Tensor) -> Tensor:
    """[instant, channel] to the blocks [block, instant, channel], each with the block before and after it."""
    padded = torch.cat([torch.zeros_like(rows[:_BLOCK]), rows, torch.zeros_like(rows[:_BLOCK])])
    if rows.shape[1] == 1:  # times: what is not there is nowhere near
        padded[:_BLOCK], padded[-_BLOCK:] = -math.inf, math.inf
    return padded.unfold(0, 3 * _BLOCK, _BLOCK).transpose(1, 2)


def _parts(count: int) -> Iterator[slice]:
    for first in range(0, count, _LOCAL_BLOCKS_AT_ONCE):
        yield slice(first, first + _LOCAL_BLOCKS_AT_ONCE)


def _time_features(apart_s: Tensor) -> Tensor:
    """Of how far apart instants are: sines and cosines of many rates, and on which side, near and far."""
    apart_s = apart_s.nan_to_num(0.0).clamp(-_NEIGHBOUR_S, _NEIGHBOUR_S)[..., None]
    phase = 2.0 * math.pi * apart_s * torch.tensor(_RATES_HZ, device=apart_s.device)
    distance = torch.log1p(10.0 * apart_s.abs())
    return torch.cat([phase.sin(), phase.cos(), apart_s.sign() * distance, distance, (apart_s == 0.0) * 1.0], dim=-1)
