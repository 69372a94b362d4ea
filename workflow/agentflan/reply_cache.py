"""The file of replies: one JSON object a line, ``{"key", "model", "reply", "prompt_tokens", "completion_tokens"}``.

Only ``key`` and ``reply`` are needed; counts that are no counts are as if they were not given. Lines are only ever
appended, whole, under a lock of the file, so processes may share it, and a run that was killed goes on where it
stopped. No key of a server is ever among them.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.errors import RecordError
from agentflan.files import dump_line

_SURROGATE = re.compile("[\ud800-\udfff]")


class Answer(NamedTuple):
    """What a server replied.

    Attributes:
        text: the reply; "" beside a fault.
        prompt_tokens, reply_tokens: as the server counts them, or what was booked where it does not; None beside a
            fault, and if a line of the file does not say.
        fault: "" or why there is no reply: "context_limit" or "api_error". Faults are not kept.
    """

    text: str
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    fault: str = ""


def count_of(value: Any) -> int | None:
    """A count of tokens as others give it; None if it is none: a negative one would lower what is counted as spent."""
    return value if type(value) is int and value >= 0 else None  # True is an int, too


def writable(text: str) -> str:
    """Text that is UTF-8: halves of surrogate pairs, which JSON may hold, are replaced."""
    return _SURROGATE.sub("\ufffd", text)


def read_answers(path: Path) -> dict[str, Answer]:
    """Key → answer. A last line without its line end was cut off by a killed run and counts as not there.

    Raises:
        RecordError: a line is not an object with a key and a reply.
    """
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    return dict(_entry(line, path, number) for number, line in enumerate(lines, 1))


def append_answer(path: Path, key: str, model: str, answer: Answer) -> None:
    """Add a line at once; a line that a killed run left unfinished is cut off before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tokens = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.reply_tokens}
    line = dump_line({"key": key, "model": model, "reply": answer.text, **tokens}).encode()
    with path.open("ab+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _cut_unfinished_line(handle)
        handle.write(line)


def _cut_unfinished_line(handle: Any) -> None:
    size = handle.seek(0, os.SEEK_END)
    if size:
        handle.seek(size - 1)
        if handle.read(1) != b"\n":
            handle.seek(0)
            handle.truncate(handle.read().rfind(b"\n") + 1)


def _entry(line: bytes, path: Path, number: int) -> tuple[str, Answer]:
    expected = "a JSON object with the strings key and reply"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # the latter: nested without end
        raise RecordError(path, number, "", f"a line that is not JSON ({error})", expected) from None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("key", "reply")):
        raise RecordError(path, number, "", "other fields", expected)
    counts = (count_of(row.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    return row["key"], Answer(writable(row["reply"]), *counts)
