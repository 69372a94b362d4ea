"""ALFWorld's 50 games in six categories (AgentBench's list). The games themselves are ALFWorld's own download.

``standard.json`` lists the paths of the games by category. ``households.jsonl`` beside it holds games that need no
download, one a line: ``{"game": path, …}``; see `agentflan.benchmarks._household`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import RecordError
from agentflan.files import read_json, read_jsonl

KIND = "tasks"
SOURCE = Source(
    licence="Apache-2.0",
    url="https://raw.githubusercontent.com/THUDM/AgentBench/578c5e9f706fc2dd96188ca6c8cf9095ca0c6528/data/alfworld",
    files=(
        SourceFile("standard.json", "4c576333113019a65fef8e0648031a54dd5f75165686e7f3d4e3cfe98e0781df"),
        _harness.ALFWORLD,
        _harness.ALFWORLD_SHOWN,
    ),
    rows=50,
)
OPTIONAL_FILES = ("households.jsonl", "prompt.json")
CATEGORIES = (
    "pick_and_place",
    "pick_clean_then_place",
    "pick_heat_then_place",
    "pick_cool_then_place",
    "look_at_obj",
    "pick_two_obj",
)
_FIELDS = {"task": str, "places": list, "goal": dict, "solution": list}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, category, game (its path), and household (None where the game is ALFWorld's)."""
    path = folder / SOURCE.files[0].name
    listed = read_json(path)
    if not isinstance(listed, dict) or not set(listed) <= set(CATEGORIES):
        raise RecordError(path, 1, "", f"{type(listed).__name__}", f"games by category: {', '.join(CATEGORIES)}")
    households = _households(folder / "households.jsonl")
    for category in listed:
        for game in listed[category]:
            identity = game.removesuffix("/game.tw-pddl").partition("valid_unseen/")[2] or game
            yield {"id": identity, "category": category, "game": game, "household": households.get(game)}


def _households(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(read_jsonl(path) if path.exists() else (), 1):
        for field, kind in _FIELDS.items():
            if not isinstance(row.get(field), kind):
                raise RecordError(path, number, field, type(row.get(field)).__name__, f"a {kind.__name__}")
        found[row["game"]] = row
    return found
