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
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mix2midi.drums import FAMILIES, PIECES, PIECES_BY_KEY
from mix2midi.errors import ModelError
from mix2midi.transcription.curves import EXCLUSIVE_FAMILIES

#: Rates of the sines that tell how far apart neighbours are: from four seconds to 40 ms.
_RATES_HZ = tuple(0.25 * 96.0 ** (index / 11.0) for index in range(12))
_TIME_FEATURES = 2 * len(_RATES_HZ) + 3
#: Neighbours are looked for within this block of instants and those beside it, as far as this many seconds.
_BLOCK = 32
_NEIGHBOUR_S = 4.0
_LOCAL_BLOCKS_AT_ONCE = 16
_GLOBAL_BLOCK = 64
#: Those of another song, which a long file may hold, are not asked.
_REACH_S = 180.0
#: Of no more instants than these, those of a song, likeness is kept from layer to layer; it takes 64 MB.
_KEPT_INSTANTS = 4096
_SAME_STROKE_S = 0.05
#: What of the heat map around an instant its surroundings are: steps of 23 ms, one second either way. A hit counts for
#: its own step and, like a Gaussian of this deviation in steps, for those beside it.
_STEP_S, _STEPS = 8.0 * 128.0 / 44100.0, 43
_BLUR, _BLUR_STEPS = 2, 0.8
#: More instants than this are in no second.
_NEIGHBOURS = 48
#: Likeness (a cosine) that falls by this much makes an instant count e times less.
_TEMPERATURE = 0.05
#: An instant with this much likeness in all to others is half believed.
_HALF_TRUST = 0.02
#: Others that have nothing count like this logit: a hit out of the ordinary may be played all the same.
_FAINTEST = -3.0
#: What the others count beside its own, before anything is learnt.
_REPETITION_SHARE = 0.5
#: What is masked out gets this score.
_NEVER = -1e4


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


class Recollection(NamedTuple):
    """What can be said of the instants of a song before anything is learnt.

    Attributes
    ----------
    song : _Song
    repeated : Tensor [shape=(instants, rows)]
        How far alike instants would move the logits.
    trust : Tensor [shape=(instants, 1)]
        How much there is to compare with, 0 to 1.
    """

    song: _Song
    repeated: Tensor
    trust: Tensor


def recollect(times_s: Tensor, logits: Tensor) -> Recollection:
    """Compare all instants of a song, see `RefinementNetwork.forward`."""
    song = _Song(times_s, _surroundings(times_s, family_curves(logits)))
    heard, trust = _recall(song, logits)
    return Recollection(song, trust * (heard - logits), trust)


def _initial_repetition() -> Tensor:
    """What alike instants count for in each row before anything is learnt; each percussion instrument is alone."""
    in_family = [PIECES_BY_KEY[piece.key].family in FAMILIES for piece in PIECES] + [True] * len(FAMILIES)
    return _REPETITION_SHARE * torch.tensor(in_family, dtype=torch.float32)


def family_curves(logits: Tensor) -> Tensor:
    """What `curves.family_curve` makes of activations, from logits [..., rows] to [..., families]."""
    activation = torch.sigmoid(logits)
    found = []
    for index, family in enumerate(FAMILIES):
        rows = [row for row, piece in enumerate(PIECES) if piece.family == family]
        if family in EXCLUSIVE_FAMILIES:
            found.append(1.0 - (1.0 - activation[..., rows]).prod(dim=-1))
        else:
            found.append(0.5 * (activation[..., rows].amax(dim=-1) + activation[..., len(PIECES) + index]))
    return torch.stack(found, dim=-1)


class _Song:
    """Instants, and how alike they are.

    Parameters
    ----------
    times_s : Tensor [shape=(instants,)]
    surroundings : Tensor [shape=(instants, features)]
        Of length 1.
    """

    def __init__(self, times_s: Tensor, surroundings: Tensor) -> None:
        self.times_s, self._surroundings = times_s, surroundings
        self._kept = list(self._compare()) if len(times_s) <= _KEPT_INSTANTS else None

    def blocks(self) -> Iterable[tuple[slice, slice, Tensor]]:
        """Blocks of instants, the instants that each may ask, and how alike they are: 0 or less, `_NEVER` for none."""
        return self._compare() if self._kept is None else self._kept

    @torch.no_grad()
    def _compare(self) -> Iterator[tuple[slice, slice, Tensor]]:
        count = len(self.times_s)
        for first in range(0, count, _GLOBAL_BLOCK):
            block = slice(first, min(first + _GLOBAL_BLOCK, count))
            reach = torch.stack([self.times_s[block][0] - _REACH_S, self.times_s[block][-1] + _REACH_S])
            asked = slice(*torch.searchsorted(self.times_s, reach).tolist())
            likeness = self._surroundings[block] @ self._surroundings[asked].T
            apart_s = (self.times_s[block][:, None] - self.times_s[asked][None]).abs()
            nobody = (apart_s < _SAME_STROKE_S) | (apart_s > _REACH_S)
            yield block, asked, ((likeness - 1.0) / _TEMPERATURE).masked_fill_(nobody, _NEVER)


