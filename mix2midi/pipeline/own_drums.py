"""Somebody's own drums: weights tuned to them, and scores before and after on what was held out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mix2midi.audio import AUDIO_SUFFIXES, find_audio, read_audio
from mix2midi.drums import FAMILIES, piece_of_note
from mix2midi.errors import OptionError
from mix2midi.pipeline.outputs import is_own
from mix2midi.pipeline.references import read_reference, reference_of, strange_notes
from mix2midi.pipeline.tune import TuningSet, choose_thresholds, scores_of
from mix2midi.scores import Reference, Scores, pool_scores, score_notes
from mix2midi.transcription.peaks import pick_notes
from mix2midi.transcription.transcriber import Transcriber
from mix2midi.transcription.weights import Weights, load_weights, save_weights
from mix2midi.weight_files import check_weights_target

if TYPE_CHECKING:
    from mix2midi.training.kits import KitLibrary
    from mix2midi.training.performances import Performance
    from mix2midi.transcription.training.own_drums import Excerpt, SliceSource
    from mix2midi.transcription.training.recipe import Recipe

OWN_DRUMS_RECIPE = Path(__file__).parents[1] / "configs" / "own_drums.yaml"
#: Of the last stage of the shipped transcriber: what it names unused would undo a part of what that learnt.
_GENERAL_RECIPE = Path(__file__).parents[1] / "configs" / "transcriber_ninth_stage.yaml"
_SONGS = 8
#: Shares of the tuned weights that are tried on other songs of the kit: where the drums are heard well already, tuning
#: can do harm. With half of them real songs lost .013 to a kit whose hats are unusual, with a quarter .009.
_SHARES = (0.0, 0.25)
#: Thresholds move by no more than this: a kit without a room and a band around it is easier to hear than a song.
_FURTHEST = 0.06
#: Shorter recordings cannot be parted into one piece to learn from and one to judge by.
_MIN_RECORDING_S = 8.0
#: Where less is heard before tuning, the notes are more likely wrong than the drums strange.
_DOUBTFUL_F = 0.4
_DOUBT = "hardly a hit is heard where the MIDI has one, which may be of another take or late: F"
_PRIVATE = "for the owner's use"
_NOTHING_LEARNT = "the network was kept, which hears these drums better than what it learnt; thresholds suit them"


@dataclass(frozen=True)
class OwnDrums:
    """What to learn from, what to judge by, what to choose by (nothing beside recordings), and what of it to tell."""

    sources: Sequence[SliceSource]
    held_out: Sequence[Excerpt]
    choice: Sequence[Excerpt] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TuningResult:
    """Scores on the held-out excerpts, and what the tuned weights count for in the result, 0 to 1."""

    before: Scores
    after: Scores
    new_share: float

    def lines(self) -> list[str]:
        """F at 50 ms before and after, of all and of each family, and the share of what was learnt, as text."""
        window_s = self.before.windows_s[0]
        rows = [("all", self.before.overall, self.after.overall)]
        rows += [(name, self.before.families[name], self.after.families[name]) for name in FAMILIES]
        table = [
            f"{name:10s}   {_text(old.counts[window_s].f_measure)}    {_text(new.counts[window_s].f_measure)}"
            f"   {old.counts[window_s].reference:5d}"
            for name, old, new in rows
        ]
        learnt = f"tuned weights count for {self.new_share:.0%}" if self.new_share else _NOTHING_LEARNT
        return ["held-out F   before   after    hits", *table, learnt]


def _text(value: float) -> str:
    return "  –  " if np.isnan(value) else f"{value:.3f}"


def learn_own_drums(
    source: Path,
    output: Path,
    data_folder: Path,
    *,
    weights: Path | None = None,
    steps: int | None = None,
    recipe_path: Path = OWN_DRUMS_RECIPE,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda line: None,
) -> TuningResult:
    """Tune weights to the drums of one kit, and score them before and after.

    How far the result goes from the old weights to the tuned ones, and the thresholds for drums alone, are chosen on
    songs of the kit that are neither learnt from nor judged by. After tuning to recordings it is a quarter of the
    way, and thresholds stay.

    Parameters
    ----------
    source : Path
        A folder of one-shots, a kit that `mix2midi kits import` reads, a kit library, or a folder of recordings of
        drums alone with their MIDI beside them.
    output : Path
        Gets the tuned weights.
    data_folder : Path
        Other drums are mixed in from here, if it holds the kits of the shipped recipe.
    weights : Path, optional
        Where to start; the shipped ones by default.
    steps : int, optional
        Replaces the recipe's number.
    recipe_path : Path
        Recipe for the tuning.
    device : str
        A device that torch knows.
    report : callable
        Gets what was found to learn from, then the step and its losses now and then.

    Raises
    ------
    OptionError, AudioError
        The drums cannot be used.
    ModelError
        The weights cannot be used.
    OutputError
        The result cannot be written.
    """
    from mix2midi.transcription.training.own_drums import tune_to

    check_weights_target(output)
    loaded = load_weights(weights)
    recipe = _recipe_for(loaded, recipe_path, steps)
    with tempfile.TemporaryDirectory(prefix="mix2midi-") as folder:
        performances = _performances(data_folder)
        drums = _read_drums(source, recipe, performances, Path(folder))
        report(dict(drums.told))
        before = score_excerpts(loaded, drums.held_out, device)
        if not drums.choice and before.f_measure() < _DOUBTFUL_F:
            report({_DOUBT: f"{before.f_measure():.3f}"})
        general = _general(recipe, data_folder, performances)
        tuned = tune_to(loaded, recipe, drums.sources, general, Path(folder), device, report)
    share, result = _take_over(loaded, tuned, drums, device)
    save_weights(result, output)
    return TuningResult(before, score_excerpts(result, drums.held_out, device), share)


def _recipe_for(weights: Weights, path: Path, steps: int | None) -> Recipe:
    """A recipe for tuning these weights, in so many steps."""
    from mix2midi.transcription.training.recipe import load_recipe

    return replace(load_recipe(path), network=weights.network.config.to_dict()).with_steps(steps)


def _take_over(old: Weights, tuned: Weights, drums: OwnDrums, device: str) -> tuple[float, Weights]:
    """How much of what was learnt counts, and the weights that come of it; recordings leave no songs to choose by."""
    from mix2midi.transcription.training.own_drums import NEW_SHARE, share_weights

    if drums.choice:
        return choose_share(old, tuned, drums.choice, device)
    return NEW_SHARE, share_weights(old, tuned, NEW_SHARE)


def choose_share(old: Weights, tuned: Weights, songs: Sequence[Excerpt], device: str) -> tuple[float, Weights]:
    """The share of tuned weights that hears songs best, the smallest of equal ones, and these weights."""
    from mix2midi.transcription.training.own_drums import share_weights

    suited = [suit_thresholds(share_weights(old, tuned, share), songs, device) for share in _SHARES]
    best = int(np.argmax(np.nan_to_num([score for _, score in suited])))
    return _SHARES[best], suited[best][0]


def suit_thresholds(weights: Weights, songs: Sequence[Excerpt], device: str) -> tuple[Weights, float]:
    """Weights with those thresholds for drums alone that suit songs, near what they were, and their F at 50 ms.

    A network that is tuned to a kit is as sure of other drums as it was, and surer or less sure of the kit's.
    """
    transcriber = Transcriber(weights, device)
    heard = TuningSet([transcriber.heat_map(song.audio) for song in songs], [Reference(song.notes) for song in songs])
    picking = transcriber.pickings["clean"]
    picking = choose_thresholds([heard], picking, furthest=_FURTHEST)
    suited = replace(weights, pickings={**weights.pickings, "clean": picking.to_dict()})
    return suited, scores_of(heard, picking).f_measure()


def score_excerpts(weights: Weights, excerpts: Sequence[Excerpt], device: str = "cpu") -> Scores:
    """Scores of weights on excerpts, pooled."""
    transcriber = Transcriber(weights, device)
    return pool_scores(
        score_notes(excerpt.notes, pick_notes(transcriber.heat_map(excerpt.audio), transcriber.pickings["clean"]))
        for excerpt in excerpts
    )


def _read_drums(source: Path, recipe: Recipe, performances: list[Performance], folder: Path) -> OwnDrums:
    from mix2midi.transcription.training.own_drums import (
        CHOICE_SEED,
        RecordedSlices,
        kit_slices,
        songs_on_kit,
        split_recordings,
    )

    recordings = _read_recordings(source)
    if recordings:
        learnt, held_out = split_recordings(recordings)
        network = recipe.network_config()
        found = {
            "tracks with MIDI": len(recordings),
            "other audio files, left out": len(find_audio([source])) - len(recordings),
        }
        return OwnDrums([RecordedSlices(learnt, network, recipe.slices.frames, recipe.seed)], held_out, told=found)
    library, left_out = _read_kit(source, folder)
    held_out, choice = songs_on_kit(library, _SONGS), songs_on_kit(library, _SONGS, CHOICE_SEED)
    told = {"instruments": len(library.instruments), **left_out}
    return OwnDrums([kit_slices(recipe, library, performances)], held_out, choice, told)


def _read_kit(source: Path, folder: Path) -> tuple[KitLibrary, dict[str, str]]:
    """The kit, and what of it was left out by the reason."""
    from mix2midi.training.kit_import.formats import read_source
    from mix2midi.training.kit_import.library import extend_library
    from mix2midi.training.kits import KitLibrary

    if (source / "manifest.csv").is_file():
        return KitLibrary(source), {}
    kits = read_source(source)
    if len(kits) > 1:
        names = ", ".join(kit.name for kit in kits[:8])
        raise OptionError(f"{source}: holds {len(kits)} kits ({names}); import one and name its library")
    # The licence stays on this machine, as the samples do.
    (imported,) = extend_library(folder / "own", kits, _PRIVATE)
    return KitLibrary(folder / "own"), imported.remarks()


def _read_recordings(source: Path) -> list[Excerpt]:
    """Recordings in a folder that have their notes beside them."""
    if not source.is_dir() or not any(path.suffix.lower() in AUDIO_SUFFIXES for path in source.rglob("*")):
        return []
    pairs = [(audio, reference_of(audio)) for audio in find_audio([source])]
    return [_read_recording(audio, reference) for audio, reference in pairs if reference is not None]


def _read_recording(audio: Path, reference: Path) -> Excerpt:
    from mix2midi.training.drum_track import Hits
    from mix2midi.training.kits import RATE_HZ
    from mix2midi.training.performances import ROW_OF_PIECE
    from mix2midi.transcription.training.own_drums import Excerpt

    samples = read_audio(audio, RATE_HZ, mono=True)[0]
    if len(samples) < _MIN_RECORDING_S * RATE_HZ:
        raise OptionError(
            f"{audio}: recordings must last {_MIN_RECORDING_S:g} s at least; leave this one or {reference.name} out"
        )
    truth = read_reference(reference)
    if not (truth.knows_pieces and truth.knows_velocities):
        raise OptionError(f"{reference}: has no pieces and velocities; give a MIDI file of what was played")
    if is_own(reference) and reference.stem == audio.stem:
        raise OptionError(
            f"{reference}: made by mix2midi itself, which teaches it nothing; correct it and call it "
            f"{reference.stem}_reference.mid"
        )
    if strange := strange_notes(truth):
        raise OptionError(f"{reference}: {strange}")
    hits = [
        (note.onset_s, ROW_OF_PIECE[piece.key], note.velocity)
        for note in sorted(truth.notes)
        if (piece := piece_of_note(note.note)) is not None
    ]
    if not hits:
        raise OptionError(f"{reference}: holds no drum notes; give a MIDI file of what was played")
    table = np.array(hits, dtype=np.float64).reshape(-1, 3)
    return Excerpt(samples, Hits(table[:, 0], table[:, 1].astype(np.int64), table[:, 2]))


def _performances(data_folder: Path) -> list[Performance]:
    from mix2midi.training.performances import load_grooves
    from mix2midi.transcription.training.recipe import load_recipe

    archive = data_folder / load_recipe(_GENERAL_RECIPE).data.grooves
    return load_grooves(archive, "train") if archive.is_file() else []


def _general(recipe: Recipe, data_folder: Path, performances: list[Performance]) -> SliceSource | None:
    from mix2midi.training.kits import KitLibrary
    from mix2midi.transcription.training.own_drums import kit_slices
    from mix2midi.transcription.training.recipe import load_recipe

    data = load_recipe(_GENERAL_RECIPE).data
    folder = data_folder / data.kits
    if not (folder / "manifest.csv").is_file():
        return None
    library = KitLibrary(folder, left_out=(*data.left_out_kits, *data.unused_kits))
    return kit_slices(replace(recipe, seed=recipe.seed + 1), library, performances)
