"""Replies of a chat model behind an OpenAI-compatible server, asked once and kept in a file for good.

The file is the record: one JSON object a line, ``{"key", "model", "reply", "prompt_tokens", "completion_tokens"}``, of
which only ``key`` and ``reply`` are read. A conversation whose key is there costs nothing, needs no key and no network.
Lines are only ever appended, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from agentflan.errors import AgentFlanError, NotAvailable, RecordError
from agentflan.files import dump_line
from agentflan.randomness import unit

log = logging.getLogger(__name__)

Messages = list[dict[str, str]]

_BYTES_A_TOKEN = 3  # rather too few: the estimate and the cap should err upwards
_RETRIED = (408, 409, 429)  # besides every status from 500 on


@dataclass(frozen=True)
class ReplySettings:
    """How to ask.

    Attributes:
        model: the server's name of the model; part of the cache key.
        base_url: address of an OpenAI-compatible server; None is OPENAI_BASE_URL or, without it, OpenAI.
        concurrency: requests in flight at once.
        attempts: tries a request before it counts as failed.
        timeout: seconds a try.
        backoff: seconds before the second try; doubled for each further one, at most 60.
        max_tokens: longest reply.
        prompt_price, reply_price: US dollars for a million tokens.
        max_cost: US dollars that one run may cost at the most; every try is counted at its full length.
    """

    model: str
    base_url: str | None = None
    concurrency: int = 8
    attempts: int = 6
    timeout: float = 60.0
    backoff: float = 1.0
    max_tokens: int = 512
    prompt_price: float = 0.5
    reply_price: float = 1.5
    max_cost: float = 1.0


def cache_key(model: str, messages: Messages) -> str:
    """The name of a conversation in the cache.

    SHA-256, in hex, of the UTF-8 bytes of ``{"messages":[{"content":…,"role":…},…],"model":…}``: JSON with sorted keys,
    no spaces and no escaped letters.
    """
    canonical = {"model": model, "messages": [{"role": turn["role"], "content": turn["content"]} for turn in messages]}
    text = json.dumps(canonical, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fetch_replies(conversations: list[Messages], cache: Path, settings: ReplySettings) -> list[str]:
    """One reply for each conversation, in order.

    Args:
        conversations: what to send; equal ones are sent once.
        cache: the JSON-lines file of replies; read first, appended to as replies come in.
        settings: the model and the limits.

    Raises:
        NotAvailable: replies are missing and no key is set, or the server cannot be used.
        AgentFlanError: the spending cap would be passed; what was answered before stays in the cache.
    """
    known = read_cache(cache)
    keys = [cache_key(settings.model, messages) for messages in conversations]
    missing = {key: messages for key, messages in zip(keys, conversations, strict=True) if key not in known}
    if missing:
        log.info(_estimate_sentence(missing, settings))
        known |= asyncio.run(_ask_all(missing, cache, settings))
    return [known[key] for key in keys]


def read_cache(path: Path) -> dict[str, str]:
    """Key → reply. A last line without its line end was cut off by a killed run and counts as not there.

    Raises:
        RecordError: a line is not an object with a key and a reply.
    """
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    return dict(_cache_entry(line, path, number) for number, line in enumerate(lines, 1))


def _cache_entry(line: bytes, path: Path, number: int) -> tuple[str, str]:
    expected = "a JSON object with the strings key and reply"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RecordError(path, number, "", f"a line that is not JSON ({error})", expected) from None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("key", "reply")):
        raise RecordError(path, number, "", "other fields", expected)
    return row["key"], row["reply"]


@dataclass
class _Budget:
    """Dollars spent. A try is booked at its highest price before it is sent, so the cap holds whatever happens."""

    settings: ReplySettings
    spent: float = 0.0

    def book(self, messages: Messages) -> float:
        price = highest_cost(messages, self.settings)
        if self.spent + price > self.settings.max_cost:
            raise AgentFlanError(
                f"the spending cap of ${self.settings.max_cost:.2f} would be passed (${self.spent:.4f} booked so "
                "far); the replies received stay in the cache: raise --max-cost and repeat the command"
            )
        self.spent += price
        return price


def highest_cost(messages: Messages, settings: ReplySettings) -> float:
    """Dollars for one try whose reply is as long as allowed."""
    tokens = _prompt_tokens(messages)
    return (tokens * settings.prompt_price + settings.max_tokens * settings.reply_price) / 1e6


def _prompt_tokens(messages: Messages) -> int:
    return sum(len(turn["content"].encode()) // _BYTES_A_TOKEN + 8 for turn in messages)


def _estimate_sentence(missing: dict[str, Messages], settings: ReplySettings) -> str:
    prompts = sum(map(_prompt_tokens, missing.values()))
    cost = sum(highest_cost(messages, settings) for messages in missing.values())
    return (
        f"{len(missing)} replies to ask of {settings.model}: about {prompts:,} prompt tokens and at most "
        f"{len(missing) * settings.max_tokens:,} reply tokens, at most ${cost:.2f} (cap ${settings.max_cost:.2f})"
    )


@dataclass
class _Desk:
    """What the requests of one run share."""

    client: Any
    settings: ReplySettings
    cache: IO[str]
    places: asyncio.Semaphore
    budget: _Budget
    replies: dict[str, str] = field(default_factory=dict)
    failure: AgentFlanError | None = None


async def _ask_all(missing: dict[str, Messages], cache: Path, settings: ReplySettings) -> dict[str, str]:
    async with _open_client(settings) as client:
        with _open_cache(cache) as handle:
            desk = _Desk(client, settings, handle, asyncio.Semaphore(settings.concurrency), _Budget(settings))
            await asyncio.gather(*(_ask(key, messages, desk) for key, messages in missing.items()))
    log.info(f"{len(desk.replies)} replies received, at most ${desk.budget.spent:.4f} spent")
    if desk.failure:
        raise desk.failure
    return desk.replies


@asynccontextmanager
async def _open_client(settings: ReplySettings) -> AsyncIterator[Any]:
    from openai import AsyncOpenAI

    if not os.environ.get("OPENAI_API_KEY"):
        raise NotAvailable(
            f"replies of {settings.model} are missing from the cache and OPENAI_API_KEY is not set; set it to your key "
            "(any word for a server of your own, with --base-url or OPENAI_BASE_URL) or give a cache that holds them"
        )
    async with AsyncOpenAI(base_url=settings.base_url, timeout=settings.timeout, max_retries=0) as client:
        yield client


def _open_cache(path: Path) -> IO[str]:
    """Open for appending, after cutting off a last line that a killed run left unfinished."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as handle:
        handle.seek(0)
        content = handle.read()
        handle.truncate(content.rfind(b"\n") + 1)
    return path.open("a", encoding="utf-8", newline="\n")


