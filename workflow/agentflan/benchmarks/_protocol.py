"""What a benchmark's episode and the runner say to each other."""

from __future__ import annotations

from dataclasses import dataclass

OUTCOMES = ("completed", "context_limit", "invalid_action", "task_limit", "task_error")


@dataclass(frozen=True)
class Request:
    """One call of the model.

    Attributes:
        messages: chat turns (role, content); () when `prompt` is a raw completion.
        prompt: raw text to be continued, or "" when `messages` is used.
        prefix: text that the reply must start with; it is part of what the model is given, not of what it returns.
        stop: strings at which the reply is cut (not included).
        max_new_tokens: limit of the reply.
    """

    messages: tuple[tuple[str, str], ...] = ()
    prompt: str = ""
    prefix: str = ""
    stop: tuple[str, ...] = ()
    max_new_tokens: int = 128
