"""Plays many episodes side by side, so that each step is one batch for the model.

Episodes are played in fixed chunks. The finished chunks of a run lie in ``<out>.part``; a run that was killed goes on
behind them and ends with the same bytes as one that was not, because a chunk never depends on another.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call
from agentflan.benchmarks._protocol import OUTCOMES, Episode, Request, Row, Settings, Task
from agentflan.errors import NotAvailable, RecordError
from agentflan.files import dump_line, read_jsonl, write_jsonl

log = logging.getLogger(__name__)

Generate = Callable[[list[Call]], list[str]]


@dataclass
class _Seat:
    """An episode that is being played."""

    task: Task
    episode: Episode
    request: Request | None = None
    replies: list[str] = field(default_factory=list)
    row: Row | None = None


def play_all(
    benchmark: ModuleType,
    tasks: list[Task],
    generate: Generate,
    settings: Settings,
    out: Path,
    identity: dict[str, Any],
) -> int:
    """Play every task and write one row each to `out`; return how many.

    Args:
        benchmark: a module of `agentflan.benchmarks`.
        tasks: what is played, in the order of the rows.
        generate: the agent: a reply for each call.
        settings: the benchmark's complete settings.
        out: the transcripts, JSON lines.
        identity: what the replies depend on beside the tasks; chunks of another identity are not reused.
    """
    part = out.with_name(f"{out.name}.part")
    chunks = [tasks[start : start + settings["batch"]] for start in range(0, len(tasks), settings["batch"])]
    head = {"identity": _digest([identity, settings, [task["id"] for task in tasks]])}
    done = _finished_chunks(part, head, chunks)
    write_jsonl(part, [head, *(row for chunk in done for row in chunk)])
    if done:
        log.info(f"going on after {sum(map(len, done))} of {len(tasks)} episodes")
    with part.open("a", encoding="utf-8", newline="\n") as handle:
        for chunk in chunks[len(done) :]:
            handle.write("".join(dump_line(row) for row in play_chunk(benchmark, chunk, generate, settings)))
            handle.flush()
            os.fsync(handle.fileno())
    rows = list(read_jsonl(part))[1:]
    write_jsonl(out, rows)
    part.unlink()
    return len(rows)


def play_chunk(benchmark: ModuleType, tasks: list[Task], generate: Generate, settings: Settings) -> list[Row]:
    """Play episodes in lock step: all open requests of a step are one batch."""
    seats = [_Seat(task, benchmark.episode(task, settings)) for task in tasks]
    for seat in seats:
        _advance(seat, None)
    while waiting := [seat for seat in seats if seat.row is None]:
        replies = generate([Call(seat.request, seat.task, len(seat.replies)) for seat in waiting])
        for seat, reply in zip(waiting, replies, strict=True):
            seat.replies.append(reply)
            _advance(seat, reply)
    return [seat.row for seat in seats]


def read_transcripts(path: Path, tasks: list[Task]) -> list[Row]:
    """The rows of a transcript, one for each task in the tasks' order.

    Raises:
        NotAvailable: the transcript says "not run"; the message is its reason.
        RecordError: an unknown outcome, or an episode that is missing or not asked for.
    """
    rows = list(read_jsonl(path))
    if rows and rows[0].get("status") == "not run":
        raise NotAvailable(rows[0]["reason"])
    for number, row in enumerate(rows, 1):
        check_outcome(row, path, number)
    found, wanted = [row["id"] for row in rows], [task["id"] for task in tasks]
    if found != wanted:
        odd = sorted(set(found) ^ set(wanted))
        raise RecordError(path, len(rows), "id", f"episodes that are not those of the tasks: {odd[:5]}", "one a task")
    return rows


def check_outcome(row: Row, path: Path | str, number: int) -> None:
    """Refuse an outcome that is not in the closed list.

    Raises:
        RecordError: the outcome is unknown.
    """
    if row.get("outcome") not in OUTCOMES:
        where = f"{number} ({row.get('id', 'no id')})"
        raise RecordError(path, where, "outcome", repr(row.get("outcome")), f"one of {', '.join(OUTCOMES)}")


def _advance(seat: _Seat, reply: str | None) -> None:
    """Send a reply (none at the start) and keep the next request, or the row at the end."""
    try:
        seat.request = seat.episode.send(reply)
    except StopIteration as end:
        seat.row = {"id": seat.task["id"], **end.value, **_conversation(seat)}
        check_outcome(seat.row, "<episode>", seat.task["id"])
    except Exception as error:  # an environment that breaks must not end the other episodes; it is counted and shown
        message = f"{type(error).__name__}: {error}"
        seat.row = {"id": seat.task["id"], "outcome": "task_error", "error": message, **_conversation(seat)}


def _conversation(seat: _Seat) -> dict[str, Any]:
    """All replies, and what the model was shown last with its reply behind it."""
    request = seat.request or Request()
    last = seat.replies[-1:]
    turns = [*request.messages, *(("assistant", request.prefix + reply) for reply in last)]
    shown = {"messages": [{"role": role, "content": content} for role, content in turns]}
    return {"replies": seat.replies, **({"text": request.prompt + "".join(last)} if request.prompt else shown)}


def _finished_chunks(part: Path, head: dict[str, Any], chunks: list[list[Task]]) -> list[list[Row]]:
    """The whole chunks of an earlier run with the same identity; what follows them is dropped."""
    lines = _whole_lines(part)
    if next(lines, None) != head:
        return []
    rows, done = list(lines), []
    for chunk in chunks:
        start = sum(map(len, done))
        ready = rows[start : start + len(chunk)]
        if [row["id"] for row in ready] != [task["id"] for task in chunk]:
            break
        done.append(ready)
    return done


def _whole_lines(part: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file that may have been cut off in its last line."""
    if part.exists():
        for line in part.read_bytes().split(b"\n")[:-1]:
            yield json.loads(line)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
