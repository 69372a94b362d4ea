"""Models behind an OpenAI-compatible server: asked side by side, retried, capped, kept in a file so a rerun is free.

`agentflan.replies` does the asking. The server applies its own chat template. A raw prompt is sent as one user turn, as
BOLAA does with chat models, or as it is where the server completes text (`raw`). Replies are cut at the stop strings
here, too, because servers take four at the most. Choices are not compared: the model replies freely, and the benchmark
reads its choice. A chat reply that must be begun for the model (HumanEval's protocol `instruct`) cannot be asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.backends import Call, Reply, cut
from agentflan.benchmarks._protocol import Request
from agentflan.errors import ConfigError, NotAvailable
from agentflan.purse import canonical
from agentflan.replies import Question, ReplySettings, ask
from agentflan.reply_cache import Answer

NAME = "openai"

_MOST_STOPS = 4
_OWN = {  # settings beside those of ReplySettings
    "cache": "results/replies",  # folder of the replies
    "raw": "chat",  # how a raw prompt is sent: chat or completions
    "temperature": 0.0,
    "seed": None,  # sent if given; servers may ignore it
    "limit_name": "max_tokens",  # newer models of OpenAI want max_completion_tokens
}


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[Reply]]:
    """An agent that asks `model`.

    Args:
        model: the server's name of it.
        settings: `api` holds fields of `ReplySettings` and `cache`, `raw`, `temperature`, `seed`, `limit_name`.

    Raises:
        ConfigError: `api` holds something else.
    """
    options = _OWN | settings["api"]
    asked = _reply_settings(model, benchmark, {key: value for key, value in options.items() if key not in _OWN})
    file = Path(options["cache"]) / model.replace("/", "_") / f"{benchmark.NAME}.jsonl"

    def reply(calls: list[Call]) -> list[Reply]:
        requests = [call.request for call in calls]
        answers = ask([_question(request, asked, options) for request in requests], file, asked)
        return [_reply(answer, request) for answer, request in zip(answers, requests, strict=True)]

    return reply


def _reply_settings(model: str, benchmark: ModuleType, given: dict[str, Any]) -> ReplySettings:
    known = [field.name for field in fields(ReplySettings) if field.name not in ("model", "may_be_empty", "max_tokens")]
    wrong = sorted(set(given) - set(known))
    if wrong:
        expected = ", ".join(sorted([*known, *_OWN]))
        raise ConfigError([f"settings of {benchmark.NAME}: key api: found {', '.join(wrong)}; expected {expected}"])
    return ReplySettings(model, **given, may_be_empty=True)


def _question(request: Request, settings: ReplySettings, options: dict[str, Any]) -> Question:
    """What the server is told; whatever changes the reply is part of the key, so is the server's address.

    Raises:
        NotAvailable: a chat reply must begin with the request's prefix, and no choice is asked for.
    """
    if request.messages and request.prefix and not request.choices:
        raise NotAvailable(
            "chat servers cannot continue a reply that was begun for them; choose a protocol of the benchmark that "
            "begins none"
        )
    body: dict[str, Any] = {options["limit_name"]: request.max_new_tokens, "temperature": options["temperature"]}
    if request.prompt and options["raw"] == "completions":
        body["prompt"] = request.prompt + request.prefix
    else:
        turns = request.messages or (("user", request.prompt + request.prefix),)
        body["messages"] = [{"role": role, "content": content} for role, content in turns]
    if request.stop:
        body["stop"] = list(request.stop[:_MOST_STOPS])
    if options["seed"] is not None:
        body["seed"] = options["seed"]
    identity = {"model": settings.model, "base_url": settings.base_url, **body}
    return Question(hashlib.sha256(canonical(identity)).hexdigest(), body)


def _reply(answer: Answer, request: Request) -> Reply:
    return Reply(cut(answer.text, request.stop), answer.prompt_tokens or 0, answer.reply_tokens or 0, answer.fault)
