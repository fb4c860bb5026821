"""Songs with known drum parts on kits that training never heard: audio with its MIDI beside it, for scoring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES
from mix2midi.errors import OptionError
from mix2midi.files import atomic_write
from mix2midi.notes import DrumNote, Transcription
from mix2midi.transcription.peaks import VIEWS
from mix2midi.transcription.training.recipe import Recipe, load_recipe
from mix2midi.units import MAX_VELOCITY, unit_to_velocity

if TYPE_CHECKING:
    from mix2midi.transcription.training.slices import SliceRenderer

_SEED = 9_000_001


def render_validation_songs(
    recipe_path: Path,
    data_folder: Path,
    folder: Path,
    songs: int,
    view: str = "clean",
    duration_s: float = 30.0,
    first_number: int = 0,
) -> list[Path]:
    """Render validation grooves as they were performed, on each of the kits that a recipe leaves out in turn.

    Parameters
    ----------
    recipe_path, data_folder : Path
        As for training.
    folder : Path
        Gets `NNN.flac` and `NNN_reference.mid` of each song: transcribing the folder must not replace what is true.
    songs : int
        How many.
    view : str
        ``"clean"``, ``"mix"`` or ``"separated"``, see `mix2midi.transcription.training.views`.
    duration_s : float
        Length of each.
    first_number : int
        A song's number decides its part, its kit and its name.

    Returns
    -------
    list of Path
        The audio files.

    Raises
    ------
    OptionError
        The recipe or its data cannot be used, or the recipe leaves no kit out.
    """
    from mix2midi.transcription.training.train import judging_renderer

    if view not in VIEWS:
        raise OptionError(f"view {view!r} is not known; choose from {', '.join(VIEWS)}")
    recipe = load_recipe(recipe_path)
    if not recipe.data.left_out_kits:
        raise OptionError(f"{recipe_path}: data.left_out_kits names no kit; songs to judge by need one")
    network = recipe.network_config()
    frames = round(duration_s * network.rate_hz / network.slow_hop_length) * network.slow_stride
    plain = _without_effects(recipe, frames, view)
    renderers = [judging_renderer(plain, data_folder, kit) for kit in recipe.data.left_out_kits]
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(first_number, first_number + songs)
    return [_write_song(renderers[number % len(renderers)], number, folder) for number in numbers]


def _without_effects(recipe: Recipe, frames: int, view: str) -> Recipe:
    """A recipe of slices of one view that are played as they were performed and recorded."""
    slices = replace(
        recipe.slices,
        frames=frames,
        views={name: float(name == view) for name in VIEWS},
        empty_share=0.0,
        pattern_share=0.0,
        drum_effects={},
        master_effects={},
    )
    data = replace(recipe.data, company=None) if view == "clean" else recipe.data
    return replace(recipe, slices=slices, data=data)


def _write_song(renderer: SliceRenderer, number: int, folder: Path) -> Path:
    """Render a song and its MIDI; the audio's path."""
    import soundfile

    from mix2midi.postprocess import write_midi

    network, frames = renderer.network, renderer.recipe.frames
    audio, hits = renderer.render(_SEED + number)
    first = network.context_samples  # frame 0
    audio = audio[first : first + frames * network.hop_length]
    notes = sorted(_note(hit, network.hop_length / network.rate_hz) for hit in hits if 0 <= hit[0] < frames)
    path = folder / f"{number:03d}.flac"
    with atomic_write(path) as partial:
        soundfile.write(partial, audio, network.rate_hz, subtype="PCM_16")
    truth = Transcription(notes, len(audio) / network.rate_hz, title=path.stem)
    write_midi(truth, path.with_name(f"{path.stem}_reference.mid"))
    return path


def _note(hit: NDArray[np.float32], frame_s: float) -> DrumNote:
    velocity = int(unit_to_velocity(float(hit[2]) / MAX_VELOCITY))
    return DrumNote(float(hit[0]) * frame_s, PIECES[int(hit[1])].note, velocity)
