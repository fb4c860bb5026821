"""The package as one imports it."""

from __future__ import annotations

import pytest

import mix2midi
from mix2midi.errors import Mix2MidiError
from mix2midi.notes import DrumNote, Transcription


def test_package_offers_its_names_lazily() -> None:
    assert mix2midi.DrumNote is DrumNote
    assert mix2midi.Transcription is Transcription
    assert mix2midi.errors.Mix2MidiError is Mix2MidiError
    assert set(mix2midi.__all__) <= set(dir(mix2midi))
    with pytest.raises(AttributeError, match="nosuch"):
        mix2midi.nosuch  # noqa: B018
