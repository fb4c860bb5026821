"""From a name to a separator, and the choice where none is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mix2midi.device import resolve_device
from mix2midi.errors import ModelError, OptionError
from mix2midi.separation.download import OnDownload
from mix2midi.separation.hybrid_demucs import load_hybrid_demucs
from mix2midi.separation.models import BUILTIN, BUILTIN_FOLDER, MODELS, ModelStatus, fetch_model, find_model
from mix2midi.separation.open_unmix import load_open_unmix_folder, load_published_open_unmix
from mix2midi.separation.separator import NoSeparator, Separator

AUTO = "auto"

#: -16 dB of full scale: in quieter songs the built-in separator leaves more of the band and loses more of the drums.
_BUILTIN_DEVIATION = 0.16
#: Every name that `choose_separator` takes, beside a path to a folder.
NAMES = (AUTO, *MODELS, BUILTIN, NoSeparator.name)

#: The one that `AUTO` fetches: what most machines that separate music have in their cache already.
PREFERRED = "htdemucs"


@dataclass(frozen=True)
class Choice:
    """A separator, its name, and in one line why it was chosen."""

    separator: Separator
    name: str
    reason: str


def choose_separator(
    name: str = AUTO,
    *,
    device: str = "cpu",
    model_dir: Path | None = None,
    on_download: OnDownload | None = None,
) -> Choice:
    """Load the separator of a name, or the best one that can be had.

    Parameters
    ----------
    name : str
        One of `NAMES`, or a folder with an open-unmix. ``"auto"`` takes htdemucs if its weights are on this machine or
        can be fetched, else the best whose weights are on this machine, else none.
    device : str
        As `mix2midi.device.resolve_device` takes it.
    model_dir : Path, optional
        Folder with weights that is looked into first, see `mix2midi.separation.models`.
    on_download : callable, optional
        Called with the model's name, the bytes fetched so far, and the bytes in total.

    Returns
    -------
    Choice

    Raises
    ------
    ModelError
        If weights are damaged, or missing and not to be fetched; ``"auto"`` does without what is missing.
    DeviceError
        If the device is not there or has too little memory.
    OptionError
        If the name is not known.
    """
    if name != AUTO:
        separator = load_separator(name, device=device, model_dir=model_dir, on_download=on_download)
        return Choice(separator, separator.name, f"{separator.name}: as asked for")
    chosen, reason = _choose(model_dir, on_download)
    separator = load_separator(chosen, device=device, model_dir=model_dir)
    return Choice(separator, chosen, f"{chosen}: {reason}")


def load_separator(
    name: str,
    *,
    device: str = "cpu",
    model_dir: Path | None = None,
    on_download: OnDownload | None = None,
) -> Separator:
    """Load the separator of a name, and fetch its weights first where they are missing.

    Parameters and errors are those of `choose_separator`, except that ``"auto"`` is not the name of one separator.
    """
    if name == NoSeparator.name:
        return NoSeparator()
    resolved = resolve_device(device)
    if name == BUILTIN:
        return load_open_unmix_folder(BUILTIN_FOLDER, resolved, name=BUILTIN, deviation=_BUILTIN_DEVIATION)
    if name in MODELS:
        path = _weights_of(find_model(name, model_dir), model_dir, on_download)
        is_demucs = path.suffix == ".safetensors"
        return (load_hybrid_demucs if is_demucs else load_published_open_unmix)(name, path, resolved)
    if Path(name).is_dir():
        return load_open_unmix_folder(Path(name), resolved, name=_name_of(Path(name)))
    raise OptionError(f"separator {name!r} is not known; choose one of {', '.join(NAMES)} or a folder of open-unmix")


def _name_of(folder: Path) -> str:
    """A folder's own name, but the whole path of one that is called like a separator."""
    whole = folder.resolve()
    return str(whole) if whole.name in ("", *NAMES) else whole.name


def _weights_of(status: ModelStatus, model_dir: Path | None, on_download: OnDownload | None) -> Path:
    if status.path is not None and status.is_usable:
        return status.path
    return fetch_model(status.model.name, model_dir, on_download)


def _choose(model_dir: Path | None, on_download: OnDownload | None) -> tuple[str, str]:
    """The name for `AUTO`, and why."""
    preferred = find_model(PREFERRED, model_dir)
    if preferred.is_usable:
        return PREFERRED, "its weights are on this machine"
    try:
        fetch_model(PREFERRED, model_dir, on_download)
        return PREFERRED, "its weights were fetched"
    except ModelError as error:
        if preferred.state == "damaged":
            raise ModelError(
                f"{preferred.path}: is damaged and cannot be fetched again; delete it or choose another separator"
            ) from error
    why = f"{PREFERRED} is not on this machine and cannot be fetched"
    for name in MODELS:
        if find_model(name, model_dir).is_usable:
            return name, f"{why}; this one is here"
    return NoSeparator.name, f"{why}; drums are taken from the whole mix, with more mistakes"
