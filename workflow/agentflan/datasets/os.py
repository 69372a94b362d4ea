"""AgentInstruct OS: bash sessions on a Linux machine. ``Think: …`` and ``Act: bash | answer(…) | finish``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_groups
from agentflan.datasets._replies import fill, first_misfit, read_back
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("os", "971539c34fcc7500", 195)

_MARKER = "Now, I will start a new problem in a new OS. My problem is:"
_REPLY = re.compile(
    r"\s*(?:Think:\s*(?P<thought>.*?)\s*)?Act:\s*"
    r"(?:(?P<bash>bash)\s*```(?:bash|sh|python)?[ \t]*\n?(?P<command>.*?)\s*```"
    r"|(?P<answer>answer)\((?P<value>.*)\)|(?P<finish>finish))\s*",
    re.DOTALL,
)
_CALLS = {"bash": "bash\n\n```bash\n{command}\n```", "answer": "answer({answer})", "finish": "finish"}


def read(folder: Path) -> Iterator[Trajectory]:
    """The trajectories; the instruction's example question is cut out of the first turn."""
    for trajectory in _agentinstruct.read(folder, "os", _agentinstruct.start_at(_MARKER), join=True):
        first = trajectory.turns[0]
        instruction, _, rest = first.content.partition("Now, my problem is:")
        task = rest.partition(_MARKER)[2] or rest
        text = f"{instruction}Now, my problem is:{task}" if rest else first.content
        yield trajectory.with_turns([type(first)("user", text), *trajectory.turns[1:]])


def reject(trajectory: Trajectory) -> str | None:
    """Every reply must be a thought with one action."""
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought and action of a reply.

    Raises:
        ValueError: the reply has no action.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without Think and Act")
    action = match["bash"] or match["answer"] or match["finish"]
    arguments = {
        key: match[group] for key, group in (("command", "command"), ("answer", "value")) if match[group] is not None
    }
    capabilities = {
        "thought": REASONING,
        **dict.fromkeys(("bash", "answer", "finish"), RETRIEVAL),
        **dict.fromkeys(("command", "value"), UNDERSTANDING),
    }
    return Step(match["thought"] or "", action, arguments), cut_groups(reply, match, capabilities)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    thought = f"Think: {step.thought}\n\n" if step.thought else ""
    return read_back(f"{thought}Act: {fill(_CALLS, step)}", step, parse_reply)
