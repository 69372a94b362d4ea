"""Held-in tool use: our own task file, because ToolBench's evaluation asks live servers.

``tasks.jsonl`` has one task a line::

    {"id": "task_3", "query": "…", "tools": [{"name", "description", "parameters": JSON schema}],
     "steps": [{"action": tool name, "arguments": {…}, "observation": the tool's reply}], "answer": "…"}

The steps are the gold run; the observations are replayed to whoever makes the same calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import RecordError
from agentflan.files import read_jsonl

KIND = "tasks"
SOURCE = Source(licence="Apache-2.0", files=(SourceFile("tasks.jsonl"),))
_FIELDS = {"id": str, "query": str, "tools": list, "steps": list, "answer": str}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """The tasks, each field checked."""
    path = folder / SOURCE.files[0].name
    for number, row in enumerate(read_jsonl(path), 1):
        for field, kind in _FIELDS.items():
            if not isinstance(row.get(field), kind):
                raise RecordError(path, number, field, type(row.get(field)).__name__, f"a {kind.__name__}")
        for index, step in enumerate(row["steps"]):
            for field, kind in (("action", str), ("arguments", dict), ("observation", str)):
                if not isinstance(step.get(field), kind):
                    found = type(step.get(field)).__name__
                    raise RecordError(path, number, f"steps[{index}].{field}", found, f"a {kind.__name__}")
        yield row
