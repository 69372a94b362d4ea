"""The record types that flow through the stages, and how they stand in a JSON line.

filtered, chat, decomposed and mixed files all hold one `Trajectory` a line. A trajectory is a conversation; an
assistant turn may carry spans that say, for each stretch of its text, which capability it trains and whether the text
is format (a fixed marker or punctuation) or content (paper §3, Observations 1 and 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.errors import RecordError
from agentflan.files import read_jsonl

ROLES = ("system", "user", "assistant")

REASONING = "reasoning"  # the quality of the thought at each step
RETRIEVAL = "retrieval"  # the choice of the tool's name
UNDERSTANDING = "understanding"  # the arguments of the chosen tool
INSTRUCTION = "instruction"  # producing a requested format
CONVERSATION = "conversation"  # ordinary replies: general chat and negative samples
CAPABILITIES = (REASONING, RETRIEVAL, UNDERSTANDING, INSTRUCTION, CONVERSATION)


class Span(NamedTuple):
    """A stretch of an assistant turn. The spans of a turn cover its content without gaps, in order."""

    length: int  # characters
    capability: str
    format: bool  # a fixed marker or punctuation, as against content


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation."""

    role: str
    content: str
    loss: bool = False  # trained on; only ever true for assistant turns
    spans: tuple[Span, ...] = ()

    def pieces(self) -> list[tuple[str, Span]]:
        """The spans with their texts."""
        start, pieces = 0, []
        for span in self.spans:
            pieces.append((self.content[start : start + span.length], span))
            start += span.length
        return pieces


@dataclass(frozen=True)
class Step:
    """What one assistant reply of an agent trajectory says, apart from its format (paper §4.1).

    `action` is "" when the reply calls nothing. `arguments` keep their order and JSON types.
    """

    thought: str
    action: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trajectory:
    """A conversation with its origin."""

    id: str
    dataset: str
    turns: tuple[Turn, ...]
    stream: str = ""  # chat, react, cot, instruction, negative, general; "" before `decomposed`
    tools: tuple[dict[str, Any], ...] = ()  # tool descriptions, where the source gives them as data

    def with_turns(self, turns: Iterable[Turn]) -> Trajectory:
        """The same trajectory with other turns."""
        return replace(self, turns=tuple(turns))


def turn_of(role: str, pieces: Iterable[tuple[str, str, bool]], loss: bool = True) -> Turn:
    """A turn from (text, capability, format) pieces; empty pieces vanish."""
    kept = [piece for piece in pieces if piece[0]]
    spans = tuple(Span(len(text), capability, is_format) for text, capability, is_format in kept)
    return Turn(role, "".join(text for text, _, _ in kept), loss, spans)


def to_json(trajectory: Trajectory) -> dict[str, Any]:
    """The JSON object of a trajectory. Spans stand as ``[length, capability, 0 or 1]``; empty fields are left out."""
    row: dict[str, Any] = {"id": trajectory.id, "dataset": trajectory.dataset}
    if trajectory.stream:
        row["stream"] = trajectory.stream
    if trajectory.tools:
        row["tools"] = list(trajectory.tools)
    row["turns"] = [_turn_to_json(turn) for turn in trajectory.turns]
    return row


def read_trajectories(path: Path | str, stream: str = "") -> Iterator[Trajectory]:
    """Yield the trajectories of a JSON-lines file, one at a time.

    Args:
        path: the file.
        stream: the only stream allowed; "" allows all.

    Raises:
        RecordError: a record is broken, or of another stream.
    """
    for number, row in enumerate(read_jsonl(path), 1):
        trajectory = from_json(row, path, number)
        if stream and trajectory.stream != stream:
            raise RecordError(path, f"{number} ({trajectory.id})", "stream", repr(trajectory.stream), repr(stream))
        yield trajectory


def from_json(row: dict[str, Any], path: object = "<memory>", number: int | str = 0) -> Trajectory:
    """Read a trajectory back.

    Args:
        row: the JSON object.
        path: the file, for error messages.
        number: the record's number in the file, for error messages.

    Raises:
        RecordError: a field is missing or has another type than it must.
    """
    where = f"{number} ({row.get('id', 'no id')})"
    for name, kind in (("id", str), ("dataset", str), ("turns", list)):
        if not isinstance(row.get(name), kind):
            raise RecordError(str(path), where, name, _describe(row.get(name)), f"a {kind.__name__}")
    turns = tuple(_turn_from_json(turn, str(path), where, index) for index, turn in enumerate(row["turns"]))
    return Trajectory(row["id"], row["dataset"], turns, row.get("stream", ""), tuple(row.get("tools", ())))


def _turn_to_json(turn: Turn) -> dict[str, Any]:
    row: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.role == "assistant":
        row["loss"] = turn.loss
    if turn.spans:
        row["spans"] = [[span.length, span.capability, int(span.format)] for span in turn.spans]
    return row


def _turn_from_json(row: Any, path: str, where: str, index: int) -> Turn:
    if not isinstance(row, dict):
        raise RecordError(path, where, f"turns[{index}]", _describe(row), "an object with role and content")
    role, content, spans = row.get("role"), row.get("content"), row.get("spans")
    if role not in ROLES:
        raise RecordError(path, where, f"turns[{index}].role", _describe(role), f"one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise RecordError(path, where, f"turns[{index}].content", _describe(content), "a string")
    if not spans:
        return Turn(role, content, bool(row.get("loss", False)))
    return Turn(role, content, bool(row.get("loss", False)), _spans_from_json(spans, content, path, where, index))


def _spans_from_json(rows: Any, content: str, path: str, where: str, index: int) -> tuple[Span, ...]:
    place = f"turns[{index}].spans"
    try:
        spans = tuple([Span(length, capability, bool(is_format)) for length, capability, is_format in rows])
        covered = sum([span.length for span in spans])
    except (TypeError, ValueError):
        raise RecordError(path, where, place, _describe(rows), "a list of [length, capability, 0 or 1]") from None
    if covered != len(content):
        raise RecordError(path, where, place, "lengths that do not cover the content", "one span after the other")
    for span in spans:
        if span.capability not in CAPABILITIES:
            raise RecordError(path, where, place, repr(span.capability), f"one of {', '.join(CAPABILITIES)}")
    return spans


def _describe(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"
