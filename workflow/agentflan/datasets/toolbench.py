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

from agentflan.datasets._pieces import Pieces, cut_spans, json_value_spans
from agentflan.datasets._replies import first_misfit
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import ConfigError, FileError, RecordError
from agentflan.files import read_json
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
_REPLY = re.compile(
    r"\s*Thought:[ \t]*(?P<thought>.*?)\s*\nAction:[ \t]*(?P<action>.*?)\s*\nAction Input:\s*(?P<input>.*?)\s*",
    re.DOTALL,
)


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
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without Thought, Action and Action Input")
    try:
        arguments = json.loads(match["input"] or "{}")
    except json.JSONDecodeError:
        raise ValueError("arguments that are not JSON") from None
    if not isinstance(arguments, dict):
        raise ValueError("arguments that are no JSON object")
    spans = [(*match.span("thought"), REASONING), (*match.span("action"), RETRIEVAL)]
    spans += json_value_spans(reply, *match.span("input"), UNDERSTANDING)
    return Step(match["thought"], match["action"], arguments), cut_spans(
        reply, [span for span in spans if span[0] < span[1]]
    )


def _gives_answer(trajectory: Trajectory) -> bool:
    last = trajectory.turns[-1]
    return last.role == "assistant" and "Action: Finish" in last.content and '"give_answer"' in last.content


def _is_second_try(trajectory: Trajectory, reading: str) -> bool:
    turns = trajectory.turns[2:3] if reading == "strict" else trajectory.turns
    return any(turn.role == "user" and turn.content.lstrip().startswith(_SECOND_TRY) for turn in turns)


def _trajectory(record: Any, path: Path, number: int) -> Trajectory:
    if not isinstance(record, dict):
        raise RecordError(path, number, "", type(record).__name__, "an object")
    identity = record.get("id") or f"record {number}"  # excerpts of the file have lost it
    if not isinstance(identity, str):
        raise RecordError(path, number, "id", type(identity).__name__, 'a string such as "Step 4: …"')
    where = f"{number} ({identity[:40]})"
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise RecordError(path, where, "conversations", type(turns).__name__, "a list of turns")
    made = tuple(_turn(turn, path, where, index) for index, turn in enumerate(turns))
    tools = tuple(record["functions"]) if "functions" in record else _tools(made[0], path, where)
    return Trajectory(identity, "toolbench", made, tools=tools)


def _turn(turn: Any, path: Path, where: str, index: int) -> Turn:
    place = f"conversations[{index}]"
    if not isinstance(turn, dict) or turn.get("from") not in _ROLES:
        raise RecordError(path, where, f"{place}.from", repr(turn)[:60], f"one of {', '.join(_ROLES)}")
    if not isinstance(turn.get("value"), str):
        raise RecordError(path, where, f"{place}.value", type(turn.get("value")).__name__, "a string")
    role = _ROLES[turn["from"]]
    return Turn(role, _without_scaffold(turn["value"]), role == "assistant")


def _tools(first: Turn, path: Path, where: str) -> tuple[dict[str, Any], ...]:
    _, marker, listing = first.content.rpartition(_LIST_MARKER)
    if not marker or first.role != "system":
        return ()
    try:
        return _read_tools(listing.strip())
    except (ValueError, SyntaxError) as error:
        raise RecordError(
            path, where, "conversations[0].value", f"a broken list of tools ({error})", "a Python list"
        ) from None


@lru_cache(maxsize=256)  # the prefixes of one solution stand together and share their tools
def _read_tools(listing: str) -> tuple[dict[str, Any], ...]:
    return tuple(ast.literal_eval(listing))


def _without_scaffold(text: str) -> str:
    """A turn without the line breaks around it and without the ``Begin!`` after a query, which say nothing."""
    return text.strip().removesuffix("Begin!").strip()


def _records(path: Path) -> Iterator[Any]:
    import ijson

    with path.open("rb") as handle:
        first = handle.read(256).lstrip()[:1]
        handle.seek(0)
        if first != b"[":
            yield from _tree_records(path)
            return
        try:
            yield from ijson.items(handle, "item", use_float=True)
        except ijson.IncompleteJSONError as error:
            raise FileError(path, f"truncated JSON ({error})", "a whole list of records", "Fetch it again") from None
        except ijson.JSONError as error:
            raise FileError(path, f"broken JSON ({error})", "a list of records") from None


def _tree_records(path: Path) -> Iterator[dict[str, Any]]:
    """The prefixes of a tree's winning chain; a tree without one gives none."""
    whole = read_json(path)
    answer = whole.get("answer_generation") if isinstance(whole, dict) else None
    if not isinstance(answer, dict):
        raise RecordError(path, 1, "answer_generation", type(answer).__name__, "an object")
    for prefix in answer.get("train_messages") or ():
        turns = [{"from": message["role"], "value": _message_text(message)} for message in prefix]
        yield {
            "id": f"Step {len(prefix) - 1}: {answer['query']}",
            "conversations": turns,
            "functions": answer["function"],
        }


def _message_text(message: dict[str, Any]) -> str:
    call = message.get("function_call")
    if message["role"] != "assistant" or not call:
        return message.get("content") or ""
    return f"\nThought: {message.get('content') or ''}\nAction: {call['name']}\nAction Input: {call['arguments']}"
