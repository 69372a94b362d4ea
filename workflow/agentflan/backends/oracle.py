"""The agent that knows: it plays the gold solution. Its score shows that a benchmark can be solved as it is played."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentflan.backends import Call

NAME = "oracle"


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[str]]:
    """An agent that gives the gold replies one by one, and nothing after the last."""

    def reply(call: Call) -> str:
        replies = benchmark.gold_replies(call.task, settings)
        gold = replies[call.step] if call.step < len(replies) else ""
        return gold(call.request) if callable(gold) else gold

    return lambda calls: [reply(call) for call in calls]
