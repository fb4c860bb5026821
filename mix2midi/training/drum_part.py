"""What the drums of a slice play: a stretch of a performance, varied, in time with its company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from mix2midi.training.company_pool import Clip
from mix2midi.training.drum_track import Hits, cut_hits, vary_hits
from mix2midi.training.patterns import generate_pattern
from mix2midi.training.performances import Performance, draw_performance
from mix2midi.training.recipe import DrumSliceRecipe


def draw_hits(
    rng: Generator,
    recipe: DrumSliceRecipe,
    performances: Sequence[Performance],
    clip: Clip | None,
    duration_s: float,
    varied: bool = True,
) -> tuple[Hits, float]:
    """Hits of a stretch of a performance, at the tempo and on the beat of its company where that is known.

    Parameters
    ----------
    rng : numpy Generator
    recipe : DrumSliceRecipe
    performances : sequence of Performance
    clip : Clip, optional
        The company.
    duration_s : float
    varied : bool
        Play the part on other drums and at other tempos; otherwise as it was performed.

    Returns
    -------
    hits : Hits
    company_start_s : float
        Where in the clip the slice begins; 0 without one.
    """
    company_start_s = float(rng.uniform(0.0, max(0.0, clip.duration_s - duration_s))) if clip else 0.0
    if rng.random() < recipe.empty_share:
        nothing = np.zeros(0)
        return Hits(nothing, nothing.astype(np.int64), nothing), company_start_s
    if rng.random() < recipe.pattern_share:
        performance = generate_pattern(rng)
    else:
        performance = draw_performance(rng, performances, recipe.style_shares)
    speed = float(rng.uniform(0.85, 1.2)) if varied else 1.0
    beat_s = 0.0
    if varied and clip and clip.tempo_bpm > 0 and rng.random() < 0.7:
        ratios = clip.tempo_bpm * np.array([0.5, 1.0, 2.0]) / performance.tempo_bpm
        nearest = float(ratios[np.abs(np.log(ratios)).argmin()])
        if 0.7 < nearest < 1.45:
            speed, beat_s = nearest, 60.0 / clip.tempo_bpm
    start_s = float(rng.uniform(-0.5, max(0.0, performance.duration_s / speed - duration_s) + 0.5))
    if beat_s:
        start_s = company_start_s % beat_s + beat_s * round(start_s / beat_s)
    hits = cut_hits(performance, duration_s, speed, start_s)
    return (vary_hits(rng, hits, duration_s, performance.tempo_bpm * speed) if varied else hits), company_start_s
