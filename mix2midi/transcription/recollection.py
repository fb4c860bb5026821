"""What can be said of the instants of a song before anything is learnt: which are alike, and what those hold.

Each instant is compared with all others within minutes, by what was hit in the second before and after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.transcription.curves import EXCLUSIVE_FAMILIES

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
#: What is masked out gets this score.
NEVER = -1e4


class Recollection(NamedTuple):
    """What can be said of the instants of a song before anything is learnt.

    Attributes
    ----------
    song : Song
    repeated : Tensor [shape=(instants, rows)]
        How far alike instants would move the logits.
    trust : Tensor [shape=(instants, 1)]
        How much there is to compare with, 0 to 1.
    """

    song: Song
    repeated: Tensor
    trust: Tensor


def recollect(times_s: Tensor, logits: Tensor) -> Recollection:
    """Compare all instants of a song, see `RefinementNetwork.forward`."""
    song = Song(times_s, _surroundings(times_s, family_curves(logits)))
    heard, trust = _recall(song, logits)
    return Recollection(song, trust * (heard - logits), trust)


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


class Song:
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
        """Blocks of instants, the instants that each may ask, and how alike they are: 0 or less, `NEVER` for none."""
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
            yield block, asked, ((likeness - 1.0) / _TEMPERATURE).masked_fill_(nobody, NEVER)


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
def _recall(song: Song, logits: Tensor) -> tuple[Tensor, Tensor]:
    """What alike instants hold, and how far to believe it, as logits, and 0 to 1."""
    heard, trust = [], []
    for block, asked, likeness in song.blocks():
        weight = likeness.exp()
        total = weight.sum(dim=1, keepdim=True)
        mean = weight @ logits[asked].clamp(min=_FAINTEST) / total.clamp(min=1e-12)
        heard.append(torch.where(total > 0.0, mean, logits[block]))
        trust.append(total / (total + _HALF_TRUST))
    return torch.cat(heard), torch.cat(trust)