async def _ask(key: str, messages: Messages, desk: _Desk) -> None:
    """Ask one conversation. After a failure none is begun, but those on their way are let finish: they are paid for."""
    async with desk.places:
        if desk.failure:
            return
        try:
            answer = await _try_until_answered(key, messages, desk)
        except AgentFlanError as error:
            desk.failure = desk.failure or error
            return
    desk.replies[key] = answer["reply"]
    desk.cache.write(dump_line({"key": key, "model": desk.settings.model, **answer}))
    desk.cache.flush()


async def _try_until_answered(key: str, messages: Messages, desk: _Desk) -> dict[str, Any]:
    from openai import OpenAIError

    failure = ""
    for attempt in range(desk.settings.attempts):
        if attempt:
            await asyncio.sleep(_pause(key, attempt, desk.settings))
        desk.budget.book(messages)
        try:
            return await _send(messages, desk)
        except (OpenAIError, ValueError) as error:  # ValueError: a body that is no reply
            failure = _describe(error)
            if not _may_pass(error):
                break
    raise NotAvailable(f"{desk.settings.model} gave no reply ({failure}); the replies received stay in the cache")


async def _send(messages: Messages, desk: _Desk) -> dict[str, Any]:
    completion = await desk.client.chat.completions.create(
        model=desk.settings.model, messages=messages, max_tokens=desk.settings.max_tokens, temperature=0
    )
    text = completion.choices[0].message.content if completion.choices else None
    if not text:
        raise ValueError("an empty reply")
    usage = completion.usage
    return {
        "reply": text,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
    }


def _pause(key: str, attempt: int, settings: ReplySettings) -> float:
    """Seconds: doubled each time, up to half as much again so that requests do not return all at once."""
    return min(60.0, settings.backoff * 2 ** (attempt - 1)) * (1 + unit(key, attempt) / 2)


def _may_pass(error: Exception) -> bool:
    """Whether another try can help: overload, a broken connection or a cut reply, but not a refusal."""
    status = getattr(error, "status_code", None)
    return status is None or status in _RETRIED or status >= 500


def _describe(error: Exception) -> str:
    """What went wrong, without the server's words: these may repeat the key."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return f"status {status}: OPENAI_API_KEY is not accepted here"
    if status == 404:
        return "status 404: no such model or address; see --model and --base-url"
    return f"status {status}" if status else type(error).__name__
