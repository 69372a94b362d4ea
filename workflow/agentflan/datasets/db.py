"""AgentInstruct Database: SQL on a table. A thought, then ``Action: Operation`` with SQL or ``Action: Answer``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agentflan.datasets import _agentinstruct
from agentflan.datasets._pieces import Pieces, cut_groups
from agentflan.datasets._replies import fill, first_misfit, read_back
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Step, Trajectory

KIND = "agent"
SOURCE = _agentinstruct.source("db", "916a87c4725da8c0", 538)

_REPLY = re.compile(
    r"\s*(?P<thought>.*?)\s*Action:\s*(?:(?P<operation>Operation)\s*```(?:sql)?\s*(?P<sql>.*?)\s*```"
    r"|(?P<answer>Answer)\s*Final Answer:\s*(?P<value>.*?))\s*",
    re.DOTALL | re.IGNORECASE,
)
_CALLS = {"Operation": "Operation\n```sql\n{sql}\n```", "Answer": "Answer\nFinal Answer: {answer}"}


def read(folder: Path) -> Iterator[Trajectory]:
    """The trajectories after the acknowledged instruction."""
    return _agentinstruct.read(folder, "db", _agentinstruct.start_after_ok)


def reject(trajectory: Trajectory) -> str | None:
    """Every reply must hold one action; a missing thought or a missing last answer is no reason (all 538 stay)."""
    return first_misfit(trajectory, parse_reply)


def parse_reply(reply: str) -> tuple[Step, Pieces]:
    """Thought and action of a reply.

    Raises:
        ValueError: the reply has no action.
    """
    match = _REPLY.fullmatch(reply)
    if match is None:
        raise ValueError("a reply without Action: Operation or Action: Answer")
    if match["operation"]:
        step = Step(match["thought"], "Operation", {"sql": match["sql"]})
    else:
        step = Step(match["thought"], "Answer", {"answer": match["value"]})
    capabilities = {
        "thought": REASONING,
        **dict.fromkeys(("operation", "answer"), RETRIEVAL),
        **dict.fromkeys(("sql", "value"), UNDERSTANDING),
    }
    return step, cut_groups(reply, match, capabilities)


def render_reply(step: Step) -> Pieces:
    """The reply of a step in the usual layout; `parse_reply` reads the step back.

    Raises:
        ValueError: the format cannot hold the step.
    """
    thought = f"{step.thought}\n" if step.thought else ""
    return read_back(f"{thought}Action: {fill(_CALLS, step)}", step, parse_reply)
