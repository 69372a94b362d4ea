"""What the formats of the agent corpora share: the filter rule of paper App. B, and replies written from steps."""

from __future__ import annotations

from collections.abc import Callable

from agentflan.datasets._pieces import Pieces
from agentflan.records import Step, Trajectory

ParseReply = Callable[[str], tuple[Step, Pieces]]


def first_misfit(trajectory: Trajectory, parse_reply: ParseReply) -> str | None:
    """Why the first reply that does not follow Thought-Action-ActionInput does not; None if all do."""
    replies = [turn.content for turn in trajectory.turns if turn.loss]
    for reply in replies:
        try:
            parse_reply(reply)
        except ValueError as error:
            return str(error)
    return None if replies else "no reply to train on"


def fill(calls: dict[str, str], step: Step) -> str:
    """The call of a step, from the layout of its action.

    Args:
        calls: a format string over the arguments, for each action.
        step: the call to write.

    Raises:
        ValueError: there is no such action, or it lacks an argument.
    """
    try:
        return calls[step.action].format(**step.arguments)
    except KeyError as error:
        raise ValueError(f"the format cannot hold {step}: it lacks {error}") from None


def read_back(reply: str, step: Step, parse_reply: ParseReply) -> Pieces:
    """The pieces of a reply, which must be read as the step from which it was written.

    Raises:
        ValueError: it is not: the format cannot hold the step.
    """
    found, pieces = parse_reply(reply)
    if found != step:
        raise ValueError(f"the format cannot hold {step}: it would be read as {found}")
    return pieces
