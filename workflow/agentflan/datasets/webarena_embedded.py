"""Tasks of our own in WebArena's schema, with the shop and the forum that they are about and a solution of each.

``tasks.json`` has the schema of WebArena's ``test.raw.json``; ``sites.json`` holds the products, orders and posts that
the sites begin with; ``solutions.json`` the steps that solve each task, by its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._source import Source, SourceFile
from agentflan.datasets._webarena import read_tasks
from agentflan.errors import RecordError
from agentflan.files import read_json

KIND = "tasks"
SOURCE = Source(
    licence="Apache-2.0",
    files=(SourceFile("tasks.json"), SourceFile("sites.json"), SourceFile("solutions.json")),
)
OPTIONAL_FILES = ("prompt.json",)

_STEP_FIELDS = {"click": {"on"}, "type": {"on", "text", "enter"}, "tab_focus": {"text"}, "stop": {"text"}}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks as in WebArena, with an id, `content` of the sites and the `solution`."""
    content, solutions = read_json(folder / "sites.json"), read_json(folder / "solutions.json")
    for task in read_tasks(folder / "tasks.json"):
        solution = solutions.get(task["id"], [])
        if not solution or any(_STEP_FIELDS.get(step.get("do")) != set(step) - {"do"} for step in solution):
            expected = "steps that click, type, tab_focus or stop, with their fields"
            raise RecordError(folder / "solutions.json", task["id"], "", repr(solution)[:80], expected)
        yield {**task, "content": content, "solution": solution}
