"""Fixtures that every test file shares."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real songs and kits beside the repository; the test is skipped where it is not there."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder 'shared' with real songs is not beside the repository")
    return folder
