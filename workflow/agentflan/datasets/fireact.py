"""FireAct: question answering by search, a trajectory in one text (``Thought``, ``Action``, ``Observation``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._pieces import Pieces, cut_groups
from agentflan.datasets._replies import first_misfit, read_back
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory, Turn

KIND = "agent"
SOURCE = Source(
    licence="MIT",
    url="https://raw.githubusercontent.com/anchen1011/FireAct/94c6189f04b10fccae6bcd97a4632d6119266899/data/finetune/alpaca_format",
    files=(SourceFile("hotpotqa.json"),),
    rows=500,
)

# Upstream rows hold the question alone; this asks for the format in words of ours, as an agent's prompt would.
FORM = (
    "Answer the question by steps. The actions are search[title] and finish[answer].\n"
    "Reply in two lines:\nThought: what to do next\nAction: one action"
)
_OBSERVATION = re.compile(r"\nObservation:[ \t]*")
# An action is one line, for a thought may already name the action that follows it.
_REPLY = re.compile(
    r"\s*(?:Thought:\s*(?P<thought>.*?)\s*)?Action:\s*(?P<action>\w+)\[(?P<value>[^\n]*)\]\s*", re.DOTALL
)
_ARGUMENT = {"search": "query", "lookup": "word", "finish": "answer"}


def read(folder: Path) -> Iterator[Trajectory]:
    """One trajectory a row: the question, then replies and observations in turn."""
    paths = sorted([*folder.glob("*hotpotqa*.json"), *folder.glob("*hotpotqa*.json.gz")])
    if not paths:
        raise FileError(folder, "no *hotpotqa*.json", "FireAct's alpaca rows")
    for path in paths:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise FileError(path, f"a JSON {type(rows).__name__}", "a list of rows")
        for number, row in enumerate(rows, 1):
            _check(row, path, number)
            yield Trajectory(f"{path.name.split('.')[0]}_{number}", "fireact", tuple(_turns(row)))


def reject(trajectory: Trajectory) -> str | None:
    """Every reply must be a thought with one action."""
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought and action of a reply.

    Raises:
        ValueError: the reply has no action.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without an action of the form name[…]")
    argument = _ARGUMENT.get(match["action"], "text")
    step = Step(match["thought"] or "", match["action"], {argument: match["value"]})
    return step, cut_groups(reply, match, {"thought": REASONING, "action": RETRIEVAL, "value": UNDERSTANDING})


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    thought = f"Thought: {step.thought}\n" if step.thought else ""
    value = "".join(map(str, step.arguments.values()))
    return read_back(f"{thought}Action: {step.action}[{value}]", step, parse_reply)


def _check(row: Any, path: Path, number: int) -> None:
    if not isinstance(row, dict):
        raise RecordError(path, number, "", type(row).__name__, "an object")
    for field in ("instruction", "output"):
        if not isinstance(row.get(field), str):
            raise RecordError(path, number, field, type(row.get(field)).__name__, "a string")


def _turns(row: dict[str, str]) -> Iterator[Turn]:
    yield Turn("user", f"Question: {row['instruction']}")
    rest = row["output"].strip()
    while rest:
        reply, *more = _OBSERVATION.split(rest, maxsplit=1)
        yield Turn("assistant", reply.strip(), True)
        observation, thought, rest = (more[0] if more else "").partition("\nThought:")
        if not thought:  # the episode's end says nothing that an agent reads
            return
        yield Turn("user", f"Observation: {observation.strip()}")
        rest = f"Thought:{rest}"
