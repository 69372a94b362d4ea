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

from pydantic import ConfigDict, Field, ValidationError, model_validator

from agentflan.backends import Call, Reply, cut
from agentflan.benchmarks._protocol import Request
from agentflan.errors import ConfigError, NotAvailable
from agentflan.purse import canonical
from agentflan.replies import Question, ReplySettings, ask
from agentflan.reply_cache import Answer
from agentflan.study import ApiModel

NAME = "openai"

_MOST_STOPS = 4
_PASSED_ON = {field.name for field in fields(ReplySettings)} & set(ApiModel.model_fields)


class _Settings(ApiModel):
    """The block of a study, as it is given to a benchmark: with the folder of the replies."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    cache: str = Field("results/replies", min_length=1)

    @model_validator(mode="after")
    def _has_a_cap(self) -> _Settings:
        """Not here: replies that are kept cost nothing, and `ask` refuses to send a request without a cap."""
        return self


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[Reply]]:
    """An agent that asks `model`.

    Args:
        model: the server's name of it.
        settings: `api` holds fields of `agentflan.study.ApiModel` and `cache`, the folder of the replies.

    Raises:
        ConfigError: `api` holds something else.
    """
    options = _settings(model, benchmark, settings["api"])
    asked = ReplySettings(**options.model_dump(include=_PASSED_ON), may_be_empty=True)
    file = Path(options.cache) / model.replace("/", "_") / f"{benchmark.NAME}.jsonl"

    def reply(calls: list[Call]) -> list[Reply]:
        requests = [call.request for call in calls]
        answers = ask([_question(request, options) for request in requests], file, asked)
        return [_reply(answer, request) for answer, request in zip(answers, requests, strict=True)]

    return reply


def _settings(model: str, benchmark: ModuleType, given: Any) -> _Settings:
    """The block `api`, checked as a study's.

    Raises:
        ConfigError: all that is wrong with it.
    """
    place = f"settings of {benchmark.NAME}: key api"
    if not isinstance(given, dict):
        raise ConfigError([f"{place}: found {given!r}; expected an object"])
    if "model" in given:
        raise ConfigError([f"{place}.model: found {given['model']!r}; expected --model alone to name the model"])
    try:
        return _Settings(model=model, **given)
    except ValidationError as error:
        raise ConfigError([_sentence(place, problem) for problem in error.errors()]) from None


def _sentence(place: str, problem: Any) -> str:
    """What is wrong with one key."""
    if problem["type"] == "extra_forbidden":
        known = ", ".join(sorted(set(_Settings.model_fields) - {"model"}))
        return f"{place}: found {problem['loc'][0]}; expected {known}"
    expected = problem["msg"].replace("Input should be", "expected")  # pydantic's words
    return f"{place}.{problem['loc'][0]}: found {problem['input']!r}; {expected}"


def _question(request: Request, options: _Settings) -> Question:
    """What the server is told; whatever changes the reply is part of the key, so is the server's address.

    Raises:
        NotAvailable: a chat reply must begin with the request's prefix, and no choice is asked for.
    """
    if request.messages and request.prefix and not request.choices:
        raise NotAvailable(
            "chat servers cannot continue a reply that was begun for them; choose a protocol of the benchmark that "
            "begins none"
        )
    body: dict[str, Any] = {options.limit_name: request.max_new_tokens, "temperature": options.temperature}
    if request.prompt and options.raw == "completions":
        body["prompt"] = request.prompt + request.prefix
    else:
        turns = request.messages or (("user", request.prompt + request.prefix),)
        body["messages"] = [{"role": role, "content": content} for role, content in turns]
    if request.stop:
        body["stop"] = list(request.stop[:_MOST_STOPS])
    if options.seed is not None:
        body["seed"] = options.seed
    identity = {"model": options.model, "base_url": options.base_url, **body}
    return Question(hashlib.sha256(canonical(identity)).hexdigest(), body)


def _reply(answer: Answer, request: Request) -> Reply:
    return Reply(cut(answer.text, request.stop), answer.prompt_tokens or 0, answer.reply_tokens or 0, answer.fault)
