"""From heat map to notes: where the peaks are, which drum of the family it was, how hard it was hit.

Peaks are taken from a curve per family (kick, snare, toms, hats, cymbals), because "a tom was hit" is surer than
"the mid tom was hit"; the pieces of the family then compete for the peak, and one of them gets it: two pieces of one
family at the same instant are mostly the network's doubt between them (all 50 such pairs that an early
network found on six real songs were).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import FAMILIES, PIECES_BY_KEY
from mix2midi.errors import OptionError
from mix2midi.notes import DrumNote
from mix2midi.transcription.curves import family_curve, find_peaks
from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.timekeeper import cymbal_share, hats_threshold
from mix2midi.transcription.velocity import balance_velocities, scale_velocities, soften_soft_drums
from mix2midi.units import frames_to_seconds, seconds_to_frames, unit_to_velocity

#: Curves that are picked for themselves: the families, and percussion that belongs to none.
CURVES = (*FAMILIES, "percussion")
#: What a transcriber may be given: drums alone, drums that a separator took out of a mix, or a whole mix. What is
#: sure to be a hit in one is doubtful in another, so each has a picking of its own.
VIEWS = ("clean", "separated", "mix")


@dataclass(frozen=True)
class Picking:
    """How peaks become notes.

    Attributes
    ----------
    thresholds : mapping of str to float
        Lowest activation of a hit for each of `CURVES`, 0 to 1. That of hats is higher in songs of many cymbals, see
        `mix2midi.transcription.timekeeper`.
    merge_s : mapping of str to float
        Of two peaks nearer than this the higher one stays. Flams and rolls live at 30 to 60 ms, so it stays below.
    certainty : mapping of str to sequence of (float, float)
        For each of `CURVES` how often hits of an activation were right, as points of a line: (activation, share), both
        0 to 1 and rising. It makes an activation a confidence; a curve that is not named keeps its activations.
    velocity_scale : float
        Factor on all velocities, above 0: a network that learnt from hard parts hears soft ones too hard.
    """

    thresholds: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(CURVES, 0.5))
    merge_s: Mapping[str, float] = field(
        default_factory=lambda: {
            "kick": 0.030,
            "snare": 0.025,
            "toms": 0.025,
            "hats": 0.030,
            "cymbals": 0.035,
            "percussion": 0.030,
        }
    )
    certainty: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    velocity_scale: float = 1.0

    def __post_init__(self) -> None:
        for name, values in (("thresholds", self.thresholds), ("merge_s", self.merge_s)):
            if set(values) != set(CURVES):
                raise OptionError(f"picking: {name} must name exactly {', '.join(CURVES)}")
        if not all(0.0 < value < 1.0 for value in self.thresholds.values()):
            raise OptionError("picking: thresholds lie between 0 and 1")
        if not self.velocity_scale > 0.0:
            raise OptionError("picking: velocity_scale lies above 0")
        if not set(self.certainty) <= set(CURVES):
            raise OptionError(f"picking: certainty names only {', '.join(CURVES)}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Picking:
        """Build from stored settings; what is not named keeps its default. Raises `OptionError` for unknown names."""
        known = {field.name for field in fields(cls)}
        if not set(values) <= known:
            raise OptionError(f"picking: unknown settings {', '.join(sorted(set(values) - known))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def pick_notes(heat_map: HeatMap, picking: Picking | None = None) -> list[DrumNote]:
    """Take the notes out of a heat map.

    Parameters
    ----------
    heat_map : HeatMap
        Of a whole song: peaks at chunk borders would depend on the chunks.
    picking : Picking, optional
        Thresholds; the defaults of `Picking` where none are given.

    Returns
    -------
    list of DrumNote
        Sorted by onset, then note.
    """
    picking = _for_this_song(picking or Picking(), heat_map)
    notes: list[DrumNote] = []
    for curve_name, rows in _curves(heat_map).items():
        heard = balance_velocities(_pick_curve(heat_map, curve_name, rows, picking), heat_map, curve_name)
        notes += soften_soft_drums(heard, curve_name)
    return sorted(scale_velocities(notes, picking.velocity_scale))


def _for_this_song(picking: Picking, heat_map: HeatMap) -> Picking:
    """What keeps the time of the song decides how sure a hat has to be."""
    hats = hats_threshold(picking.thresholds["hats"], cymbal_share(heat_map))
    return replace(picking, thresholds={**picking.thresholds, "hats": hats})


def _curves(heat_map: HeatMap) -> dict[str, list[list[int]]]:
    """Rows that compete with each other, by the curve they are picked from; each percussion piece stands alone."""
    by_family: dict[str, list[int]] = {}
    for row, key in enumerate(heat_map.pieces):
        by_family.setdefault(PIECES_BY_KEY[key].family, []).append(row)
    curves = {family: [by_family[family]] for family in FAMILIES if family in by_family}
    curves["percussion"] = [[row] for row in by_family.get("percussion", [])]
    return curves


def _pick_curve(heat_map: HeatMap, curve_name: str, groups: list[list[int]], picking: Picking) -> list[DrumNote]:
    merge_frames = float(seconds_to_frames(picking.merge_s[curve_name], heat_map.hop_length, heat_map.rate_hz))
    distance = max(1, round(merge_frames))
    threshold = picking.thresholds[curve_name]
    notes: list[DrumNote] = []
    for rows in groups:
        curve = (
            family_curve(heat_map, curve_name) if curve_name in FAMILIES else heat_map.onset[rows[0]].astype(np.float32)
        )
        for frame in find_peaks(curve, threshold, distance):
            onset_s = _refined_onset_s(heat_map, curve, int(frame))
            row = _piece_at(heat_map, rows, int(frame))
            confidence = _confidence(picking, curve_name, float(curve[frame]))
            notes.append(_note(heat_map, row, int(frame), onset_s, confidence))
    return notes


def _piece_at(heat_map: HeatMap, rows: list[int], frame: int) -> int:
    """The piece of the family that is most likely at a peak."""
    strengths = heat_map.onset[rows, max(0, frame - 1) : frame + 2].max(axis=1)
    return rows[int(strengths.argmax())]


def _refined_onset_s(heat_map: HeatMap, curve: NDArray[np.float32], frame: int) -> float:
    """Time of a peak between frames: the vertex of a parabola through its logarithm (exact for a Gaussian)."""
    shift = 0.0
    if 0 < frame < len(curve) - 1:
        left, centre, right = np.log(np.maximum(curve[frame - 1 : frame + 2].astype(np.float64), 1e-6))
        bend = left - 2.0 * centre + right
        if bend < 0.0:
            shift = float(0.5 * (left - right) / bend)  # half a frame at most: no neighbour of a peak is higher
    return max(0.0, float(frames_to_seconds(frame + shift, heat_map.hop_length, heat_map.rate_hz)))


def _confidence(picking: Picking, curve_name: str, activation: float) -> float:
    """How likely a hit of this activation is right."""
    points = picking.certainty.get(curve_name)
    return float(np.interp(activation, *np.transpose(points))) if points else activation


def _note(heat_map: HeatMap, row: int, frame: int, onset_s: float, confidence: float) -> DrumNote:
    strength = float(heat_map.velocity[row, max(0, frame - 1) : frame + 2].mean(dtype=np.float64))
    note = PIECES_BY_KEY[heat_map.pieces[row]].note
    return DrumNote(onset_s, note, int(unit_to_velocity(strength)), float(np.clip(confidence, 0.0, 1.0)))
