"""ToolBench's answer trees as records of its training file: one record a call of the winning chain.

A tree's `train_messages` are prefixes of that chain. As in upstream's own conversion, a prefix that ends in a call is a
record, named by the index of its last message, and thoughts that stand alone go to the call after them. Upstream's
published script loses a thought that stands in the same message as its call; this keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.errors import RecordError
from agentflan.files import read_json


def read_tree(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a tree, each with `id`, `conversations` and `functions`; a tree without a chain gives none.

    Raises:
        FileError: the file is not JSON, or cut off.
        RecordError: a field is missing or of another type; the record number is that of the prefix.
    """
    answer = _field(read_json(path), "answer_generation", dict, path, 1, "")
    if not answer.get("train_messages"):
        return
    query = _field(answer, "query", str, path, 1, "answer_generation.")
    functions = _field(answer, "function", list, path, 1, "answer_generation.")
    for number, prefix in enumerate(_field(answer, "train_messages", list, path, 1, "answer_generation."), 1):
        turns = list(_turns(prefix, path, number))
        if turns and _is_call(prefix[-1]):
            yield {"id": f"Step {len(prefix) - 1}: {query}", "conversations": turns, "functions": functions}


def _turns(prefix: Any, path: Path, number: int) -> Iterator[dict[str, str]]:
    if not isinstance(prefix, list):
        raise RecordError(path, number, "train_messages", type(prefix).__name__, "a list of messages")
    thoughts: list[str] = []
    for index, message in enumerate(prefix):
        place = f"train_messages[{index}]."
        role = _field(message, "role", str, path, number, place)
        if role != "assistant":
            yield {"from": role, "value": _field(message, "content", str, path, number, place)}
        elif message.get("content") is not None:
            thoughts.append(_field(message, "content", str, path, number, place))
        if _is_call(message):
            yield {"from": role, "value": _reply(thoughts, message["function_call"], path, number, place)}
        if role != "assistant" or _is_call(message):
            thoughts = []


def _is_call(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and bool(message.get("function_call"))


def _reply(thoughts: list[str], call: Any, path: Path, number: int, place: str) -> str:
    name = _field(call, "name", str, path, number, f"{place}function_call.")
    arguments = _field(call, "arguments", str, path, number, f"{place}function_call.")
    thought = "\nThought: ".join(thoughts)
    return f"\nThought: {thought}\nAction: {name}\nAction Input: {arguments}"


def _field(holder: Any, name: str, kind: type, path: Path, record: int, place: str) -> Any:
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, kind):
        raise RecordError(path, record, f"{place}{name}", type(value).__name__, f"a {kind.__name__}")
    return value
