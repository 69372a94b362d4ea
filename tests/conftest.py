"""Fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest: they build a whole study."""
    items.sort(key=lambda item: item.path.name != "test_workflow.py")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Path:
    """A copy of the configuration that a test may change."""
    return Path(shutil.copytree(root / "config", tmp_path / "config"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real records of the paper's datasets: third-party data, so they live beside the repository, not in it."""
    folder = Path(os.environ.get("AGENTFLAN_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.tsv").exists():
        pytest.skip("the real records are not here (set AGENTFLAN_REAL_DATA to their folder)")
    return folder
