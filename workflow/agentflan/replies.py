"""Replies of a model behind an OpenAI-compatible server: asked once, side by side, retried, kept in a file for good.

What is in the file (`agentflan.reply_cache`) costs nothing, needs no key and no network. The key of the server is read
from the environment when a request is made; it is in no setting, file, log or message, and is struck out of replies.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time
from typing import Any, NamedTuple

from agentflan.errors import AgentFlanError, ConfigError, NotAvailable
from agentflan.purse import Cost, Purse, Tariff, canonical, prompt_tokens, text_tokens
from agentflan.randomness import unit
from agentflan.reply_cache import Answer, append_answer, count_of, read_answers, writable

log = logging.getLogger(__name__)

Messages = list[dict[str, str]]

_RETRIED = (408, 409, 429)  # besides every status from 500 on
_QUOTA = "insufficient_quota"  # comes as 429, but waiting does not help
_HIGHEST_PORT = 65_535
_TOO_LONG = ("context_length_exceeded", "context length", "maximum context")  # OpenAI's code; words of local servers


@dataclass(frozen=True)
class ReplySettings:
    """How to ask.

    Attributes:
        model: the server's name of the model; part of the cache key.
        base_url: address of an OpenAI-compatible server; None is OPENAI_BASE_URL or, without it, OpenAI.
        key_name: environment variable that holds the server's key.
        concurrency: requests in flight at once.
        attempts: tries a request before it counts as failed.
        timeout: seconds a try, from the first byte sent to the last received.
        backoff: seconds before the second try; doubled for each further one, at most `longest_pause`.
        longest_pause: seconds; a server that asks to wait longer (Retry-After) counts as out of reach.
        max_tokens: longest reply.
        prompt_price, reply_price: US dollars for a million tokens.
        max_cost, max_total_tokens: caps over all that the cache file holds and this run asks.
        may_be_empty: an empty reply is a reply; else it is asked for again.

    Raises:
        ConfigError: a count with which nothing would ever be asked.
    """

    model: str
    base_url: str | None = None
    key_name: str = "OPENAI_API_KEY"
    concurrency: int = 8
    attempts: int = 6
    timeout: float = 60.0
    backoff: float = 1.0
    longest_pause: float = 60.0
    max_tokens: int = 512
    prompt_price: float | None = None
    reply_price: float | None = None
    max_cost: float | None = 1.0
    max_total_tokens: int | None = None
    may_be_empty: bool = False

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("concurrency", "attempts", "max_tokens")}
        wrong = [f"{name}: found {count!r}" for name, count in counts.items() if type(count) is not int or count < 1]
        if wrong:
            raise ConfigError(
                [f"settings of {self.model}: key {each}; expected a whole number from 1" for each in wrong]
            )

    @property
    def tariff(self) -> Tariff:
        """The prices and caps."""
        return Tariff(self.prompt_price, self.reply_price, self.max_cost, self.max_total_tokens)

    def key(self) -> str:
        """The server's key, "" if it is not set."""
        return os.environ.get(self.key_name, "")


class Question(NamedTuple):
    """One request.

    Attributes:
        key: its name in the cache.
        body: what the server is told beside the model: "messages" or "prompt", "max_tokens" or
            "max_completion_tokens", and more.
    """

    key: str
    body: dict[str, Any]


def cache_key(model: str, messages: Messages) -> str:
    """The name of a conversation in the cache.

    SHA-256, in hex, of the UTF-8 bytes of ``{"messages":[{"content":…,"role":…},…],"model":…}``: JSON with sorted keys,
    no spaces and no escaped letters.
    """
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
    return hashlib.sha256(canonical({"model": model, "messages": turns})).hexdigest()


def fetch_replies(conversations: list[Messages], cache: Path, settings: ReplySettings) -> list[str]:
    """One greedy reply for each conversation, in order.

    Args:
        conversations: what to send; equal ones are sent once.
        cache: the JSON-lines file of replies; read first, appended to as replies come in.
        settings: the model and the limits.

    Raises:
        NotAvailable: replies are missing and no key is set, or the server cannot be used or refuses one of them.
        AgentFlanError: the spending cap is reached; what was answered before stays in the cache.
    """
    common = {"max_tokens": settings.max_tokens, "temperature": 0}
    questions = [
        Question(cache_key(settings.model, messages), {"messages": messages, **common}) for messages in conversations
    ]
    answers = ask(questions, cache, settings)
    faults = sorted({answer.fault for answer in answers if answer.fault})
    if faults:
        raise NotAvailable(f"{settings.model} refused a request ({', '.join(faults)})")
    return [answer.text for answer in answers]


def ask(questions: Sequence[Question], cache: Path, settings: ReplySettings) -> list[Answer]:
    """The answers, in order; what the cache holds is not asked again.

    Raises:
        ConfigError: no cap that can be kept is set, or `base_url` is no address.
        NotAvailable: no key is set, or the server lets nobody in, was never reached or answers nothing well.
        AgentFlanError: the cap is reached, or the server went away; what was answered before stays in the cache.
    """
    known = read_answers(cache)
    missing = {question.key: question for question in questions if question.key not in known}
    if missing:
        _check_key(settings)
        settings.tariff.check(settings.model)
        before = _spent_before(known, questions, settings)
        log.info(_estimate_sentence(list(missing.values()), before, settings))
        known |= asyncio.run(_ask_all(list(missing.values()), cache, before, bool(known), settings))
    return [known[question.key] for question in questions]


