"""Drums out of a mix, with one interface for all separators.

Chosen by name (`choose_separator`, `load_separator`), each gives a stem as long as the song and aligned to the sample,
in constant memory however long the song is.
"""

from mix2midi.separation.choice import AUTO, NAMES, Choice, choose_separator, load_separator
from mix2midi.separation.models import BUILTIN, MODELS, Model, ModelStatus, fetch_model, list_models
from mix2midi.separation.separator import NoSeparator, Separator

__all__ = [
    "AUTO",
    "BUILTIN",
    "MODELS",
    "NAMES",
    "Choice",
    "Model",
    "ModelStatus",
    "NoSeparator",
    "Separator",
    "choose_separator",
    "fetch_model",
    "list_models",
    "load_separator",
]
