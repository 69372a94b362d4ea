"""ToolBench: trajectories over real APIs (Thought, Action, Action Input), from the big JSON file or answer trees.

The file is a list of 187,542 records in 2 GB, so it is streamed. An answer tree holds the prefixes of its winning
chain, one a step; each prefix is one record. Paper App. B: keep records with a final answer, and drop those that
directly begin with "This is not the first time you try this task". Two readings of that: `strict` drops a record whose
first turn after the query says so, `wide` one that says so anywhere. Both are counted; `reading` chooses (strict by
default).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from agentflan.datasets._answer_trees import read_tree
from agentflan.datasets._pieces import Pieces, cut_spans, json_value_spans, trim
from agentflan.datasets._replies import first_misfit, read_back
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import ConfigError, FileError, RecordError
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory, Turn
from agentflan.tools import REACT_FORM

KIND = "agent"
SOURCE = Source(
    licence="Apache-2.0 (research use)",
    # Upstream is one data.zip behind a page that asks a question: unpack it by hand and give the folder.
    url="https://drive.google.com/uc?id=1XFjDxVZdUY7TXYF2yvzx3pJlS2fy78jk",
    files=(
        SourceFile(
            "data/toolllama_G123_dfs_train.json",
            "7d9190fe85d770fbe7dee9101408560a60d298e523fbe4220df36fc9709f6be5",
            2_002_419_658,
        ),
    ),
    rows=187_542,
)

FORM = REACT_FORM  # stands in for upstream's long system turn
READINGS = ("strict", "wide")
REPEATS_IDS = True  # an id is step and query, and some queries were solved more than once
_SECOND_TRY = "This is not the first time you try this task"
_LIST_MARKER = "Specifically, you have access to the following APIs: "
_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "function": "user"}
_THOUGHT = re.compile(r"\s*Thought:")
_CALL = re.compile(r"\nAction:[ \t]*(?P<action>\S[^\n]*?)\s*\nAction Input:")
_GIVES_ANSWER = re.compile(r'\nAction:[ \t]*Finish\s*\nAction Input:.*"return_type"\s*:\s*"give_answer"', re.DOTALL)


def read(folder: Path) -> Iterator[Trajectory]:
    """The records of the training file below `folder`, else of the answer trees or JSON lists there."""
    path = folder / SOURCE.files[0].name
    paths = [path] if path.exists() else sorted(path for path in folder.rglob("*.json") if path.name != "receipt.json")
    if not paths:
        raise FileError(folder, "neither the training file nor answer trees", f"{path.name} or */*.json")
    for path in paths:
        for number, record in enumerate(_records(path), 1):
            yield _trajectory(record, path, number)


def reject(trajectory: Trajectory, reading: str = "strict") -> str | None:
    """Every reply must follow the format, the last one must give a final answer, and it must be a first try."""
    if reading not in READINGS:
        raise ConfigError([f"filter of toolbench: reading {reading!r}; expected one of {', '.join(READINGS)}"])
    if not _gives_answer(trajectory):
        return "no final answer"
    if _is_second_try(trajectory, reading):
        return f"not the first try ({reading} reading)"
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought, action and arguments of a reply.

    Raises:
        ValueError: a part is missing, or the arguments are not a JSON object.
    """
    opening, call = _THOUGHT.match(reply), _CALL.search(reply)
    if opening is None or call is None or call.start() < opening.end():
        raise ValueError("a reply without Thought, Action and Action Input")
    thought, text = trim(reply, opening.end(), call.start()), trim(reply, call.end(), len(reply))
    arguments = _read_arguments(reply[slice(*text)])
    spans = [(*thought, REASONING), (*call.span("action"), RETRIEVAL), *json_value_spans(reply, *text, UNDERSTANDING)]
    return Step(reply[slice(*thought)], call["action"], arguments), cut_spans(reply, spans)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    text = json.dumps(step.arguments, ensure_ascii=False)
    return read_back(f"\nThought: {step.thought}\nAction: {step.action}\nAction Input: {text}", step, parse_reply)


