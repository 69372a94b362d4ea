"""The made-up tree and its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from page_tree import Tree, make_tree

from agentflan import cli


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree has hundreds of small files, and no test here is about power cuts."""
    monkeypatch.setattr("agentflan.files.os.fsync", lambda number: None)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A made-up tree of results, in which the test works."""
    monkeypatch.chdir(tmp_path)
    return make_tree(tmp_path)


@pytest.fixture
def page() -> Callable[[], Path]:
    """Makes the page of the folder in which the test works."""

    def made() -> Path:
        assert cli.main(["make_page", "--captions", "captions"]) == 0
        return Path("results/index.html").absolute()

    return made
