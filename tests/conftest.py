"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real records of the paper's datasets: third-party data, so they live beside the repository, not in it."""
    folder = Path(os.environ.get("AGENTFLAN_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.tsv").exists():
        pytest.skip("the real records are not here (set AGENTFLAN_REAL_DATA to their folder)")
    return folder
