"""Songs to learn from: rendered, given to the transcriber, and kept as what it made of them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from mix2midi.training.slices import from_16_bits
from mix2midi.transcription.training.recipe import Recipe
from mix2midi.transcription.training.refinement.arrangement import arrange_song
from mix2midi.transcription.training.refinement.examples import SongExample, make_example
from mix2midi.transcription.training.refinement.recipe import RefinementRecipe
from mix2midi.transcription.training.train import training_renderer, validation_renderer
from mix2midi.transcription.transcriber import Transcriber
from mix2midi.transcription.weights import load_weights

_ARRANGEMENT_SEED = 77
#: Fewer instants teach nothing about a song.
_FEWEST_INSTANTS = 8


class SongRenderer:
    """Renders songs by number and lets a transcriber hear them.

    Parameters
    ----------
    recipe : RefinementRecipe
    data_folder : Path
    weights : Path
        Of the transcriber.
    is_validation : bool
        From the kits and performances that are left out of training.
    """

    def __init__(self, recipe: RefinementRecipe, data_folder: Path, weights: Path, is_validation: bool) -> None:
        heard_by = load_weights(weights)
        slices = replace(recipe.slices, pattern_share=0.0)  # patterns are drawn song by song, see `arrange_song`
        plain = Recipe(seed=recipe.seed, data=recipe.data, network=heard_by.network.config.to_dict(), slices=slices)
        make_renderer = validation_renderer if is_validation else training_renderer
        self._recipe, self._renderer = recipe, make_renderer(plain, data_folder)
        self._transcriber = Transcriber(replace(heard_by, refinements=()))

    def render(self, number: int) -> SongExample:
        """Song `number`, always the same one."""
        renderer, network = self._renderer, self._renderer.network
        frames = renderer.recipe.frames
        rng = np.random.default_rng([_ARRANGEMENT_SEED, renderer.seed, number])
        duration_s = frames * network.hop_length / network.rate_hz
        part = arrange_song(rng, renderer.performances, duration_s, self._recipe.slices.pattern_share)
        audio, hits = replace(renderer, performances=[part]).render(number)
        first = network.context_samples  # frame 0
        heard = from_16_bits(audio[first : first + frames * network.hop_length])
        return make_example(self._transcriber.heat_map(heard), hits)


def render_songs(
    recipe: RefinementRecipe, data_folder: Path, weights: Path, folder: Path, count: int, is_validation: bool = False
) -> list[SongExample]:
    """Songs 0 to `count`; those that lie in the folder already are not rendered again.

    Parameters
    ----------
    recipe : RefinementRecipe
        Its `workers` say how many processes render.
    data_folder, weights : Path
    folder : Path
        Keeps a file of each song.
    count : int
    is_validation : bool
        See `SongRenderer`.

    Returns
    -------
    list of SongExample
        Without those in which there is next to nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:06d}.npz" for number in range(count)]
    missing = [(number, path) for number, path in enumerate(paths) if not path.is_file()]
    if missing:
        begin = (recipe, data_folder, weights, is_validation)
        # Not forked: the threads of torch do not survive it.
        with ProcessPoolExecutor(max(1, recipe.workers), get_context("spawn"), _begin, begin) as workers:
            list(workers.map(_render_to, *zip(*missing, strict=True)))
    songs = [SongExample.load(path) for path in paths]
    return [song for song in songs if len(song.times_s) >= _FEWEST_INSTANTS]


_arguments: list[Any] = []
_renderers: list[SongRenderer] = []


def _begin(*arguments: Any) -> None:
    """What each worker needs for all its songs."""
    import torch

    torch.set_num_threads(1)
    _arguments[:] = arguments


def _render_to(number: int, path: Path) -> None:
    if not _renderers:  # not in `_begin`: what goes wrong there breaks the pool, and what is raised here is passed on
        _renderers.append(SongRenderer(*_arguments))
    _renderers[0].render(number).save(path)
