"""ALFWorld's 50 games in six categories (AgentBench's list). The games themselves are ALFWorld's own download.

``standard.json`` lists the paths of the games by category. ``households.jsonl`` beside it holds games that need no
download, one a line: ``{"game": path, …}``; see `agentflan.benchmarks._household`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import read_object, records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import RecordError

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
_HOUSEHOLD = {
    "game": str,
    "task": str,
    "places": [{"name": str, "closed?": bool, "things": [str]}],
    "goal": {"thing": str, "place": str, "count": int, "state": {"", "clean", "hot", "cool", "lit"}},
    "solution": [str],
}
_NAME = re.compile(r"\S+ \d+")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, category, game (its path), and household (None where the game is ALFWorld's).

    Raises:
        FileError: there is no list of games, or a file is damaged.
        RecordError: the list has another shape, or a household has, or two households are of one game, or a name is
            not a kind and a number.
    """
    path = folder / SOURCE.files[0].name
    listed = read_object(path, {f"{category}?": [str] for category in CATEGORIES})
    for category in set(listed) - set(CATEGORIES):
        raise RecordError(path, 1, category, "another category", f"games by category: {', '.join(CATEGORIES)}")
    beside = folder / "households.jsonl"
    rows = records([beside] if beside.exists() else [], _HOUSEHOLD, ("game",))
    households = {row["game"]: _named(row, path, number) for path, number, row in rows}
    for category in listed:
        for game in listed[category]:
            identity = game.removesuffix("/game.tw-pddl").partition("valid_unseen/")[2] or game
            yield {"id": identity, "category": category, "game": game, "household": households.get(game)}


def _named(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    """A household whose commands can be read."""
    for index, place in enumerate(row["places"]):
        for name in (place["name"], *place["things"]):
            if not _NAME.fullmatch(name):
                label, field = f"{number} ({row['game']})", f"places[{index}]"
                raise RecordError(path, label, field, repr(name), "names such as desk 1")
    return row
