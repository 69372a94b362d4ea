"""AgentInstruct's rows: two upstream schemas, and the end of the built-in demonstration (paper App. B).

A row's `conversations` are ``{from, loss, value}``; copies of the corpus have ``{role, content}`` and have lost `loss`.
The demonstration ends before the first reply that bears loss; without `loss` the text markers of each task tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json, read_jsonl
from agentflan.records import Trajectory, Turn

REPO = "THUDM/AgentInstruct"
REVISION = "e252cf78ced8a0ea5f62cfd591784cdbbddbac8a"
_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}


class RawTurn(NamedTuple):
    """A turn as upstream has it; `loss` is None on user turns and where it was lost."""

    role: str
    text: str
    loss: bool | None


StartOf = Callable[[list[RawTurn]], int]  # index of the first turn of the real task, by its text


def source(task: str, suffix: str, rows: int, sha256: str | None = None) -> Source:
    """The pinned parquet file of a task."""
    file = SourceFile(f"data/{task}-00000-of-00001-{suffix}.parquet", sha256)
    return Source(licence="none declared", files=(file,), repo=REPO, revision=REVISION, rows=rows)


def read(folder: Path, task: str, start_of: StartOf, join: bool = False) -> Iterator[Trajectory]:
    """The trajectories of a task without their demonstration; the instruction of the first turn stays.

    Args:
        folder: holds parquet, JSON or JSON-lines files, in which rows of other tasks are passed over.
        task: prefix of the rows' ids.
        start_of: finds the real task where `loss` is lost.
        join: the instruction and the real task become one turn, because nothing acknowledges the instruction.
    """
    for path in _files(folder, task):
        for number, row in enumerate(_rows(path), 1):
            identity = row.get("id")
            if not isinstance(identity, str):
                raise RecordError(path, number, "id", type(identity).__name__, "a string such as os_12")
            if identity.startswith(f"{task}_"):
                turns = _raw_turns(row, path, f"{number} ({identity})")
                yield Trajectory(identity, task, tuple(_turns(turns, start_of, join)))


def start_at(marker: str) -> StartOf:
    """The real task starts at the last user turn that begins with a marker."""

    def start(turns: list[RawTurn]) -> int:
        found = [index for index, turn in enumerate(turns) if turn.role == "user" and turn.text.startswith(marker)]
        return found[-1] if found else 0

    return start


def start_after_ok(turns: list[RawTurn]) -> int:
    """The real task follows a one-word acknowledgement."""
    return 2 if len(turns) > 2 and turns[1].text == "Ok." else 0


def _turns(turns: list[RawTurn], start_of: StartOf, join: bool) -> Iterator[Turn]:
    start = _start(turns, start_of)
    body = turns[start:]
    if start and join:
        first = f"{turns[0].text}\n\n{body[0].text}"
        body = [body[0]._replace(text=first), *body[1:]]
    else:
        for turn in turns[: min(start, 2)]:  # the instruction and its acknowledgement
            yield Turn(turn.role, turn.text)
    for turn in body:
        yield Turn(turn.role, turn.text, turn.role == "assistant" and turn.loss is not False)


def _start(turns: list[RawTurn], start_of: StartOf) -> int:
    bearing = [index for index, turn in enumerate(turns) if turn.loss]
    if not bearing:
        return start_of(turns)
    return max(bearing[0] - 1, 0)


def _raw_turns(row: dict[str, Any], path: Path, record: str) -> list[RawTurn]:
    name = "messages" if "messages" in row else "conversations"
    turns = row.get(name)
    if not isinstance(turns, list):
        raise RecordError(path, record, name, type(turns).__name__, "a list of turns")
    copied = any(isinstance(turn, dict) and "role" in turn for turn in turns)
    who, text = ("role", "content") if copied else ("from", "value")
    raw = [_raw_turn(turn, path, record, f"{name}[{index}]", who, text) for index, turn in enumerate(turns)]
    if raw and raw[0].role == "system":  # a constant that one copy of the corpus put in
        raw = raw[1:]
    if not raw:
        raise RecordError(path, record, name, "no turns", "a list of turns")
    return raw


def _raw_turn(turn: Any, path: Path, record: str, place: str, who: str, text: str) -> RawTurn:
    if not isinstance(turn, dict):
        raise RecordError(path, record, place, type(turn).__name__, f"an object with {who} and {text}")
    if not isinstance(turn.get(who), str) or turn[who] not in _ROLES:
        raise RecordError(path, record, f"{place}.{who}", repr(turn.get(who)), f"one of {', '.join(_ROLES)}")
    if not isinstance(turn.get(text), str):
        raise RecordError(path, record, f"{place}.{text}", type(turn.get(text)).__name__, "a string")
    loss = turn.get("loss")
    if loss is not None and not isinstance(loss, bool):
        raise RecordError(path, record, f"{place}.loss", repr(loss), "true, false or null")
    return RawTurn(_ROLES[turn[who]], turn[text], loss)


def _files(folder: Path, task: str) -> list[Path]:
    parquet = sorted(folder.glob(f"data/{task}-*.parquet"))
    if parquet:
        return parquet
    found = sorted(
        path for pattern in ("*.json", "*.jsonl", "*.json.gz", "*.jsonl.gz") for path in folder.glob(pattern)
    )
    found = [path for path in found if path.name != "receipt.json"]
    if not found:
        raise FileError(folder, "no parquet and no JSON file", f"the rows of {task}")
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        from pyarrow import ArrowInvalid, parquet

        try:
            yield from parquet.read_table(path).to_pylist()
        except (ArrowInvalid, OSError) as error:
            raise FileError(path, f"broken Parquet ({error})", "a whole Parquet file") from None
    elif ".jsonl" in path.name:
        yield from read_jsonl(path)
    else:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise FileError(path, f"a JSON {type(rows).__name__}", "a list of rows")
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise RecordError(path, number, "", type(row).__name__, "an object")
            yield row
