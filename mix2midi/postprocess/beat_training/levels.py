"""Weights of the metrical level: ``python -m mix2midi.postprocess.beat_training.levels --data DIR`` prints them.

A conditional logit model (D. McFadden, "Conditional logit analysis of qualitative choice behavior", 1973): of the
levels of a song, the one with the right tempo shall be the most likely. Every groove is heard as a transcriber hears
it, and at another tempo than its own, so that the weights do not learn how fast ten drummers happened to play.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import minimize

from mix2midi.drums import PIECES
from mix2midi.errors import Mix2MidiError
from mix2midi.notes import DrumNote
from mix2midi.postprocess.beat_decoder import PADDING
from mix2midi.postprocess.beat_roll import ROWS
from mix2midi.postprocess.beat_tracking import (
    MIN_BEATS,
    MIN_ONSETS,
    beat_activations,
    decode_on_beat,
    observe,
)
from mix2midi.postprocess.beat_training.augment import mishear
from mix2midi.postprocess.beat_training.grooves import Groove, load_grooves
from mix2midi.postprocess.beats import BeatOptions
from mix2midi.postprocess.lines import Swing
from mix2midi.postprocess.metrical_level import (
    LEVELS,
    WEIGHTS,
    Heard,
    beats_of_levels,
    describe_level,
    tempo_of,
)

#: Scatter of the tempo that a groove is played at around its own, as standard deviation of the logarithm.
TEMPO_SCATTER = 0.15
#: How often each groove is heard, and how much of it: they repeat themselves.
DRAWS, EXCERPT_S = 1, 30.0
#: Share of grooves in four that are played with swung eighths, though they were not, and how much they swing.
SWUNG_SHARE, SWINGS = 0.25, (54.0, 68.0)
#: Strength of the pull of the weights towards 0, in units of their descriptions' standard deviations.
RIDGE = 0.02
#: A level is right if its tempo is that of the metronome within this share.
TOLERANCE = 0.04
_NOTES = [next(piece.note for piece in PIECES if piece.key == keys[0]) for keys in ROWS.values()]


@dataclass(frozen=True)
class Choice:
    """Levels of a song to choose from.

    Attributes
    ----------
    described : ndarray [shape=(levels, len(WEIGHTS))]
    right : int
        Index of the level with the right tempo; -1 if there is none.
    drummer : str
    """

    described: NDArray[np.float64]
    right: int
    drummer: str


def hear_choice(groove: Groove, rng: np.random.Generator) -> Choice | None:
    """Play a groove at some tempo, hear its beats and describe their levels; None where too few are heard."""
    tempo_bpm = groove.tempo_bpm * np.exp(rng.normal(0.0, TEMPO_SCATTER))
    beat = groove.beat
    if groove.beats_per_bar == 4 and rng.random() < SWUNG_SHARE:
        beat = Swing(rng.uniform(*SWINGS)).bend(beat)
    onset_s, row, velocity = mishear(beat * 60.0 / tempo_bpm, groove.row, groove.velocity, rng)
    notes = sorted(
        DrumNote(max(0.0, float(time_s)), _NOTES[drum], round(loudness))
        for time_s, drum, loudness in zip(onset_s, row, velocity, strict=True)
        if time_s < EXCERPT_S
    )
    if len(notes) < MIN_ONSETS:
        return None
    observations = observe(beat_activations(notes, notes[-1].onset_s + 1.0), notes[0].onset_s)
    observations, times_s, position, _ = decode_on_beat(observations, BeatOptions(), notes)
    if len(times_s) < MIN_BEATS or position.max() == 6:
        return None
    heard = Heard.of(notes, observations[0, PADDING:-PADDING])
    return describe_choice(times_s, position, heard, tempo_bpm, groove.name.split("/")[0])


def describe_choice(
    times_s: NDArray[np.float64], position: NDArray[np.int64], heard: Heard, true_bpm: float, drummer: str
) -> Choice:
    """The levels of decoded beats, and which is right."""
    levels = beats_of_levels(times_s, position)
    right = [abs(tempo_of(levels[factor]) / true_bpm - 1.0) < TOLERANCE for factor in LEVELS]
    described = np.stack([describe_level(factor, levels[factor], heard) for factor in LEVELS])
    return Choice(described, right.index(True) if any(right) else -1, drummer)


def fit(choices: Sequence[Choice]) -> NDArray[np.float64]:
    """Weights that make the right levels most likely, in the order of `WEIGHTS`."""
    useful = [choice for choice in choices if choice.right >= 0]
    described = np.stack([choice.described for choice in useful])  # [songs, levels, weights]
    right = np.array([choice.right for choice in useful])
    unit = described.reshape(-1, described.shape[-1]).std(axis=0)
    unit[unit == 0] = 1.0  # what is the same everywhere tells nothing
    described = described / unit
    chosen = described[np.arange(len(right)), right]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = described @ weights
        odds -= odds.max(axis=1, keepdims=True)
        share = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        likely = np.log(share[np.arange(len(right)), right])
        slope = (np.einsum("sl,slw->sw", share, described) - chosen).mean(axis=0)
        return float(-likely.mean() + RIDGE * weights @ weights / 2), slope + RIDGE * weights

    found: NDArray[np.float64] = minimize(loss, np.zeros(len(WEIGHTS)), jac=True, method="L-BFGS-B").x
    return found / unit


def share_right(choices: Sequence[Choice], weights: NDArray[np.float64]) -> float:
    """Share of songs whose right level is chosen; those that have none count as wrong."""
    return float(np.mean([np.argmax(choice.described @ weights) == choice.right for choice in choices]))


def cross_validate(choices: Sequence[Choice]) -> float:
    """Share of songs whose right level is chosen by weights from the other drummers."""
    right = 0.0
    for drummer in sorted({choice.drummer for choice in choices}):
        others, own = ([c for c in choices if (c.drummer == drummer) == same] for same in (False, True))
        right += share_right(own, fit(others)) * len(own)
    return right / len(choices)


def main(data: Annotated[Path, typer.Option(help="folder with groove.zip")]) -> None:
    """Find the weights and print them, and how often they are right."""
    rng = np.random.default_rng(1)
    try:
        grooves = load_grooves(data / "groove.zip", "train")
    except (Mix2MidiError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    heard = [hear_choice(groove, rng) for groove in grooves for _ in range(DRAWS) if groove.beats_per_bar != 6]
    choices = [choice for choice in heard if choice is not None]
    for name, weight in zip(WEIGHTS, fit(choices), strict=True):
        typer.echo(f'    "{name}": {weight:.2f},')
    decoded, now = (share_right(choices, np.array(weights)) for weights in (_AS_DECODED, list(WEIGHTS.values())))
    typer.echo(f"right of {len(choices)}: as decoded {decoded:.3f}, weights of this version {now:.3f}")
    typer.echo(f"weights from other drummers {cross_validate(choices):.3f}")


_AS_DECODED = [float(name == "as decoded") for name in WEIGHTS]

if __name__ == "__main__":
    typer.run(main)
