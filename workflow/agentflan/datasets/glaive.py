"""glaive-function-calling-v2: the base of Agent-H (paper §4.3). A system text with functions and one long chat text.

A call is ``<functioncall> {"name": "f", "arguments": '{"k": 1}'}``: JSON within single quotes within braces, which is
no JSON as a whole, so its two parts are read by themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import check, records
from agentflan.datasets._source import Source, SourceFile
from agentflan.datasets._tools import TOOL
from agentflan.errors import FileError, RecordError

KIND = "tasks"
SOURCE = Source(
    licence="Apache-2.0",
    repo="glaiveai/glaive-function-calling-v2",
    revision="e7f4b6456019f5d8bcb991ef0dd67d8ff23221ac",
    files=(
        SourceFile(
            "glaive-function-calling-v2.json",
            "e9b5d671812b5ca2fbd7b625a37d5c99a19576c37252cdc806defe256aea6dad",
            271_190_065,
        ),
    ),
    rows=112_960,
)

_FIELDS = {"system": str, "chat": str}
_CALL = "<functioncall>"
_END = "<|endoftext|>"
_SPEAKER = re.compile(r"(?:^|\n+)(USER|ASSISTANT|FUNCTION RESPONSE): ?")
_ROLES = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "function"}
_NAME = re.compile(r'"name"\s*:\s*"([^"]*)"')
_ARGUMENTS = re.compile(r'"arguments"\s*:\s*(.*)\}\s*$', re.DOTALL)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows as {id, system, tools, turns: [{role, content, call?: {name, arguments}}]}.

    The upstream file has no ids; a row's number in its file is its id.

    Raises:
        FileError: there is no file, or one is no list of rows.
        RecordError: a field is missing or of another type, or the tools are not JSON or cannot be shown.
    """
    paths = [path for path in sorted(folder.glob("*.json*")) if path.name != "receipt.json"]
    if not paths:
        raise FileError(folder, "no JSON file", SOURCE.files[0].name)
    for path, number, row in records(paths, _FIELDS):
        yield _row(row, path, number)


def parse_call(text: str) -> dict[str, Any] | None:
    """Name and arguments of a call; the arguments are {} where they cannot be read. None without a name."""
    name = _NAME.search(text)
    if name is None:
        return None
    found = _ARGUMENTS.search(text)
    return {"name": name[1], "arguments": _arguments(found[1].strip()) if found else {}}


def _arguments(text: str) -> dict[str, Any]:
    inner = text[1:-1] if text[:1] == text[-1:] == "'" else text
    for candidate in (inner, inner.replace("\\'", "'")):
        try:
            value = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        return value if isinstance(value, dict) else {}
    return {}


def _row(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    return {
        "id": f"glaive_{number}",
        "system": row["system"],
        "tools": _tools(row["system"], path, number),
        "turns": list(_turns(row["chat"])),
    }


def _tools(system: str, path: Path, number: int) -> list[dict[str, Any]]:
    """The functions simply follow one another in the text."""
    tools, position, decoder = [], system.find("{"), json.JSONDecoder()
    while position >= 0:
        try:
            tool, end = decoder.raw_decode(system, position)
        except json.JSONDecodeError as error:
            raise RecordError(
                path, number, "system", f"a function that is not JSON ({error})", "JSON objects"
            ) from None
        tools.append(tool)
        position = system.find("{", end)
    check({"system": tools}, {"system": [TOOL]}, path, number)
    return tools


def _turns(chat: str) -> Iterator[dict[str, Any]]:
    _, *parts = _SPEAKER.split(chat)
    for speaker, text in zip(parts[::2], parts[1::2], strict=True):
        turn: dict[str, Any] = {"role": _ROLES[speaker], "content": text.replace(_END, "").strip()}
        if speaker == "ASSISTANT" and _CALL in text:
            call = parse_call(text.replace(_END, "").partition(_CALL)[2].strip())
            if call:
                turn["call"] = call
        yield turn
