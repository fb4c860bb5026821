"""Which pretrained separators there are, where their weights lie on this machine, and how to fetch them.

Weights are looked for in this order:

1. the folder that the user names (``--model-dir``),
2. this package's own cache, in the platform's place for caches,
3. the caches of demucs (Hugging Face) and openunmix (torch hub), which are read but not written to.

The first two have the same layout, ``NAME/FILE`` with a checksum beside it, so a folder that was filled with
``mix2midi models fetch NAME --model-dir DIR`` can be carried to a machine without network::

    DIR/htdemucs/955717e8.safetensors
    DIR/htdemucs/955717e8.safetensors.sha256
    DIR/umxhq/drums-9619578f.pth
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mix2midi.errors import ModelError, OptionError
from mix2midi.separation.download import (
    OnDownload,
    copy_weights,
    download_weights,
    is_offline,
    sha256_of,
    sidecar_of,
)

State = Literal["included", "missing", "cached", "verified", "damaged"]

#: The separator inside the package: a folder as open-unmix writes it.
BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class Model:
    """A pretrained separator.

    Attributes
    ----------
    name : str
        What it is chosen by.
    file_name : str
        The one file that drums need.
    source : str
        A URL, or ``hf://OWNER/REPOSITORY`` on the Hugging Face hub.
    size_mb : int
        Size of the file, in millions of bytes.
    sha256 : str
        The leading hex digits that are known; empty where the hub states them with the file.
    drums_sdr_db : float or None
        Published signal-to-distortion ratio of its drums on MUSDB18-HQ; None where nobody measured it there.
    licence : str
        Of the weights.
    """

    name: str
    file_name: str
    source: str
    size_mb: int
    sha256: str
    drums_sdr_db: float | None
    licence: str

    @property
    def url(self) -> str:
        """Where the file is fetched from; the variable HF_ENDPOINT names a mirror of the hub."""
        if not self.source.startswith("hf://"):
            return f"{self.source}/{self.file_name}"
        hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        return f"{hub}/{self._repository}/resolve/main/{self.file_name}"

    @property
    def shared_cache_path(self) -> Path | None:
        """The file in the cache of the package that publishes the model, if it was loaded with that before."""
        if self.source.startswith("hf://"):
            from huggingface_hub import try_to_load_from_cache

            found = try_to_load_from_cache(self._repository, self.file_name)
            return Path(found) if isinstance(found, str) else None
        cache = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
        torch_home = Path(os.environ.get("TORCH_HOME", Path(cache, "torch")))
        return torch_home / "hub" / "checkpoints" / self.file_name

    @property
    def _repository(self) -> str:
        return self.source.removeprefix("hf://")


_DEMUCS_LICENCE = "MIT code; trained on MUSDB18-HQ and 800 unpublished songs, for research"

#: By falling quality. Checksums of open-unmix are those in the published file names.
MODELS = {
    model.name: model
    for model in (
        Model(
            name="htdemucs_ft",
            file_name="f7e0c4bc.safetensors",
            source="hf://adefossez/HTDemucs-ft",
            size_mb=84,
            sha256="",
            drums_sdr_db=10.0,
            licence=_DEMUCS_LICENCE,
        ),
        Model(
            name="htdemucs",
            file_name="955717e8.safetensors",
            source="hf://adefossez/HTDemucs",
            size_mb=84,
            sha256="",
            drums_sdr_db=9.5,
            licence=_DEMUCS_LICENCE,
        ),
        Model(
            name="umxl",
            file_name="drums-69e0ebd4.pth",
            source="https://zenodo.org/records/5069601/files",
            size_mb=113,
            sha256="69e0ebd4",
            drums_sdr_db=7.2,
            licence="CC BY-NC-SA 4.0",
        ),
        Model(
            name="umxhq",
            file_name="drums-9619578f.pth",
            source="https://zenodo.org/records/3370489/files",
            size_mb=36,
            sha256="9619578f",
            drums_sdr_db=6.0,
            licence="MIT; trained on MUSDB18-HQ, which is for research",
        ),
    )
}


_BUILTIN_MODEL = Model(
    name=BUILTIN,
    file_name="drums.safetensors",
    source="",
    size_mb=4,
    sha256="",
    drums_sdr_db=None,
    licence="MIT, as this package; trained on freely licensed sounds only",
)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model and its weights on this machine.

    Attributes
    ----------
    model : Model
    state : str
        ``"included"``, a part of this package; ``"missing"``; ``"cached"``, there but without a known checksum;
        ``"verified"``, there and its checksum is right; ``"damaged"``, its checksum is wrong.
    path : Path or None
        Where the file is; None where it is missing.
    """

    model: Model
    state: State
    path: Path | None

    @property
    def is_usable(self) -> bool:
        """Whether the weights are there and not known to be damaged."""
        return self.state in ("included", "cached", "verified")