@torch.no_grad()
def _surroundings(times_s: Tensor, curves: Tensor) -> Tensor:
    """What was hit in the second before and after each instant, fading out on both sides.

    Each looks with steps of its own, so that what is played alike looks alike wherever it falls.
    """
    parts = [
        _surroundings_of(torch.arange(first, min(first + _GLOBAL_BLOCK, len(times_s))), times_s, curves)
        for first in range(0, len(times_s), _GLOBAL_BLOCK)
    ]
    return torch.cat(parts)


def _surroundings_of(asking: Tensor, times_s: Tensor, curves: Tensor) -> Tensor:
    """Of some instants [asking] among all: [asking, families * steps]."""
    asking = asking.to(times_s.device)
    around = asking[:, None] + torch.arange(-_NEIGHBOURS, _NEIGHBOURS + 1, device=times_s.device)
    exists = (around >= 0) & (around < len(times_s))
    around = around.clamp(0, len(times_s) - 1)
    apart = (times_s[around] - times_s[asking][:, None]) / _STEP_S
    exists &= apart.abs() < _STEPS + _BLUR
    nearest = apart.round()
    values = curves[around].permute(2, 0, 1).contiguous()  # [families, asking, around]
    seen = torch.zeros(len(values), len(asking), 2 * (_STEPS + 2 * _BLUR) + 1, device=times_s.device)
    for offset in range(-_BLUR, _BLUR + 1):
        weight = torch.exp(-0.5 * ((apart - nearest - offset) / _BLUR_STEPS) ** 2) * exists
        step = (nearest + offset).clamp(-_STEPS - 2 * _BLUR, _STEPS + 2 * _BLUR).long() + _STEPS + 2 * _BLUR
        seen.scatter_reduce_(2, step.expand_as(values).contiguous(), values * weight, "amax")
    inside = seen[:, :, 2 * _BLUR : -2 * _BLUR]
    fade = torch.hann_window(2 * _STEPS + 3, periodic=False, device=curves.device)[1:-1]
    return functional.normalize((inside * fade).transpose(0, 1).flatten(1), dim=1, eps=1e-6)


@torch.no_grad()
def _recall(song: _Song, logits: Tensor) -> tuple[Tensor, Tensor]:
    """What alike instants hold, and how far to believe it, as logits, and 0 to 1."""
    heard, trust = [], []
    for block, asked, likeness in song.blocks():
        weight = likeness.exp()
        total = weight.sum(dim=1, keepdim=True)
        mean = weight @ logits[asked].clamp(min=_FAINTEST) / total.clamp(min=1e-12)
        heard.append(torch.where(total > 0.0, mean, logits[block]))
        trust.append(total / (total + _HALF_TRUST))
    return torch.cat(heard), torch.cat(trust)


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

    def forward(self, x: Tensor, song: _Song) -> Tensor:
        """[instant, channel] to the same."""
        count, channels = x.shape
        # [instant, channel] -> query, key, value of [head, instant, channel / heads]
        query, key, value = self.asks(self.norm(x)).view(count, 3, self.heads, -1).permute(1, 2, 0, 3)
        query = query / math.sqrt(channels // self.heads)
        found = []
        for block, asked, likeness in song.blocks():
            score = query[:, block] @ key[:, asked].transpose(1, 2) + self.likeness[:, None, None] * likeness
            nothing = self.nothing[:, None, None].expand(-1, score.shape[1], 1)
            score = score.masked_fill(likeness <= _NEVER, _NEVER)
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

    def forward(self, x: Tensor, song: _Song) -> Tensor:
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
        weight = score.masked_fill(~near[:, None], _NEVER).softmax(dim=3)
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
