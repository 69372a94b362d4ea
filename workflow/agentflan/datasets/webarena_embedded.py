"""Tasks of our own in WebArena's schema, with the shop and the forum that they are about and a solution of each.

``tasks.json`` has the schema of WebArena's ``test.raw.json``; ``sites.json`` holds the products, orders and posts that
the sites begin with; ``solutions.json`` the steps that solve each task, by its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import read_object
from agentflan.datasets._source import Source, SourceFile
from agentflan.datasets._webarena import read_tasks
from agentflan.errors import RecordError

KIND = "tasks"
SOURCE = Source(
    licence="Apache-2.0",
    files=(SourceFile("tasks.json"), SourceFile("sites.json"), SourceFile("solutions.json")),
)
OPTIONAL_FILES = ("prompt.json",)

_REVIEW = {"nickname": str, "rating": int, "text": str}
_PRODUCT = {"sku": str, "name": str, "category": str, "price": float, "reviews": [_REVIEW]}
_POST = {"id": int, "title": str, "body": str, "author": str}
_SITES = {"shopping": {"products": [_PRODUCT]}, "reddit": {"forums": {str: [_POST]}}}
_STEP_FIELDS = {"click": {"on"}, "type": {"on", "text", "enter"}, "tab_focus": {"text"}, "stop": {"text"}}
_STEP = {"do": set(_STEP_FIELDS), "on?": str, "text?": str, "enter?": bool}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks as in WebArena, with an id, `content` of the sites and the `solution`.

    Raises:
        FileError: a file is missing or damaged.
        RecordError: a task, the sites or a solution has another shape.
    """
    content = read_object(folder / "sites.json", _SITES)
    solutions = read_object(folder / "solutions.json", {str: [_STEP]})
    for task in read_tasks(folder / "tasks.json"):
        solution = solutions.get(task["id"], [])
        if not solution or any(_STEP_FIELDS[step["do"]] != set(step) - {"do"} for step in solution):
            expected = "steps that click, type, tab_focus or stop, with their fields"
            raise RecordError(folder / "solutions.json", task["id"], "", repr(solution)[:80], expected)
        yield {**task, "content": content, "solution": solution}
