"""AgentInstruct WebShop: buying on a web shop. ``Thought:`` and ``Action:``, the text of each on the next line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_groups
from agentflan.datasets._replies import fill, first_misfit, read_back
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("webshop", "9f2ae60445e11b4e", 351)

_REPLY = re.compile(
    r"\s*(?:Thought:\s*(?P<thought>.*?)\s*)?Action:\s*(?P<action>search|click)\[(?P<value>[^\n]*)\]\s*", re.DOTALL
)
_ARGUMENT = {"search": "query", "click": "element"}
_CALLS = {action: f"{action}[{{{argument}}}]" for action, argument in _ARGUMENT.items()}


def read(folder: Path) -> Iterator[Trajectory]:
    """The trajectories after the acknowledged instruction."""
    return _agentinstruct.read(folder, "webshop", _agentinstruct.start_after_ok)


def reject(trajectory: Trajectory) -> str | None:
    """Every reply must be a thought with a search or a click."""
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought and action of a reply.

    Raises:
        ValueError: the reply has neither search nor click.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without search[…] or click[…]")
    step = Step(match["thought"] or "", match["action"], {_ARGUMENT[match["action"]]: match["value"]})
    capabilities = {"thought": REASONING, "action": RETRIEVAL, "value": UNDERSTANDING}
    return step, cut_groups(reply, match, capabilities)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    thought = f"Thought:\n{step.thought}\n\n" if step.thought else ""
    return read_back(f"{thought}Action:\n{fill(_CALLS, step)}", step, parse_reply)
