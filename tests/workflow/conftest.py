"""The small project with real results that the tests of provenance share."""

from __future__ import annotations

from pathlib import Path

import pytest
from provenance_tree import TARGETS, build, make_project


@pytest.fixture(scope="session")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has built the study tiny. It is not to be touched."""
    project = make_project(root, tmp_path_factory.mktemp("project"))
    build(project, *TARGETS)
    return project
