"""Choose the thresholds of the transcriber on whole songs, and write them into its weights.

How sure of a hit it may be, and how hard hits were, are calibrated on the same songs. These come in sets (real songs,
renders of kits that training never heard); thresholds must serve all sets, so the mean of their scores decides, not
the largest set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioFile, AudioSource
from mix2midi.drums import FAMILIES
from mix2midi.errors import OptionError
from mix2midi.pipeline.references import Song, find_songs, read_reference
from mix2midi.scores import Counts, Reference, Scores, pool_scores, score_notes
from mix2midi.separation import NoSeparator
from mix2midi.transcription import HeatMap, Picking, pick_notes
from mix2midi.transcription.peaks import VIEWS
from mix2midi.units import MAX_VELOCITY
from mix2midi.weight_files import check_weights_target

#: Thresholds that are tried.
CANDIDATES = tuple(float(value) for value in np.round(np.arange(0.10, 0.98, 0.03), 2))
#: Factors on velocities that are tried.
VELOCITY_SCALES = tuple(float(value) for value in np.round(np.arange(0.7, 1.31, 0.01), 2))
_ROUNDS = 10
_FEWEST_HITS = 50  # fewer say nothing about how sure to be
_CERTAINTY_POINTS = 9
_CERTAINTY_REACH = 0.03


@dataclass(frozen=True)
class TuningSet:
    """Songs that belong together, as heat maps with their references."""

    heat_maps: Sequence[HeatMap]
    references: Sequence[Reference]


def tune(
    weights: Path,
    folders: Sequence[Path],
    output: Path,
    inputs: Sequence[str],
    families: Sequence[str] = FAMILIES,
    views: Sequence[str] = VIEWS,
    device: str = "cpu",
    separator: str = NoSeparator.name,
) -> dict[str, Picking]:
    """Choose thresholds for weights on songs with references, and write a copy of the weights with them.

    Parameters
    ----------
    weights : Path
    folders : sequence of Path
        Each is a set of songs for each name in `inputs` that it has audio of, or one set where it has none.
    output : Path
        Gets the weights with the new thresholds.
    inputs : sequence of str
        File names of the audio, see `mix2midi.pipeline.references.find_songs`; may be empty.
    families : sequence of str
        Whose thresholds are chosen; the others keep those of the weights. Velocities are calibrated over all.
    views : sequence of str
        What the audio of the songs is: ``"clean"``, ``"separated"`` or ``"mix"``. The thresholds of the others stay.
    device : str
        A device that torch knows.
    separator : str
        Songs are heard as `mix2midi.pipeline.converter.Converter.heat_map` hears them through it; by default as they
        are.

    Returns
    -------
    dict of str to Picking
        For each of `views`.

    Raises
    ------
    AudioError, ModelError, OptionError
        Songs, weights, the separator or references cannot be used.
    OutputError
        The output cannot be written there.
    """
    from mix2midi.pipeline.converter import Converter
    from mix2midi.transcription.weights import load_weights, save_weights

    _check_known("view", views, VIEWS)
    _check_known("family", families, FAMILIES)
    check_weights_target(output)
    songs_to_tune_on(folders, inputs)
    loaded = load_weights(weights)
    converter = Converter(separator=separator, device=device, weights=weights)
    sets = [tuning_set(converter.heat_map, folder, name) for folder in folders for name in _inputs_of(folder, inputs)]
    pickings = {}
    for view in views:
        picking = choose_thresholds(sets, converter.transcriber.pickings[view], families)
        pickings[view] = calibrate_velocity(sets, calibrate_confidence(sets, picking, families))
    chosen = {view: picking.to_dict() for view, picking in pickings.items()}
    save_weights(replace(loaded, pickings={**loaded.pickings, **chosen}), output)
    return pickings


def _check_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise OptionError(f"{what} {unknown[0]!r} is not known; choose from {', '.join(known)}")


def songs_to_tune_on(folders: Sequence[Path], inputs: Sequence[str]) -> list[Song]:
    """All songs of all sets, see `tune`.

    Raises
    ------
    AudioError, OptionError
        There are none; or none of the folders holds one of the named inputs.
    """
    missing = sorted({*inputs} - {file.name for folder in folders for file in folder.rglob("*")})
    if missing:
        raise OptionError(
            f"{', '.join(map(str, folders))}: hold no {missing[0]}; name the audio of a song with --input"
        )
    return [song for folder in folders for name in _inputs_of(folder, inputs) for song in find_songs([folder], name)]


def _inputs_of(folder: Path, inputs: Sequence[str]) -> list[str] | list[None]:
    """The named files that a folder holds; None, for audio with a MIDI file of its name, where it holds none."""
    held = {file.name for file in folder.rglob("*")} if inputs else set()
    return [name for name in inputs if name in held] or [None]


def tuning_set(paint: Callable[[AudioSource], HeatMap], folder: Path, input_name: str | None) -> TuningSet:
    """Heat maps and references of a folder of songs, see `mix2midi.pipeline.references.find_songs`.

    Parameters
    ----------
    paint : callable
        Makes the heat map of a song, such as `Transcriber.heat_map_of`.
    folder : Path
    input_name : str, optional

    Raises
    ------
    AudioError, OptionError
        Songs or references cannot be used.
    """
    songs = find_songs([folder], input_name)
    heat_maps = [paint(AudioFile(song.audio)) for song in songs]
    return TuningSet(heat_maps, [read_reference(song.reference) for song in songs])


def choose_thresholds(
    sets: Sequence[TuningSet],
    picking: Picking | None = None,
    families: Sequence[str] = FAMILIES,
    furthest: float = 1.0,
) -> Picking:
    """Thresholds with the best mean over the sets of the F pooled over these families (50 ms).

    Counts of a family depend on its own threshold alone, but the pooled F on all: families are chosen in turn until
    none changes. A family that no song has keeps its threshold, and of thresholds that do equally well the one nearest
    to what it was is taken.

    Parameters
    ----------
    sets : sequence of TuningSet
        At least one.
    picking : Picking, optional
        Everything but the families' thresholds is kept from here.
    families : sequence of str
        Whose thresholds are chosen. Rare drums are better chosen on songs that have enough of them.
    furthest : float
        Thresholds move by no more than this.

    Raises
    ------
    OptionError
        A family is not one of `mix2midi.drums.FAMILIES`.
    """
    _check_known("family", families, FAMILIES)
    picking = picking or Picking()
    old = picking.thresholds
    near = {
        family: sorted({old[family], *(value for value in CANDIDATES if abs(value - old[family]) <= furthest)})
        for family in families
    }
    tried_at_all = sorted({value for values in near.values() for value in values})
    counts = {value: [_family_counts(entry, picking, value) for entry in sets] for value in tried_at_all}
    played = [family for family in families if any(part[family].reference for part in counts[tried_at_all[0]])]
    chosen = {family: near[family][len(near[family]) // 2] for family in played}
    for _ in range(_ROUNDS):
        before = dict(chosen)
        for family in played:
            nearest_first = sorted(near[family], key=lambda value: abs(value - old[family]))
            tried = [_mean_f(counts, {**chosen, family: candidate}) for candidate in nearest_first]
            chosen[family] = nearest_first[int(np.argmax(tried))]
        if chosen == before:
            break
    return replace(picking, thresholds={**picking.thresholds, **chosen})


def calibrate_confidence(sets: Sequence[TuningSet], picking: Picking, families: Sequence[str] = FAMILIES) -> Picking:
    """Turn activations into shares of hits that are right: an isotonic regression per family, each set counting alike.

    Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002.

    Parameters
    ----------
    sets : sequence of TuningSet
    picking : Picking
        With the thresholds that will be used: hits below them never become notes.
    families : sequence of str
        Whose confidence is calibrated; the others, and those with too few hits to tell, keep what they have.
    """
    scores = [scores_of(entry, replace(picking, certainty={})) for entry in sets]
    new = {family: _certainty([part.families[family].confidences for part in scores]) for family in families}
    return replace(picking, certainty={**picking.certainty, **{key: points for key, points in new.items() if points}})


def calibrate_velocity(sets: Sequence[TuningSet], picking: Picking) -> Picking:
    """The factor on velocities with the lowest mean over the sets of the mean absolute error.

    Sets whose references have no velocities do not count; where none has, the factor stays.
    """
    pairs = [scores_of(entry, replace(picking, velocity_scale=1.0)).overall.velocities for entry in sets]
    known = [part for part in pairs if part.size]
    if not known:
        return picking
    errors = [
        np.mean([np.mean(np.abs(np.clip(heard * scale, 1, MAX_VELOCITY) - true)) for true, heard in known])
        for scale in VELOCITY_SCALES
    ]
    return replace(picking, velocity_scale=VELOCITY_SCALES[int(np.argmin(errors))])


def scores_of(entry: TuningSet, picking: Picking) -> Scores:
    """All songs of a set, pooled."""
    return pool_scores(
        score_notes(reference, pick_notes(heat_map, picking))
        for heat_map, reference in zip(entry.heat_maps, entry.references, strict=True)
    )


def _certainty(parts: Sequence[NDArray[np.float64]]) -> list[tuple[float, float]]:
    """Points of the line from activation to share of right hits; none where there are too few hits to tell."""
    from scipy.optimize import isotonic_regression

    activation, right = np.concatenate(parts, axis=1)
    if activation.size < _FEWEST_HITS:
        return []
    weights = np.concatenate([np.full(part.shape[1], 1.0 / max(part.shape[1], 1)) for part in parts])
    order = np.argsort(activation, kind="stable")
    share = isotonic_regression(right[order], weights=weights[order] / weights.max()).x
    places = np.quantile(activation, np.linspace(0.0, 1.0, _CERTAINTY_POINTS))
    # Never quite sure, whatever the few songs say.
    smooth = [_share_around(place, activation[order], share) for place in places]
    return [(round(float(place), 4), round(min(value, 0.995), 4)) for place, value in zip(places, smooth, strict=True)]


def _share_around(place: float, activation: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """Mean share of right hits around an activation: the fit has steps where single hits were right or wrong."""
    near = np.abs(activation - place) <= _CERTAINTY_REACH
    return float(share[near].mean() if near.any() else np.interp(place, activation, share))


def _family_counts(entry: TuningSet, picking: Picking, threshold: float) -> dict[str, Counts]:
    """Hits, misses and extra hits of each family in a set, with one threshold for all families."""
    tried = replace(picking, thresholds={**picking.thresholds, **dict.fromkeys(FAMILIES, threshold)})
    scores = scores_of(entry, tried)
    return {family: part.counts[scores.windows_s[0]] for family, part in scores.families.items()}


def _mean_f(counts: Mapping[float, Sequence[Mapping[str, Counts]]], thresholds: Mapping[str, float]) -> float:
    """Over the sets; one that has none of these drums, and for which none are heard, is without fault."""
    sets = range(len(next(iter(counts.values()))))
    pooled = [sum((counts[thresholds[family]][index][family] for family in thresholds), Counts()) for index in sets]
    return float(np.mean([part.f_measure if part.reference or part.estimate else 1.0 for part in pooled]))
