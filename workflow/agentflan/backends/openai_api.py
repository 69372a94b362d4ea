"""Models behind an OpenAI-compatible server: asked concurrently, retried, and kept in a file so that a rerun is free.

`agentflan.replies` does the asking. The server applies its own chat template; a raw prompt is sent as one user turn, as
BOLAA does with chat models. Replies are cut at the stop strings here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call
from agentflan.benchmarks._protocol import Request
from agentflan.errors import ConfigError, NotAvailable
from agentflan.replies import ReplySettings, fetch_replies

NAME = "openai"


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[str]]:
    """An agent that asks `model`.

    Args:
        model: the server's name of it.
        settings: `api` holds fields of `ReplySettings` and "cache", a folder (default results/replies).

    Raises:
        ConfigError: `api` holds something else.
    """
    options = dict(settings["api"])
    cache = Path(options.pop("cache", "results/replies"))
    try:
        ReplySettings(model, **options)
    except TypeError as error:
        raise ConfigError([f"settings of {benchmark.NAME}: key api: {error}"]) from None
    return lambda calls: _ask([call.request for call in calls], model, options, cache)


def _ask(requests: list[Request], model: str, options: dict[str, Any], cache: Path) -> list[str]:
    """One reply a request. Requests of one length limit share a cache file, because the limit changes replies."""
    replies: dict[int, str] = {}
    for limit in sorted({request.max_new_tokens for request in requests}):
        places = [place for place, request in enumerate(requests) if request.max_new_tokens == limit]
        asked = ReplySettings(model, **{**options, "max_tokens": limit})
        file = cache / f"{model.replace('/', '_')}.{limit}.jsonl"
        texts = fetch_replies([_messages(requests[place]) for place in places], file, asked)
        replies.update(zip(places, texts, strict=True))
    return [cut(replies[place], request.stop) for place, request in enumerate(requests)]


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first stop string."""
    ends = [text.find(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


def _messages(request: Request) -> list[dict[str, str]]:
    if request.prefix:
        raise NotAvailable("chat servers cannot continue a reply that was begun for them (Request.prefix)")
    turns = request.messages or (("user", request.prompt),)
    return [{"role": role, "content": content} for role, content in turns]
