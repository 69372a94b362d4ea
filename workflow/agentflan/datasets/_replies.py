"""Filter rules that agent corpora share (paper App. B: drop what does not follow Thought-Action-ActionInput)."""

from __future__ import annotations

from collections.abc import Callable

from agentflan.records import Trajectory


def first_misfit(trajectory: Trajectory, parse_reply: Callable[[str], object]) -> str | None:
    """Why the first reply that does not follow the format does not; None if all do."""
    for turn in trajectory.turns:
        if turn.role == "assistant" and turn.loss:
            try:
                parse_reply(turn.content)
            except ValueError as error:
                return str(error)
    return None
