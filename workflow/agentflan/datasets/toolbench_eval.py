"""Held-in tool use: what ToolBench held back of its training data, as tasks with replies that are replayed.

ToolBench's own evaluation asks live servers and a judge. Its ``toolllama_G123_dfs_eval.json`` has the schema of its
training file (`agentflan.datasets.toolbench` reads both, and answer trees), so each solution in it is a task: the
query, the tools, and a gold run with the reply that each call got. Kept are solutions that training would keep (a final
answer at the first try, in the format) with a call that worked, one a query. A call worked if there is such a tool and
its reply names no error.

The embedded world writes ``tasks.jsonl`` instead, one task a line::

    {"id": "task_3", "query": "…", "tools": [{"name", "description", "parameters": JSON schema}],
     "steps": [{"action": tool name, "arguments": {…}, "observation": the tool's reply}], "answer": "…"}

The steps are the gold run; ``"failed": true`` marks one whose call did not work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import toolbench
from agentflan.datasets._records import check, records
from agentflan.datasets._source import Source, SourceFile
from agentflan.datasets._tools import TOOL
from agentflan.records import Trajectory, Turn

KIND = "tasks"
SOURCE = Source(
    licence=toolbench.SOURCE.licence,
    url=toolbench.SOURCE.url,  # the same archive, to be unpacked by hand
    files=(
        SourceFile(
            "data/toolllama_G123_dfs_eval.json",
            "036fee26f3d027e8f7cdd920a45a7ef1744a295dc0d7fe12c6ba737fc15ef5d4",
            7_929_318,
            optional=True,  # where there are tasks of our own
        ),
    ),
    rows=762,
)
OWN_TASKS = "tasks.jsonl"
OPTIONAL_FILES = (OWN_TASKS,)
_STEP = {"action": str, "arguments": dict, "observation": str, "failed?": bool}
_TASK = {"id": str, "query": str, "tools": [TOOL], "steps": [_STEP], "answer": str}
_FINISH = "Finish"
_NO_ERROR = '{"error": ""'  # how a reply begins; many are cut off, so they are no JSON


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """The tasks of our own file, else of ToolBench's records.

    Raises:
        FileError: the folder holds neither.
        RecordError: a field is missing or of another shape, or an id stands twice.
    """
    path = folder / OWN_TASKS
    if not path.exists():
        yield from _upstream(folder)
        return
    for _, _, row in records([path], _TASK, ("id",)):
        yield row


def _upstream(folder: Path) -> Iterator[dict[str, Any]]:
    queries: set[str] = set()
    for number, trajectory in enumerate(toolbench.read(folder), 1):
        if toolbench.reject(trajectory) is None:
            task = _task(trajectory, number)
            check(task, _TASK, folder, number, ("id",))
            if task["query"] not in queries and not all(step["failed"] for step in task["steps"]):
                queries.add(task["query"])
                yield task


def _task(trajectory: Trajectory, number: int) -> dict[str, Any]:
    """A solution as a task, named by its place among the records."""
    turns = trajectory.turns
    places = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
    finish, _ = toolbench.parse_reply(turns[places[-1]].content)
    tools = [tool for tool in trajectory.tools if tool["name"] != _FINISH]
    known = {tool["name"] for tool in tools}
    steps = [_step(turns[place], turns[place + 1], known) for place in places[:-1]]
    return {
        "id": f"toolbench_{number}",
        "query": next(turn.content for turn in turns if turn.role == "user"),
        "tools": tools,
        "steps": [step for step in steps if step["action"] != _FINISH],
        "answer": str(finish.arguments.get("final_answer", "")),
    }


def _step(reply: Turn, answer: Turn, tools: set[str]) -> dict[str, Any]:
    """A call and what it got."""
    step, _ = toolbench.parse_reply(reply.content)
    worked = step.action in tools and answer.content.startswith(_NO_ERROR)
    return {"action": step.action, "arguments": step.arguments, "observation": answer.content, "failed": not worked}
