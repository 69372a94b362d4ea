"""The agent that knows nothing: what it scores is the floor of a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentflan.backends import Call
from agentflan.randomness import generator

NAME = "random"


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[str]]:
    """An agent whose replies are fixed by the seed, the task and the step."""

    def reply(call: Call) -> str:
        rng = generator("random_agent", settings["seed"], benchmark.NAME, call.task["id"], call.step)
        return benchmark.random_reply(call.task, call.request, rng)

    return lambda calls: [reply(call) for call in calls]