def highest_cost(body: dict[str, Any], settings: ReplySettings) -> Cost:
    """What one try costs whose reply is as long as allowed."""
    return settings.tariff.cost(prompt_tokens(body), _longest_reply(body))


def _spent_before(known: dict[str, Answer], questions: Sequence[Question], settings: ReplySettings) -> Cost:
    """What the file's replies have cost. Where a line does not say, its texts tell; a prompt's only if it is asked."""
    bodies, spent = {question.key: question.body for question in questions}, Cost()
    for key, answer in known.items():
        asked, replied = answer.prompt_tokens, answer.reply_tokens
        if asked is None:
            asked = prompt_tokens(bodies[key]) if key in bodies else 0
        spent = spent.plus(settings.tariff.cost(asked, text_tokens(answer.text) if replied is None else replied))
    return spent


def _longest_reply(body: dict[str, Any]) -> int:
    """Tokens; newer models of OpenAI have another name for the limit."""
    return body["max_tokens"] if "max_tokens" in body else body["max_completion_tokens"]


def _estimate_sentence(missing: list[Question], before: Cost, settings: ReplySettings) -> str:
    prompts = sum(prompt_tokens(question.body) for question in missing)
    longest = sum(_longest_reply(question.body) for question in missing)
    priced = settings.prompt_price is not None and settings.reply_price is not None
    dollars = f"${settings.tariff.cost(prompts, longest).dollars:.2f}" if priced else "an unknown price"
    return (
        f"{len(missing)} replies to ask of {settings.model}: about {prompts:,} prompt tokens and at most {longest:,} "
        f"reply tokens, at most {dollars} (cap {settings.tariff.limits()}, of which ${before.dollars:.2f} and "
        f"{before.tokens:,} tokens are spent)"
    )


@dataclass
class _Desk:
    """What the requests of one run share."""

    client: Any
    settings: ReplySettings
    cache: Path
    places: asyncio.Semaphore
    purse: Purse
    answered: bool
    answers: dict[str, Answer] = field(default_factory=dict)
    failure: Exception | None = None


async def _ask_all(
    missing: list[Question], cache: Path, before: Cost, answered: bool, settings: ReplySettings
) -> dict[str, Answer]:
    async with _open_client(settings) as client:
        places, purse = asyncio.Semaphore(settings.concurrency), Purse(settings.tariff, before)
        desk = _Desk(client, settings, cache, places, purse, answered)
        await asyncio.gather(*(_ask_one(question, desk) for question in missing))
    spent = desk.purse.spent
    log.info(f"{len(desk.answers)} replies received; so far ${spent.dollars:.4f}, {spent.tokens:,} tokens")
    if desk.failure:
        raise desk.failure
    if not desk.answered and desk.answers:  # a server that refuses everything is asked wrongly
        raise NotAvailable(
            f"{settings.model} answered no request (status 4xx, or no reply in what it sent); see its settings"
        )
    return desk.answers


def _check_key(settings: ReplySettings) -> None:
    if not settings.key():
        name = settings.key_name
        raise NotAvailable(
            f"replies of {settings.model} are missing from the cache and {name} is not set; set it to your key "
            "(any word for a server of your own, with base_url or OPENAI_BASE_URL) or give a cache that holds them"
        )


@asynccontextmanager
async def _open_client(settings: ReplySettings) -> AsyncIterator[Any]:
    from openai import AsyncOpenAI

    for noisy in ("httpx", "httpx2", "openai"):  # they log addresses, which may hold a password
        logging.getLogger(noisy).setLevel(logging.WARNING)
    options = {"api_key": settings.key(), "base_url": settings.base_url, "timeout": settings.timeout}
    try:
        opened = AsyncOpenAI(**options, max_retries=0)
        if not opened.base_url.host or (opened.base_url.port or 0) > _HIGHEST_PORT:
            raise ValueError
    except Exception:  # the client's URLs have errors of their own; what they say may hold a password
        expected = "expected the address of a server, such as http://host:8000/v1"
        raise ConfigError(
            [f"model {settings.model}: base_url (or OPENAI_BASE_URL) is no address; {expected}"]
        ) from None
    async with opened as client:
        yield client


async def _ask_one(question: Question, desk: _Desk) -> None:
    """Ask one question. After a failure none is begun, but those on their way are let finish: they are paid for."""
    async with desk.places:
        if desk.failure:
            return
        try:
            answer = await _try_until_answered(question, desk)
            if not answer.fault:
                append_answer(desk.cache, question.key, desk.settings.model, answer)
        except Exception as error:  # whatever it is, it is raised when the others have been answered and kept
            desk.failure = desk.failure or error
            return
    desk.answers[question.key] = answer
    desk.answered = desk.answered or not answer.fault


