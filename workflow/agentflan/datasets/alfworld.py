"""AgentInstruct ALFWorld: a household in text. ``THOUGHT: …`` and ``ACTION: …``, or the action alone (most turns)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_spans
from agentflan.datasets._replies import first_misfit
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("alfworld", "302ad687bb3817a4", 336)

_REPLY = re.compile(r"\s*(?:THOUGHT:\s*(?P<thought>.*?)\s*)?ACTION:\s*(?P<command>.*?)\s*", re.DOTALL)
# The household's commands: the verb, the words between its arguments, and the names of the arguments.
_COMMANDS = [
    (name, re.compile(pattern))
    for name, pattern in (
        ("go to", r"(?P<verb>go to) (?P<place>.+)"),
        ("take", r"(?P<verb>take) (?P<object>.+) from (?P<place>.+)"),
        ("put", r"(?P<verb>put) (?P<object>.+) in/on (?P<place>.+)"),
        ("clean", r"(?P<verb>clean) (?P<object>.+) with (?P<tool>.+)"),
        ("heat", r"(?P<verb>heat) (?P<object>.+) with (?P<tool>.+)"),
        ("cool", r"(?P<verb>cool) (?P<object>.+) with (?P<tool>.+)"),
        ("open", r"(?P<verb>open) (?P<object>.+)"),
        ("close", r"(?P<verb>close) (?P<object>.+)"),
        ("toggle", r"(?P<verb>toggle) (?P<object>.+)"),
        ("use", r"(?P<verb>use) (?P<object>.+)"),
        ("examine", r"(?P<verb>examine) (?P<object>.+)"),
        ("look", r"(?P<verb>look)"),
        ("inventory", r"(?P<verb>inventory)"),
    )
]
_OTHER = re.compile(r"(?P<verb>\S*)(?: (?P<words>.*))?", re.DOTALL)  # a verb that the household does not know


def read(folder: Path) -> Iterator[Trajectory]:
    """The trajectories after the acknowledged instruction."""
    return _agentinstruct.read(folder, "alfworld", _agentinstruct.start_at("Here is your task."))


def reject(trajectory: Trajectory) -> str | None:
    """Every reply must hold an action; a thought is not asked for (all 336 stay)."""
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought and command of a reply.

    Raises:
        ValueError: the reply has no action.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without ACTION")
    command = next((found for _, each in _COMMANDS if (found := each.fullmatch(match["command"]))), None)
    command = command or _OTHER.fullmatch(match["command"])
    arguments = {key: text for key, text in command.groupdict().items() if key != "verb" and text is not None}
    offset = match.start("command")
    spans = [(offset + command.start("verb"), offset + command.end("verb"), RETRIEVAL)]
    spans += [(offset + command.start(key), offset + command.end(key), UNDERSTANDING) for key in arguments]
    if match["thought"]:
        spans.append((*match.span("thought"), REASONING))
    return Step(match["thought"] or "", command["verb"], arguments), cut_spans(reply, spans)
