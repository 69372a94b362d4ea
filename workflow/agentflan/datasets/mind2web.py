"""AgentInstruct Mind2Web: one web page, one choice. ``Thought: …``, ``Answer: B.``, ``Action: CLICK`` and a value.

Upstream has a flaw that the paper does not mention: in about half of the rows seen the reply belongs to another prompt.
Which six rows the paper drops is open. The rule here is configuration (`rule`): "format" (the default) drops replies
without the format; "action" also drops replies that choose none of the elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_groups
from agentflan.datasets._replies import first_misfit, read_back
from agentflan.errors import ConfigError
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("mind2web", "fc25d47330eea0fc", 122)

RULES = ("format", "action")
NONE_OF_THE_ABOVE = "None of the above"
_REPLY = re.compile(
    r"\s*(?:Thought:\s*(?P<thought>.*?)\s*)?Answer:\s*(?P<element>[A-Z])\.?\s*"
    rf"(?:(?P<none>{NONE_OF_THE_ABOVE})\.?|Action:\s*(?P<action>[A-Z]+)(?:\s+Value:\s*(?P<value>.*?))?)\s*",
    re.DOTALL,
)


def read(folder: Path) -> Iterator[Trajectory]:
    """The trajectories; there is no demonstration."""
    return _agentinstruct.read(folder, "mind2web", lambda turns: 0)


def reject(trajectory: Trajectory, rule: str = "format") -> str | None:
    """Replies must follow the format; under the rule "action" they must also choose an element."""
    if rule not in RULES:
        raise ConfigError([f"filter of mind2web: rule {rule!r}; expected one of {', '.join(RULES)}"])
    misfit = first_misfit(trajectory, parse_reply)
    if (
        misfit is None
        and rule == "action"
        and any(NONE_OF_THE_ABOVE in turn.content for turn in trajectory.turns if turn.loss)
    ):
        return "a reply that chooses no element"
    return misfit


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought, action and element of a reply; choosing none is the action "None of the above".

    Raises:
        ValueError: the reply does not follow the format.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without Answer and Action")
    arguments = {key: match[key] for key in ("element", "value") if match[key] is not None}
    step = Step(match["thought"] or "", match["none"] or match["action"], arguments)
    capabilities = {
        "thought": REASONING,
        **dict.fromkeys(("none", "action"), RETRIEVAL),
        **dict.fromkeys(("element", "value"), UNDERSTANDING),
    }
    return step, cut_groups(reply, match, capabilities)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    thought = f"Thought: {step.thought}\n" if step.thought else ""
    answer = f"{thought}Answer: {step.arguments.get('element')}."
    if step.action == NONE_OF_THE_ABOVE:
        return read_back(f"{answer} {step.action}", step, parse_reply)
    value = f"\nValue: {step.arguments['value']}" if "value" in step.arguments else ""
    return read_back(f"{answer}\nAction: {step.action}{value}", step, parse_reply)