def _read_arguments(text: str) -> dict[str, Any]:
    try:
        arguments = _JSON.decode(text or "{}")
        if "\\u" in text:
            json.dumps(arguments, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except (ValueError, RecursionError):
        raise ValueError("arguments that are not JSON") from None
    if not isinstance(arguments, dict):
        raise ValueError("arguments that are no JSON object")
    return arguments


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    arguments = dict(pairs)
    if len(arguments) < len(pairs):
        raise ValueError("a key stands twice")
    return arguments


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


# As upstream's environment reads a call, line breaks may stand in a string as they are.
_JSON = json.JSONDecoder(strict=False, parse_constant=_refuse, object_pairs_hook=_distinct)


def _gives_answer(trajectory: Trajectory) -> bool:
    last = trajectory.turns[-1]
    return last.role == "assistant" and _GIVES_ANSWER.search(f"\n{last.content}") is not None


def _is_second_try(trajectory: Trajectory, reading: str) -> bool:
    turns = trajectory.turns[2:3] if reading == "strict" else trajectory.turns
    return any(turn.role == "user" and turn.content.lstrip().startswith(_SECOND_TRY) for turn in turns)


def _trajectory(record: Any, path: Path, number: int) -> Trajectory:
    if not isinstance(record, dict):
        raise RecordError(path, number, "", type(record).__name__, "an object")
    if "id" not in record or not isinstance(record["id"], str | None):
        found = type(record["id"]).__name__ if "id" in record else "nothing"
        raise RecordError(path, number, "id", found, 'a string such as "Step 4: …", or null in an excerpt')
    identity = record["id"] or f"record {number}"
    where = f"{number} ({identity[:40]})"
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise RecordError(path, where, "conversations", type(turns).__name__, "a list of turns")
    made = tuple(_turn(turn, path, where, index) for index, turn in enumerate(turns))
    return Trajectory(identity, "toolbench", made, tools=_tools(record, made[0], path, where))


def _turn(turn: Any, path: Path, where: str, index: int) -> Turn:
    place = f"conversations[{index}]"
    if not isinstance(turn, dict):
        raise RecordError(path, where, place, type(turn).__name__, "an object with from and value")
    if not isinstance(turn.get("from"), str) or turn["from"] not in _ROLES:
        raise RecordError(path, where, f"{place}.from", repr(turn.get("from")), f"one of {', '.join(_ROLES)}")
    if not isinstance(turn.get("value"), str):
        raise RecordError(path, where, f"{place}.value", type(turn.get("value")).__name__, "a string")
    role = _ROLES[turn["from"]]
    text = turn["value"].strip()  # the line breaks around a turn say nothing
    if turn["from"] == "user":
        text = text.removesuffix("Begin!").rstrip()  # nor does this after a query
    return Turn(role, text, role == "assistant")


def _tools(record: dict[str, Any], first: Turn, path: Path, where: str) -> tuple[dict[str, Any], ...]:
    """The tools as data: beside the messages of an answer tree, else in the system turn."""
    field = "functions" if "functions" in record else "conversations[0].value"
    _, marker, listing = first.content.rpartition(_LIST_MARKER)
    try:
        if field == "functions":
            return _checked(record["functions"])
        return _read_tools(listing.strip()) if marker and first.role == "system" else ()
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise RecordError(path, where, field, f"a broken list of tools ({error})", "a Python list of tools") from None


@lru_cache(maxsize=256)  # the prefixes of one solution stand together and share their tools
def _read_tools(listing: str) -> tuple[dict[str, Any], ...]:
    return _checked(ast.literal_eval(listing))


def _checked(tools: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(tools, list):
        raise ValueError(f"a {type(tools).__name__}")
    if not all(isinstance(tool, dict) and isinstance(tool.get("name"), str) for tool in tools):
        raise ValueError("a tool without a name")
    return tuple(tools)


def _records(path: Path) -> Iterator[Any]:
    import ijson

    with path.open("rb") as handle:
        first = handle.read(256).lstrip()[:1]
        handle.seek(0)
        if first != b"[":
            yield from read_tree(path)
            return
        try:
            yield from ijson.items(handle, "item", use_float=True)
        except ijson.JSONError as error:
            raise FileError(path, _reason(error), "a whole list of records", "Is the file cut off?") from None


def _reason(error: Exception) -> str:
    """What the JSON parser says in its first line; the others draw an arrow."""
    text = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error.args[0])
    line = text.strip().splitlines()[0]
    return f"{'truncated' if 'premature EOF' in line else 'broken'} JSON ({line})"