async def _try_until_answered(question: Question, desk: _Desk) -> Answer:
    settings, trouble, pause = desk.settings, None, 0.0
    for attempt in range(1, settings.attempts + 1):
        if trouble:
            await asyncio.sleep(pause)
            if desk.failure:
                raise desk.failure
        highest = highest_cost(question.body, settings)
        await desk.purse.book(highest)
        try:
            answer = await _send(question.body, desk)
        except Exception as error:
            trouble = _read_trouble(error, settings)
            await desk.purse.settle(highest, highest if trouble.paid else Cost())
        else:
            await desk.purse.settle(highest, settings.tariff.cost(answer.prompt_tokens, answer.reply_tokens))
            return answer
        pause = max(_pause(question.key, attempt, settings), trouble.wait)
        if trouble.final or trouble.wait > settings.longest_pause:
            break
    if trouble.fault:
        log.info(f"{settings.model}: {trouble.sentence}; counted as {trouble.fault}")
        return Answer("", fault=trouble.fault)
    kind = AgentFlanError if desk.answered and not trouble.final else NotAvailable
    raise kind(
        f"{settings.model} gave no reply ({trouble.sentence}); the replies received are kept: repeat the command "
        "to go on"
    )


async def _send(body: dict[str, Any], desk: _Desk) -> Answer:
    """One try.

    Raises:
        ValueError: what came back is no reply; `_OddReply` if it is of this kind because of what was asked.
    """
    chat = "messages" in body
    endpoint = desk.client.chat.completions if chat else desk.client.completions
    async with asyncio.timeout(desk.settings.timeout):
        completion = await endpoint.create(model=desk.settings.model, **body)
    choices = getattr(completion, "choices", None)
    if choices is None:
        raise ValueError("no completion")  # such as a proxy's page
    try:
        text = _text(choices[0].message.content if chat else choices[0].text)
    except (AttributeError, TypeError, LookupError):  # the client checks no types
        raise _OddReply("choices that hold no text") from None
    if not (text or desk.settings.may_be_empty):
        raise ValueError("an empty reply")
    usage = getattr(completion, "usage", None)
    asked, replied = (count_of(getattr(usage, name, None)) for name in ("prompt_tokens", "completion_tokens"))
    return Answer(
        text.replace(desk.settings.key(), "[key]"),
        prompt_tokens(body) if asked is None else asked,  # what was booked, where the server does not count
        _longest_reply(body) if replied is None else replied,
    )


class _OddReply(ValueError):
    """The server has answered, and what it says cannot be read as a reply to this request."""


def _text(content: Any) -> str:
    """A reply's text; that of its text parts, where a server sends a list of parts.

    Raises:
        TypeError, LookupError: it is neither.
    """
    if isinstance(content, list):
        content = "".join([part["text"] for part in content if part["type"] == "text"])
    if not isinstance(content, str | None):
        raise TypeError
    return writable(content or "")


def _pause(key: str, attempt: int, settings: ReplySettings) -> float:
    """Seconds: doubled each time, up to half as much again so that requests do not return all at once."""
    longest = min(settings.longest_pause, settings.backoff * 2 ** (attempt - 1))
    return longest * (1 + unit("pause", key, attempt) / 2)


class _Trouble(NamedTuple):
    """Why a try failed.

    Attributes:
        sentence: in our own words: the server's may repeat the key.
        wait: seconds that the server asks to wait.
        fault: the request's own fault, with which the run goes on after its last try; "" if it is not.
        final: no further try would help.
        paid: the server may have done its work, and charge for it.
    """

    sentence: str
    wait: float = 0.0
    fault: str = ""
    final: bool = False
    paid: bool = False


def _read_trouble(error: Exception, settings: ReplySettings) -> _Trouble:
    """What an exception of a try means.

    Raises:
        Exception: the exception itself, if it is none that a server can cause.
    """
    from openai import OpenAIError

    if isinstance(error, _OddReply | RecursionError):  # the latter: a body that is nested without end
        return _Trouble(f"odd reply: {error}", fault="api_error", paid=True)
    if not isinstance(error, OpenAIError | ValueError | TimeoutError):
        raise error
    status = getattr(error, "status_code", None)
    if status is None:
        return _Trouble(type(error).__name__, paid=True)
    if status in (401, 403):
        return _Trouble(f"status {status}: {settings.key_name} is not accepted here", final=True)
    if status == 404:
        return _Trouble(f"status {status}: no such model or address; see model and base_url", final=True)
    if getattr(error, "code", None) == _QUOTA:
        return _Trouble(f"status {status}: the account's quota is used up", final=True)
    if status in _RETRIED or status >= 500:
        return _Trouble(f"status {status}", wait=_asked_wait(error))
    words = f"{getattr(error, 'code', '')} {error}".lower()
    fault = "context_limit" if any(sign in words for sign in _TOO_LONG) else "api_error"
    return _Trouble(f"status {status}", fault=fault, final=True)


def _asked_wait(error: Any) -> float:
    """Seconds of the Retry-After header, which holds a number or a date."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
