"""Unlabelled one-shots sorted: into families by what is known of other sounds, within a family by k-means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import find_audio
from mix2midi.drums import piece_of_note
from mix2midi.errors import AudioError, OptionError
from mix2midi.training.kit_check.labelled import LabelledSounds, features_of_file
from mix2midi.training.kit_import.library import tom_notes
from mix2midi.training.sample_features import PITCH_FEATURE, Features

_MOST_CLUSTERS = {"toms": 3, "hats": 3}  # high, mid, low; closed, half, open
_USUAL_MOST = 4
#: Clusters must be this clearly apart (silhouette, -1 to 1) to be more than one.
_MIN_SILHOUETTE = 0.15
_DOUBTFUL = 0.6  # probability of the family
_COMPARABLE = 4  # sounds of a family
_STRANGE = 1.5
_FAR = 4.0  # from the centre of the cluster, in robust standard deviations


@dataclass(frozen=True)
class SortedSample:
    """One file and where it belongs.

    Attributes
    ----------
    path : Path
    family : str
        One of `mix2midi.drums.FAMILIES`, or ``"percussion"``.
    probability : float
        Of the family, 0 to 1.
    cluster : int
        Number within the family, from 0; toms are numbered from the highest.
    piece : str
        What the cluster sounds most like, a key of `mix2midi.drums.PIECES`.
    is_outlier : bool
        Far from the rest of its cluster, or of doubtful family: listen to it.
    position : tuple of float
        Place in the picture.
    """

    path: Path
    family: str
    probability: float
    cluster: int
    piece: str
    is_outlier: bool
    position: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Sorting:
    """All files of a folder, and those that cannot be used."""

    samples: Sequence[SortedSample]
    unusable: Sequence[Path] = ()


#: To learn from: fewer lie on no plane.
_FEWEST_FAMILIES = 3


def sort_one_shots(folder: Path, known: LabelledSounds) -> Sorting:
    """Sort the one-shots of a folder and its subfolders.

    Parameters
    ----------
    folder : Path
    known : LabelledSounds
        What the families and pieces are learnt from.

    Raises
    ------
    AudioError
        The folder holds no audio.
    OptionError
        None of its files is a sound, or there is too little to learn from.
    """
    if len(set(known.families.tolist())) < _FEWEST_FAMILIES or not known.can_teach:
        raise OptionError(
            f"fewer than {_FEWEST_FAMILIES} families, or a single sound of each, are too little to learn from; name "
            "another library"
        )
    if not folder.is_dir():
        raise AudioError(f"{folder}: there is no such folder; check the name")
    read = [(path, features_of_file(path)) for path in find_audio([folder])]
    usable = [(path, features) for path, features in read if features is not None]
    if not usable:
        raise OptionError(f"{folder}: none of its files can be read as a sound; give a folder of one-shots")
    paths, features = [path for path, _ in usable], np.array([features for _, features in usable])
    families, probabilities = known.families_of(features)
    positions = _plane(known, features)
    samples: list[SortedSample] = []
    for family in sorted(set(families)):
        members = np.flatnonzero(families == family)
        clusters = _cluster(features[members], _MOST_CLUSTERS.get(str(family), _USUAL_MOST))
        if family == "toms":
            clusters = _by_pitch(clusters, features[members, PITCH_FEATURE])
        pieces = _pieces(known, str(family), clusters, features[members])
        if len(members) >= _COMPARABLE:
            far = _outliers(features[members], clusters)
        else:  # too few to say what is usual here
            far = known.strangeness(features[members], str(family)) > _STRANGE
        for place, member in enumerate(members):
            probability, cluster = float(probabilities[member]), int(clusters[place])
            doubtful = bool(far[place]) or probability < _DOUBTFUL
            sample = SortedSample(paths[member], str(family), probability, cluster, pieces[cluster], doubtful)
            samples.append(replace(sample, position=(float(positions[member, 0]), float(positions[member, 1]))))
    return Sorting(samples, [path for path, features in read if features is None])


def _scaled(features: Features) -> Features:
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0))


def _cluster(features: Features, most: int) -> NDArray[np.int64]:
    """Cluster of each sound; as many as are most clearly apart, one where none are."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best, chosen = _MIN_SILHOUETTE, np.zeros(len(features), dtype=np.int64)
    scaled = _scaled(features)
    distinct = len(np.unique(scaled.round(6), axis=0))
    for count in range(2, min(most, distinct - 1) + 1):
        clusters = KMeans(count, n_init=10, random_state=0).fit_predict(scaled)
        clearness = silhouette_score(scaled, clusters)
        if clearness > best:
            best, chosen = float(clearness), clusters.astype(np.int64)
    return chosen


def _by_pitch(clusters: NDArray[np.int64], pitch: NDArray[np.float64]) -> NDArray[np.int64]:
    """Clusters renumbered from the highest to the lowest median pitch."""
    numbers = sorted(set(clusters.tolist()), key=lambda number: -np.median(pitch[clusters == number]))
    return np.array([numbers.index(number) for number in clusters.tolist()], dtype=np.int64)


def _pieces(known: LabelledSounds, family: str, clusters: NDArray[np.int64], features: Features) -> dict[int, str]:
    """Piece of each cluster: toms by their order, others by the votes of what they resemble."""
    count = int(clusters.max()) + 1
    if family == "toms":
        found = [piece_of_note(note) for note in tom_notes(count)]
        return {number: piece.key for number, piece in enumerate(found) if piece is not None}
    votes = known.pieces_of(features, family)
    return {number: Counter(votes[clusters == number].tolist()).most_common(1)[0][0] for number in range(count)}


def _outliers(features: Features, clusters: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Sounds much farther from the middle of their cluster than its other sounds are."""
    far = np.zeros(len(features), dtype=bool)
    scaled = _scaled(features)
    for number in set(clusters.tolist()):
        own = clusters == number
        distance = np.linalg.norm(scaled[own] - np.median(scaled[own], axis=0), axis=1)
        spread = 1.4826 * np.median(np.abs(distance - np.median(distance)))
        far[own] = distance > np.median(distance) + _FAR * max(float(spread), 1e-9)
    return far


def _plane(known: LabelledSounds, features: Features) -> NDArray[np.float64]:
    """Places of sounds in the plane in which the known families lie farthest apart [shape=(sounds, 2)]."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    plane = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=2)
    return np.asarray(make_pipeline(StandardScaler(), plane).fit(known.features, known.families).transform(features))
