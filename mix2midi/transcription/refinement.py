"""A heat map read once more with the whole song in mind, see `refinement_network`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES, PIECES_BY_KEY
from mix2midi.transcription.curves import family_curve
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.instants import find_instants, logit, shift_curve

if TYPE_CHECKING:
    from mix2midi.transcription.refinement_network import RefinementNetwork, RefinementVote

#: Lowest activation of what may be a hit.
_LOWEST = 0.05
#: What belongs to an instant, at most; halfway to the next it ends.
_REACH_FRAMES = 6
_CLIP = 1e-3
#: When the loudness of a hit is read, and how many decibels are one unit of it.
_LOUD_FRAMES, _LOUDNESS_DB, _LOUDEST = 6, 12.0, 3.0
#: What the refined logits count where it is decided which piece of a family was hit; the rest is what was heard there.
#: That a hat was hit is often known from the bars around it, that it was open is not: repetitions make of rare pieces
#: what the common ones are. Toms come in fills that return, and stay as they are.
_REFINED_SHARE = {"snare": 0.25, "hats": 0.25, "cymbals": 0.25}


@dataclass(frozen=True)
class Instants:
    """What is known of each instant of a song at which something may have been hit.

    Attributes
    ----------
    frames : ndarray [shape=(instants,), int64]
        Rising.
    logits : ndarray [shape=(instants, rows), float32]
        The highest near each, of pieces, then of families.
    velocity : ndarray [shape=(instants, families), float32]
        Of the likeliest piece of each family, 0 to 1.
    loudness : ndarray [shape=(instants, families), float32]
        Beside the median instant of the song, in units of 12 dB, -3 to 3.
    """

    frames: NDArray[np.int64]
    logits: NDArray[np.float32]
    velocity: NDArray[np.float32]
    loudness: NDArray[np.float32]


def read_instants(heat_map: HeatMap) -> Instants:
    """Everything that may have been a hit, doubtful or not."""
    frames = find_instants([family_curve(heat_map, family) for family in FAMILIES], _LOWEST)
    at, is_near = _near(frames, heat_map.onset.shape[1])
    pieces = _around(heat_map.onset, at, is_near)
    families = _around(heat_map.family_onset, at, is_near)
    logits = logit(np.concatenate([pieces, families]).max(axis=2), _CLIP).T
    velocity = np.zeros((len(frames), len(FAMILIES)), dtype=np.float32)
    for index, family in enumerate(FAMILIES):
        rows = [row for row, key in enumerate(heat_map.pieces) if PIECES_BY_KEY[key].family == family]
        flat = (len(frames), len(rows) * at.shape[1])
        likeliest = pieces[rows].transpose(1, 0, 2).reshape(flat).argmax(axis=1)
        strengths = heat_map.velocity[rows][:, at].transpose(1, 0, 2).reshape(flat)
        velocity[:, index] = strengths[np.arange(len(frames)), likeliest]
    return Instants(frames, logits.astype(np.float32), velocity, _loudness(heat_map, frames))


def refine_heat_map(heat_map: HeatMap, network: RefinementNetwork | RefinementVote) -> HeatMap:
    """The heat map of a whole song as a refinement network sees it.

    Returns
    -------
    HeatMap
        Onset activations moved around the instants at which something may have been hit; all else is shared with the
        original. How likely any piece of a family was hit is what the network says, which piece that was mostly what
        the original heat map does.
    """
    import torch

    instants = read_instants(heat_map)
    if not len(instants.frames):
        return heat_map
    times_s = torch.from_numpy((instants.frames / heat_map.fps).astype(np.float32))
    with torch.inference_mode():
        known = (torch.from_numpy(part) for part in (instants.logits, instants.velocity, instants.loudness))
        refined = _with_heard_pieces(network(times_s, *known).numpy(), instants.logits)
    onset, family_onset = heat_map.onset.copy(), heat_map.family_onset.copy()
    shifts = (refined - instants.logits).astype(np.float64)
    for curve, shift in zip([*onset, *family_onset], shifts.T, strict=True):
        shift_curve(curve, instants.frames, shift)
    return replace(heat_map, onset=onset, family_onset=family_onset)


def _with_heard_pieces(refined: NDArray[np.float32], heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """The refined logits [instants, rows] of each family's pieces, dealt out in the order in which they were heard.

    Only their places change, so that what they say of the family as a whole stays.
    """
    dealt = refined.copy()
    for family, share in _REFINED_SHARE.items():
        rows = np.array([row for row, piece in enumerate(PIECES) if piece.family == family])
        order = (share * refined[:, rows] + (1.0 - share) * heard[:, rows]).argsort(axis=1, kind="stable")
        np.put_along_axis(dealt, rows[order], np.sort(refined[:, rows], axis=1), axis=1)
    return dealt


def _near(frames: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Frames around each instant [instants, offsets], and which of them are its own and not its neighbours'."""
    offsets = np.arange(-_REACH_FRAMES, _REACH_FRAMES + 1)
    gaps = np.diff(frames)
    before = np.append(_REACH_FRAMES, gaps // 2)
    after = np.append((gaps - 1) // 2, _REACH_FRAMES)
    is_near = (offsets >= -before[:, None]) & (offsets <= after[:, None])
    return np.clip(frames[:, None] + offsets, 0, length - 1), is_near


def _around(rows: NDArray[np.floating], at: NDArray[np.int64], is_near: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Activations around each instant, of each row: [rows, instants, offsets]."""
    return np.asarray(np.where(is_near, rows[:, at], 0.0), dtype=np.float32)


def _loudness(heat_map: HeatMap, frames: NDArray[np.int64]) -> NDArray[np.float32]:
    if not len(frames):
        return np.zeros((0, len(FAMILIES)), dtype=np.float32)
    after = np.clip(frames + _LOUD_FRAMES, 0, heat_map.loudness_db.shape[1] - 1)
    level_db = heat_map.loudness_db[:, after].T.astype(np.float32)
    beside = (level_db - np.median(level_db, axis=0)) / _LOUDNESS_DB
    return np.asarray(np.clip(beside, -_LOUDEST, _LOUDEST), dtype=np.float32)
