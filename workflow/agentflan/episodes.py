"""Plays many episodes side by side, so that each step is one batch for the model.

Episodes are played in fixed chunks. The finished chunks of a run lie in ``<out>.part``; a run that was killed goes on
behind them and ends with the same bytes as one that was not, because a chunk never depends on another.

An episode whose environment breaks is played anew, then counted as `task_error`. When a request cannot be answered
(refused by a server, or too long for the model where the protocol cuts nothing) the agent is silent from then on, as in
AgentTuning's harness; the episode goes on to its end by its own rules, so what was reached before counts, and its
outcome is the fault.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call, Reply
from agentflan.benchmarks._protocol import OUTCOMES, Episode, Request, Row, Settings, Task
from agentflan.chunks import Chunks
from agentflan.errors import NotAvailable, RecordError
from agentflan.files import read_jsonl, write_jsonl
from agentflan.progress import Progress
from agentflan.shown import earlier

log = logging.getLogger(__name__)

Generate = Callable[[list[Call]], list[str]]  # a reply a call: `Reply`, or text of an agent that counts nothing

_FAULTS = {
    "context_limit": "a request does not fit the model's context",
    "api_error": "the server refused a request",
}
_BUSINESS = {  # settings of an API model that change costs and speed, and no reply
    *("cache", "key_name", "concurrency", "attempts", "timeout", "backoff", "longest_pause"),
    *("prompt_price", "reply_price", "max_cost", "max_total_tokens"),
}


@dataclass
class _Seat:
    """An episode that is being played."""

    task: Task
    episode: Episode
    requests: list[Request] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    row: Row | None = None
    fault: str = ""
    crashes: list[str] = field(default_factory=list)
    usage: Counter[str] = field(default_factory=Counter)

    def begin(self, episode: Episode) -> None:
        """Start anew; what the first try cost stays counted."""
        self.episode, self.requests, self.replies, self.row, self.fault = episode, [], [], None, ""

    def take(self, reply: str) -> None:
        """Keep a reply and what it took."""
        self.replies.append(str(reply))
        if isinstance(reply, Reply):
            self.fault = reply.fault
            counts = {"requests": 1, "prompt_tokens": reply.prompt_tokens, "reply_tokens": reply.reply_tokens}
            self.usage.update(counts)
            if reply.cut_tokens:
                self.usage.update({"cut_tokens": reply.cut_tokens})


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
        identity: what the rows depend on beside the settings: model, tasks' content, code; chunks of another one are
            not reused.
    """
    chunks = [tasks[start : start + settings["batch"]] for start in range(0, len(tasks), settings["batch"])]
    depends = _digest([identity, _material(settings), [task["id"] for task in tasks]])
    with Chunks(out.with_name(f"{out.name}.part"), depends, [*map(len, chunks)]) as played:
        if played.done:
            log.info(f"going on after {len(played.rows)} of {len(tasks)} episodes")
        progress = Progress(f"{benchmark.NAME} episodes", len(tasks), len(played.rows))
        for chunk in chunks[played.done :]:
            played.add(play_chunk(benchmark, chunk, generate, settings, progress.advance))
        progress.close()
    write_jsonl(out, played.rows)
    played.remove()
    return len(played.rows)


def play_chunk(
    benchmark: ModuleType,
    tasks: list[Task],
    generate: Generate,
    settings: Settings,
    finished: Callable[[int], None] = lambda count: None,
) -> list[Row]:
    """Play episodes in lock step: all open requests of a step are one batch. Their environments act in parallel.

    Args:
        finished: is told how many episodes have ended, step by step.
    """
    seats = [_Seat(task, benchmark.episode(task, settings)) for task in tasks]

    def advance(seat: _Seat, reply: str | None) -> None:
        """Go on; after a crash from the beginning, as often as is allowed."""
        while not _advance(seat, reply) and len(seat.crashes) <= settings["restarts"]:
            seat.begin(benchmark.episode(seat.task, settings))
            reply = None

    with ThreadPoolExecutor(settings["workers"]) as pool:
        list(pool.map(advance, seats, repeat(None)))
        waiting = _waiting(seats, finished)
        while waiting:
            _answer([seat for seat in waiting if not seat.fault], generate)
            list(pool.map(advance, waiting, ["" if seat.fault else seat.replies[-1] for seat in waiting]))
            waiting = _waiting(waiting, finished)
    return [seat.row for seat in seats]