def list_models(model_dir: Path | None = None) -> list[ModelStatus]:
    """All models by falling quality, with what is on this machine; files that are there are read for their checksum."""
    return [find_model(name, model_dir) for name in (*MODELS, BUILTIN)]


def find_model(name: str, model_dir: Path | None = None) -> ModelStatus:
    """Look for a model's weights.

    Parameters
    ----------
    name : str
        One of `MODELS`, or `BUILTIN`.
    model_dir : Path, optional
        Folder of the user, looked into first.

    Returns
    -------
    ModelStatus
        Of the first usable file; of a damaged one only where no other is there.

    Raises
    ------
    OptionError
        If the name is not known.
    """
    if name == BUILTIN:
        return ModelStatus(_BUILTIN_MODEL, "included", BUILTIN_FOLDER / _BUILTIN_MODEL.file_name)
    model = _model_of(name)
    found = [status for path in _places(model, model_dir) if (status := _status_of(path, model)) is not None]
    usable = [status for status in found if status.is_usable]
    return next(iter(usable + found), ModelStatus(model, "missing", None))


def fetch_model(name: str, model_dir: Path | None = None, on_download: OnDownload | None = None) -> Path:
    """Put a model's weights on this machine.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    model_dir : Path, optional
        Folder to put them into, to be carried to another machine; by default the platform's cache. Weights that are on
        this machine already are copied into it, without network.
    on_download : callable, optional
        Called with the model's name, the bytes fetched so far, and the bytes in total.

    Returns
    -------
    Path
        The file, with its checksum beside it.

    Raises
    ------
    ModelError
        Within 5 seconds if there is no network; if what was fetched is damaged or cannot be saved.
    OptionError
        If the name is not known.
    """
    status = find_model(name, model_dir)
    if name == BUILTIN:
        return BUILTIN_FOLDER / status.model.file_name
    target = _path_in(model_dir or cache_dir(), status.model)
    if status.path is not None and status.is_usable:
        if model_dir is not None and status.path != target:
            copy_weights(status.path, target)
            return target
        return status.path
    if is_offline():
        raise ModelError(f"{name}: its weights are not here, and HF_HUB_OFFLINE forbids to fetch them; unset it")
    download_weights(status.model.url, target, status.model.sha256, name, on_download)
    return target


def cache_dir() -> Path:
    """The package's own cache of weights."""
    import platformdirs

    return platformdirs.user_cache_path("mix2midi", appauthor=False) / "models"


def _model_of(name: str) -> Model:
    if name not in MODELS:
        raise OptionError(f"model {name!r} is not known; choose one of {', '.join([*MODELS, BUILTIN])}")
    return MODELS[name]


def _places(model: Model, model_dir: Path | None) -> Iterator[Path]:
    if model_dir is not None:
        yield _path_in(model_dir, model)
    yield _path_in(cache_dir(), model)
    if model.shared_cache_path is not None:
        yield model.shared_cache_path


def _path_in(folder: Path, model: Model) -> Path:
    return folder / model.name / model.file_name


def _status_of(path: Path, model: Model) -> ModelStatus | None:
    """None where there is no such file, or a folder or file that belongs to somebody else."""
    try:
        return ModelStatus(model, _state_of(path, model), path) if path.is_file() else None
    except OSError:
        return None


def _state_of(path: Path, model: Model) -> State:
    expected = _expected_sha256(path, model)
    if not expected:
        return "cached"
    return "verified" if sha256_of(path).startswith(expected) else "damaged"


def _expected_sha256(path: Path, model: Model) -> str:
    """The checksum or its first digits: published, written when the file was fetched, or the name of the hub's blob."""
    if model.sha256:
        return model.sha256
    stated = [path.resolve().name]
    if sidecar_of(path).is_file():
        stated.insert(0, sidecar_of(path).read_text(encoding="utf-8", errors="replace").partition(" ")[0])
    return next((digest for digest in stated if re.fullmatch(r"[0-9a-f]{64}", digest)), "")
