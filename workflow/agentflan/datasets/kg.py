"""AgentInstruct Knowledge Graph: queries on Freebase. ``Thought: …``, ``Action: tool(…)`` or ``Final Answer: #k``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_spans
from agentflan.datasets._replies import first_misfit, read_back
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("kg", "9e159f6d0557d229", 324)

_REPLY = re.compile(
    r"\s*Thought:\s*(?P<thought>.*?)\s*(?:Action:\s*(?P<action>\w+)\((?P<arguments>[^\n]*)\)|"
    r"(?P<final>Final Answer):\s*(?P<answer>.*?))\s*",
    re.DOTALL,
)
_ACTION_LINE = re.compile(r"^(?:Action|Final Answer):", re.MULTILINE)
_ARGUMENT = re.compile(r"[^,\s](?:[^,]*[^,\s])?")


def read(folder: Path) -> Iterator[Trajectory]:
    """The trajectories after the acknowledged instruction."""
    return _agentinstruct.read(folder, "kg", _agentinstruct.start_at("A new question:"))


def reject(trajectory: Trajectory) -> str | None:
    """Every reply must be a thought with one action or the final answer."""
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought and action of a reply; the tools name no arguments, so they are argument_1, argument_2, …

    Raises:
        ValueError: the reply lacks the thought or the action, or has more than one action.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without Thought, or with neither Action nor Final Answer")
    if len(_ACTION_LINE.findall(reply)) > 1:
        raise ValueError("a reply with more than one action")
    spans = [(*match.span("thought"), REASONING)]
    if match["final"]:
        spans += [(*match.span("final"), RETRIEVAL), (*match.span("answer"), UNDERSTANDING)]
        return Step(match["thought"], "Final Answer", {"answer": match["answer"]}), cut_spans(reply, spans)
    found = list(_ARGUMENT.finditer(reply, *match.span("arguments")))
    arguments = {f"argument_{number}": argument[0] for number, argument in enumerate(found, 1)}
    spans += [(*match.span("action"), RETRIEVAL), *((*argument.span(), UNDERSTANDING) for argument in found)]
    return Step(match["thought"], match["action"], arguments), cut_spans(reply, spans)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    listed = ", ".join(map(str, step.arguments.values()))
    call = f"Final Answer: {listed}" if step.action == "Final Answer" else f"Action: {step.action}({listed})"
    return read_back(f"Thought: {step.thought}\n{call}", step, parse_reply)