def read_transcripts(path: Path, tasks: list[Task]) -> list[Row]:
    """The rows of a transcript, one for each task in the tasks' order.

    Raises:
        NotAvailable: the transcript says "not run"; the message is its reason.
        RecordError: an unknown outcome, or an episode that is missing, not asked for, there twice or not in its place.
    """
    rows, wanted = list(read_jsonl(path)), [task["id"] for task in tasks]
    if rows and rows[0].get("status") == "not run":
        if not isinstance(rows[0].get("reason"), str):
            raise RecordError(path, 1, "reason", repr(rows[0].get("reason")), "why it was not run, a text")
        raise NotAvailable(rows[0]["reason"])
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("id"), str):
            raise RecordError(path, number, "id", repr(row.get("id")), "the id of a task, a text")
        check_outcome(row, path, number)
        if number > len(wanted):
            raise RecordError(path, number, "id", repr(row["id"]), f"the end: there are {len(wanted)} tasks")
        if row["id"] != wanted[number - 1]:
            expected = f"{wanted[number - 1]!r}: one episode a task, in the tasks' order"
            raise RecordError(path, number, "id", repr(row["id"]), expected)
    if len(rows) < len(wanted):
        missing = f"{wanted[len(rows)]!r}: there are {len(wanted)} tasks"
        raise RecordError(path, len(rows) + 1, "id", "the end of the file", missing)
    return rows


def check_outcome(row: Row, path: Path | str, number: int) -> None:
    """Refuse an outcome that is not in the closed list.

    Raises:
        RecordError: the outcome is unknown.
    """
    if row.get("outcome") not in OUTCOMES:
        where = f"{number} ({row.get('id', 'no id')})"
        raise RecordError(path, where, "outcome", repr(row.get("outcome")), f"one of {', '.join(OUTCOMES)}")


def _waiting(seats: list[_Seat], finished: Callable[[int], None]) -> list[_Seat]:
    """The episodes that go on."""
    waiting = [seat for seat in seats if seat.row is None]
    finished(len(seats) - len(waiting))
    return waiting


def _answer(seats: list[_Seat], generate: Generate) -> None:
    """Ask for a reply to each open request."""
    if seats:
        replies = generate([Call(seat.requests[-1], seat.task, len(seat.replies)) for seat in seats])
        for seat, reply in zip(seats, replies, strict=True):
            seat.take(reply)


def _advance(seat: _Seat, reply: str | None) -> bool:
    """Send a reply (none at the start) and keep the next request, or the row at the end; False after a crash."""
    try:
        seat.requests.append(seat.episode.send(reply))
    except StopIteration as end:
        seat.row = {"id": seat.task["id"], **end.value, **_fault(seat), **_conversation(seat)}
        check_outcome(seat.row, "<episode>", seat.task["id"])
        return True
    except NotAvailable:
        raise  # what is missing is missing for all episodes
    except Exception as error:  # an environment that breaks must not end the other episodes; it is counted and shown
        seat.crashes.append(f"{type(error).__name__}: {error}")
        crash = {"outcome": "task_error", "error": seat.crashes[-1]}
        seat.row = {"id": seat.task["id"], **crash, **_conversation(seat)}
        return False
    return True


def _fault(seat: _Seat) -> Row:
    return {"outcome": seat.fault, "error": _FAULTS[seat.fault]} if seat.fault else {}


def _conversation(seat: _Seat) -> dict[str, Any]:
    """All replies, what the model was shown last with its reply behind it and before, tokens, and mended crashes."""
    request = seat.requests[-1] if seat.requests else Request()
    last = seat.replies[-1:]
    begun = "" if request.choices and last and last[0] not in request.choices else request.prefix  # "": a free reply
    turns = [*request.messages, *(("assistant", begun + reply) for reply in last)]
    shown = {"messages": [{"role": role, "content": content} for role, content in turns]}
    story = {"text": request.prompt + "".join(last)} if request.prompt else shown
    more = {"shown": earlier(seat.requests), "usage": dict(seat.usage), "crashes": seat.crashes}
    return {"replies": seat.replies, **story, **{key: value for key, value in more.items() if value}}


def _material(settings: Settings) -> Settings:
    """The settings on which replies depend."""
    return settings | {"api": {key: value for key, value in settings["api"].items() if key not in _BUSINESS}}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
