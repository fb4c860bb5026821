"""Drum parts repeat themselves: what one instant sounds like is also told by the others that are like it.

A crash that the guitars cover in one bar stands clear in another, and a rattle that looks like a hat once does so at
no other place of the same bar. Each instant at which something may have been hit is compared with all others of the
minutes around it, by what the heat map holds in the second before and after: the more alike two instants are, the more
one listens to the other. It is attention (Vaswani et al., NeurIPS 2017) with the heat map itself as queries, keys and
values and nothing learnt but how much it counts; that drum transcription gains from the structure of the whole song
is known from Ishizuka et al., "Global Structure-Aware Drum Transcription Based on Self-Attention Mechanisms", Signals
2021. No beat has to be known for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES_BY_KEY
from mix2midi.transcription.curves import family_curve
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.instants import SAME_INSTANT_FRAMES, find_instants, logit, shift_curve

#: What is seen of the music around an instant, on either side of it.
_CONTEXT_S = 1.0
#: Context is compared in steps of this many frames (23 ms), with a step of tolerance.
_STEP_FRAMES = 8
_NEXT_STEP = 0.7
#: Likeness (a cosine) that falls by this much makes an instant count e times less.
_TEMPERATURE = 0.05
#: An instant with this much likeness in all to others is half believed.
_HALF_TRUST = 0.02
#: Instants further away than this are not asked: music changes, and an hour has tens of thousands of them.
_REACH_S = 180.0
#: What lies nearer than this is the same stroke, or its flam.
_SAME_STROKE_S = 0.05
#: Lowest activation of what may be a hit.
_LOWEST = 0.08
_BLOCK = 256
_CLIP = 2e-3
#: Others that have nothing count like this logit: a hit out of the ordinary may be played all the same.
_FAINTEST = -3.0


@dataclass(frozen=True)
class _Instants:
    """Where something may have been hit.

    Attributes
    ----------
    frames : ndarray [shape=(instants,), int64]
        Rising.
    contexts : ndarray [shape=(instants, steps), float32]
        The heat map around each, of length 1.
    """

    frames: NDArray[np.int64]
    contexts: NDArray[np.float32]


def recall_repetitions(heat_map: HeatMap, shares: Mapping[str, float]) -> HeatMap:
    """The heat map of a song in which alike instants have heard of each other.

    Parameters
    ----------
    heat_map : HeatMap
        Of a whole song: parts of it know only their own repetitions.
    shares : mapping of str to float
        For each family how much the other instants count beside its own, 0 (not at all) to 1; families that are not
        named stay as they are, as does percussion.

    Returns
    -------
    HeatMap
        Onset activations moved towards what alike instants have, as logits; all else is shared with the original.
    """
    shares = {family: share for family, share in shares.items() if share > 0.0}
    instants = _instants(heat_map) if shares else None
    if instants is None or len(instants.frames) < 2:
        return heat_map
    onset, family_onset = heat_map.onset.copy(), heat_map.family_onset.copy()
    rows = [(onset, row, shares.get(PIECES_BY_KEY[key].family, 0.0)) for row, key in enumerate(heat_map.pieces)]
    rows += [(family_onset, row, shares.get(family, 0.0)) for row, family in enumerate(heat_map.families)]
    rows = [(curves, row, share) for curves, row, share in rows if share > 0.0]
    own = np.stack([logit(_highest_near(curves[row], instants.frames), _CLIP) for curves, row, _ in rows])
    heard, trust = _attend(instants, np.maximum(own, _FAINTEST), heat_map.fps)
    for (curves, row, share), own_logit, heard_logit in zip(rows, own, heard, strict=True):
        shift_curve(curves[row], instants.frames, share * trust * (heard_logit - own_logit))
    return replace(heat_map, onset=onset, family_onset=family_onset)


def _instants(heat_map: HeatMap) -> _Instants | None:
    """All candidates of all families, those of one stroke together; None where there is none."""
    curves = [family_curve(heat_map, family) for family in FAMILIES]
    frames = find_instants(curves, _LOWEST)
    if not len(frames):
        return None
    return _Instants(frames, _contexts(curves, frames, heat_map.fps))


def _contexts(curves: list[NDArray[np.float32]], frames: NDArray[np.int64], fps: float) -> NDArray[np.float32]:
    """What the curves hold around each frame, fading out on both sides."""
    steps = -(-len(curves[0]) // _STEP_FRAMES)
    reach = int(_CONTEXT_S * fps / _STEP_FRAMES)
    width = 2 * reach + 1
    fade = np.hanning(width + 2)[1:-1].astype(np.float32)
    # Filled in place: an hour of dense music has 100,000 instants, and these are by far the largest thing here.
    contexts = np.empty((len(frames), len(curves), width), dtype=np.float32)
    for index, curve in enumerate(curves):
        padded = np.pad(curve, (0, steps * _STEP_FRAMES - len(curve)))
        highest = np.pad(padded.reshape(steps, _STEP_FRAMES).max(axis=1), reach + 1)
        beside = _NEXT_STEP * np.maximum(highest[:-2], highest[2:])
        tolerant = np.maximum(highest[1:-1], beside).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(tolerant, width)
        np.multiply(windows[frames // _STEP_FRAMES], fade, out=contexts[:, index])
    flat = contexts.reshape(len(frames), -1)
    flat /= np.sqrt(np.einsum("is,is->i", flat, flat))[:, None] + np.float32(1e-6)
    return flat


def _attend(
    instants: _Instants, own: NDArray[np.float64], fps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What alike instants hold, and how far to believe it.

    Parameters
    ----------
    instants : _Instants
    own : ndarray [shape=(rows, instants)]
        Logits.

    Returns
    -------
    heard : ndarray [shape=(rows, instants)]
        Logits.
    trust : ndarray [shape=(instants,)]
        0 to 1; 0 where nothing in reach is alike.
    """
    heard, trust = own.copy(), np.zeros(len(instants.frames))
    for block, asked in _blocks(instants.frames, fps):
        likeness = instants.contexts[block] @ instants.contexts[asked].T
        apart_s = np.abs(instants.frames[block, None] - instants.frames[None, asked]) / fps
        others = apart_s >= _SAME_STROKE_S
        weight = np.where(others, np.exp((likeness.astype(np.float64) - 1.0) / _TEMPERATURE), 0.0)
        total = weight.sum(axis=1)
        known = total > 0.0
        heard[:, block] = np.where(known, own[:, asked] @ weight.T / np.where(known, total, 1.0), own[:, block])
        trust[block] = total / (total + _HALF_TRUST)
    return heard, trust


def _blocks(frames: NDArray[np.int64], fps: float) -> Iterator[tuple[slice, slice]]:
    """Blocks of instants, each with those in reach of any of them."""
    reach = _REACH_S * fps
    for first in range(0, len(frames), _BLOCK):
        stop = min(first + _BLOCK, len(frames))
        asked = np.searchsorted(frames, [frames[first] - reach, frames[stop - 1] + reach + 1])
        yield slice(first, stop), slice(int(asked[0]), int(asked[1]))


def _highest_near(curve: NDArray[np.floating], frames: NDArray[np.int64]) -> NDArray[np.floating]:
    reach = SAME_INSTANT_FRAMES
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(curve, reach), 2 * reach + 1)
    return windows[frames].max(axis=1)
