"""The code digest: comments change nothing, logic changes everything that reaches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflan import code_digest as module


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A throw-away package `agentflan` with a chain of two imports and a bystander."""
    folder = tmp_path / "agentflan"
    folder.mkdir()
    (folder / "first.py").write_text('"""Doc."""\nfrom agentflan.second import help_out\n')
    (folder / "second.py").write_text("def help_out():\n    return 1\n")
    (folder / "bystander.py").write_text("x = 1\n")
    monkeypatch.setattr(module, "PACKAGE", folder)
    return folder


def _digest(*names: str) -> str:
    for cached in (module._imports, module._meaning, module._Remembered.of):
        cached.cache_clear()
    return module.code_digest(*names)


def test_comment_and_docstring_edits_change_nothing(package: Path) -> None:
    before = _digest("first")
    (package / "first.py").write_text('"""Other words."""\n# why\nfrom agentflan.second import help_out\n')
    (package / "second.py").write_text('def help_out():\n    """Help."""\n    return 1  # one\n')
    assert _digest("first") == before


def test_logic_edit_of_an_import_changes_those_that_reach_it(package: Path) -> None:
    first, bystander = _digest("first"), _digest("bystander")
    (package / "second.py").write_text("def help_out():\n    return 2\n")
    assert _digest("first") != first
    assert _digest("bystander") == bystander


def test_a_digest_is_remembered_until_a_file_changes(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _digest("first")
    monkeypatch.setattr(module, "_digest", lambda modules: "found anew")
    assert _digest("first") == first
    (package / "bystander.py").write_text("x = 12\n")
    assert _digest("first") == "found anew"
    (package / "__pycache__" / "code_digests.json").write_text("{")
    assert _digest("first") == "found anew"
