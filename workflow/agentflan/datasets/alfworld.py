"""AgentInstruct ALFWorld: a household in text. ``THOUGHT: …`` and ``ACTION: …``, or the action alone (most turns)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_spans
from agentflan.datasets._replies import fill, first_misfit, read_back
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("alfworld", "302ad687bb3817a4", 336)

_REPLY = re.compile(r"\s*(?:THOUGHT:\s*(?P<thought>.*?)\s*)?ACTION:\s*(?P<command>\S.*?)\s*", re.DOTALL)
# The household's commands: the verb, then its arguments with the words between them.
_COMMANDS = (
    "go to {place}",
    "take {object} from {place}",
    "put {object} in/on {place}",
    "clean {object} with {tool}",
    "heat {object} with {tool}",
    "cool {object} with {tool}",
    "open {object}",
    "close {object}",
    "toggle {object}",
    "use {object}",
    "examine {object}",
    "look",
    "inventory",
)
_CALLS = {command.partition(" {")[0]: command for command in _COMMANDS}
_PATTERNS = [
    re.compile(f"(?P<verb>{verb})" + re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", command.removeprefix(verb)))
    for verb, command in _CALLS.items()
]
_OTHER = re.compile(r"(?P<verb>\S+)(?:\s(?P<words>.*))?", re.DOTALL)  # a verb that the household does not know


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
    matches = (pattern.fullmatch(match["command"]) for pattern in (*_PATTERNS, _OTHER))
    command = next(filter(None, matches))
    arguments = {key: text for key, text in command.groupdict().items() if key != "verb" and text is not None}
    offset = match.start("command")
    spans = [(offset + command.start("verb"), offset + command.end("verb"), RETRIEVAL)]
    spans += [(offset + command.start(key), offset + command.end(key), UNDERSTANDING) for key in arguments]
    if match["thought"]:
        spans.append((*match.span("thought"), REASONING))
    return Step(match["thought"] or "", command["verb"], arguments), cut_spans(reply, spans)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    thought = f"THOUGHT: {step.thought}\n" if step.thought else ""
    words = map(str, step.arguments.values())
    call = fill(_CALLS, step) if step.action in _CALLS else " ".join([step.action, *words])
    return read_back(f"{thought}ACTION: {call}", step, parse_reply)
