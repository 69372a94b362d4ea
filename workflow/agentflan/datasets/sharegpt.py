"""ShareGPT: ordinary conversation with a chat model, mixed 1:1 with the agent corpus (paper App. A).

A conversation may have been cut into chunks, and a chunk may begin with a reply: that reply is dropped, because nothing
asked for it. Turns of other speakers (bing, bard, chatgpt) are replies too; neighbouring turns of one speaker are
joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json
from agentflan.records import Trajectory, Turn

KIND = "general"
SOURCE = Source(
    licence="Apache-2.0 by its card; conversations scraped from ChatGPT",
    repo="anon8231489123/ShareGPT_Vicuna_unfiltered",
    revision="192ab2185289094fc556ec8ce5ce1e8e587154ca",
    files=(
        SourceFile(
            "ShareGPT_V3_unfiltered_cleaned_split.json",
            "35f0e213ce091ed9b9af2a1f0755e9d39f9ccec34ab281cd4ca60d70f6479ba4",
        ),
    ),
    rows=94_145,
)

_ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bing", "bard"), "assistant"),
    "system": "system",
}


def read(folder: Path) -> Iterator[Trajectory]:
    """One conversation a row."""
    paths = sorted([*folder.glob("*.json"), *folder.glob("*.json.gz")])
    paths = [path for path in paths if path.name != "receipt.json"]
    if not paths:
        raise FileError(folder, "no JSON file", SOURCE.files[0].name)
    for path in paths:
        for number, row in enumerate(read_json(path), 1):
            yield _conversation(row, path, number)


def reject(trajectory: Trajectory) -> str | None:
    """A conversation needs something that a user said and a reply to it."""
    roles = [turn.role for turn in trajectory.turns if turn.role != "system"]
    return None if roles[:2] == ["user", "assistant"] else "no exchange of a user and a reply"


def _conversation(row: Any, path: Path, number: int) -> Trajectory:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise RecordError(path, number, "id", repr(row)[:60], "an object with an id")
    turns = row.get("conversations")
    if not isinstance(turns, list):
        raise RecordError(path, f"{number} ({row['id']})", "conversations", type(turns).__name__, "a list of turns")
    made: list[Turn] = []
    for index, turn in enumerate(turns):
        role, text = _turn(turn, path, f"{number} ({row['id']})", index)
        if not made and role == "assistant":
            continue
        if made and made[-1].role == role:
            text = f"{made.pop().content}\n{text}"
        made.append(Turn(role, text, role == "assistant"))
    return Trajectory(row["id"], "sharegpt", tuple(made))


def _turn(turn: Any, path: Path, where: str, index: int) -> tuple[str, str]:
    place = f"conversations[{index}]"
    if not isinstance(turn, dict) or turn.get("from") not in _ROLES:
        raise RecordError(path, where, f"{place}.from", repr(turn)[:60], f"one of {', '.join(_ROLES)}")
    if not isinstance(turn.get("value"), str):
        raise RecordError(path, where, f"{place}.value", type(turn.get("value")).__name__, "a string")
    return _ROLES[turn["from"]], turn["value"]
