"""Sounds whose drum is known, as features, and a classifier that learns from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mix2midi.drums import PIECES_BY_KEY
from mix2midi.errors import AudioError
from mix2midi.files import atomic_write
from mix2midi.training.kit_import.library import trim_hit
from mix2midi.training.kit_import.source import read_recording
from mix2midi.training.kits import KitLibrary
from mix2midi.training.sample_features import Features, sample_features
from mix2midi.training.synthesis import synthesise_kit

#: Features of the library that the shipped transcriber was trained on (the model card lists its kits), for whoever has
#: no library; `python -m mix2midi.training.kit_check LIBRARY` makes it.
SHIPPED_SOUNDS = Path(__file__).parent / "known_sounds.npz"
_NEIGHBOURS = 5


@dataclass(frozen=True)
class LabelledSounds:
    """Features of sounds with what they are.

    Attributes
    ----------
    features : ndarray [shape=(sounds, features), float64]
    pieces : ndarray [shape=(sounds,), str]
        Keys of `mix2midi.drums.PIECES`.
    kits : ndarray [shape=(sounds,), str]
    """

    features: Features
    pieces: NDArray[np.str_]
    kits: NDArray[np.str_]

    @property
    def families(self) -> NDArray[np.str_]:
        """Family of each sound [shape=(sounds,)]."""
        return np.array([PIECES_BY_KEY[piece].family for piece in self.pieces])

    def where(self, wanted: NDArray[np.bool_]) -> LabelledSounds:
        """The sounds for which `wanted` [shape=(sounds,)] is true."""
        return LabelledSounds(self.features[wanted], self.pieces[wanted], self.kits[wanted])

    @property
    def can_teach(self) -> bool:
        """Whether there is more than one family, and of one more than a single sound."""
        return 1 < len(np.unique(self.families)) < len(self.families)

    @cached_property
    def family_model(self) -> Any:
        """Classifier of families, for features."""
        return _classifier().fit(self.features, self.families)

    def families_of(self, features: Features) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        """Most likely family of other sounds and its probability, each [shape=(sounds,)]."""
        probabilities = self.family_model.predict_proba(features)
        return self.family_model.classes_[probabilities.argmax(axis=1)], probabilities.max(axis=1)

    def pieces_of(self, features: Features, family: str) -> NDArray[np.str_]:
        """Most likely piece of other sounds of which the family is known [shape=(sounds,)]."""
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        own = self.where(self.families == family)
        nearest = KNeighborsClassifier(min(_NEIGHBOURS, len(own.pieces)), weights="distance")
        return np.asarray(make_pipeline(StandardScaler(), nearest).fit(own.features, own.pieces).predict(features))

    def strangeness(self, features: Features, family: str) -> NDArray[np.float64]:
        """Distance of other sounds to the nearest of a family [shape=(sounds,)].

        1 is as far as one in a hundred sounds of the family is from the rest.
        """
        from scipy.spatial.distance import cdist

        own = self.features[self.families == family]
        spread = np.maximum(self.features.std(axis=0), 1e-9)
        among = cdist(own / spread, own / spread)
        np.fill_diagonal(among, np.inf)
        usual = float(np.percentile(among.min(axis=1), 99)) if len(own) > 1 else 1.0
        return np.asarray(cdist(features / spread, own / spread).min(axis=1) / usual)


def _classifier() -> Any:
    """Shrunk linear discriminants, which know how sure they are.

    On kits that were left out whole they were better than nearest neighbours (.88 of the families right against .87),
    and little worse than a support vector machine (.90), which gives no probabilities.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))


def sounds_of_library(folder: Path) -> LabelledSounds:
    """All sounds of a kit library that can be read.

    Raises
    ------
    OptionError
        The folder is no kit library.
    """
    sounds = []
    for instrument in KitLibrary(folder).instruments:
        for path in instrument.files:
            features = features_of_file(path)
            if features is not None:
                sounds.append((features, instrument.piece, instrument.kit))
    return _labelled(sounds)


def shipped_sounds() -> LabelledSounds:
    """Sounds that come with the package, as features only."""
    with np.load(SHIPPED_SOUNDS) as arrays:
        return LabelledSounds(arrays["features"].astype(np.float64), arrays["pieces"], arrays["kits"])


def save_sounds(sounds: LabelledSounds, path: Path) -> None:
    """Write features and labels in the way that `shipped_sounds` reads.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with atomic_write(path) as temporary:
        # Half precision is finer than a hundredth of a decibel where it matters.
        np.savez_compressed(
            temporary, features=sounds.features.astype(np.float16), pieces=sounds.pieces, kits=sounds.kits
        )


def sounds_of_machines(seed: int = 0, machines: int = 30) -> LabelledSounds:
    """Sounds of random drum machines: labelled sounds without any file, but no teacher for acoustic drums."""
    rng = np.random.default_rng(seed)
    return _labelled(
        (sample_features(layer.audio), piece, f"machine {number}")
        for number in range(machines)
        for piece, instrument in synthesise_kit(rng).items()
        for layer in instrument.layers
    )


def _labelled(sounds: Iterable[tuple[Features, str, str]]) -> LabelledSounds:
    listed = list(sounds)
    return LabelledSounds(
        np.array([features for features, _, _ in listed]),
        np.array([piece for _, piece, _ in listed]),
        np.array([kit for _, _, kit in listed]),
    )


def features_of_file(path: Path) -> Features | None:
    """Features of a one-shot; None where it cannot be read or is silent."""
    try:
        audio = trim_hit(read_recording(path, str(path)))
    except AudioError:
        return None
    return sample_features(audio) if len(audio) else None


def leave_kit_out(
    sounds: LabelledSounds,
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Judge each kit by all others.

    Parameters
    ----------
    sounds : LabelledSounds
        Of at least two kits.

    Returns
    -------
    families : ndarray [shape=(sounds,), str]
        Most likely family.
    stated : ndarray [shape=(sounds,), float64]
        Probability of the family that the label states, 0 to 1.
    """
    families, stated = np.empty(len(sounds.pieces), dtype=sounds.families.dtype), np.zeros(len(sounds.pieces))
    for kit in np.unique(sounds.kits):
        held = sounds.kits == kit
        others = sounds.where(~held)
        if not others.can_teach:  # nothing to tell it from: it is believed
            families[held], stated[held] = sounds.families[held], 1.0
            continue
        model = others.family_model
        probabilities = model.predict_proba(sounds.features[held])
        families[held] = model.classes_[probabilities.argmax(axis=1)]
        column = {family: index for index, family in enumerate(model.classes_)}
        stated[held] = [
            row[column[family]] if family in column else 0.0
            for row, family in zip(probabilities, sounds.families[held], strict=True)
        ]
    return families, stated
