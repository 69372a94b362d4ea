"""Who tells whether an answer says what a reference says: nobody, containment, or a chat model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan.benchmarks._webarena_evaluators import Question
from agentflan.errors import ConfigError
from agentflan.replies import ReplySettings, fetch_replies

NOBODY, CONTAINMENT = "nobody", "containment"
_SYSTEM = "You are a helpful assistant"  # upstream's, as is the question
_PROMPT = 'Given the statement "{statement}", would it be correct to infer "{reference}"? Yes or No'


def judge(asked: Sequence[Question], name: str, options: dict[str, Any], prompt: str | None) -> list[bool]:
    """A verdict for each question.

    Args:
        asked: the questions.
        name: "nobody", who never says yes; "containment": the reference's words stand in the statement, in this order
            and together; else the name of a chat model.
        options: fields of `ReplySettings`, and "cache", the file where replies are kept.
        prompt: what the model is asked, with {intent}, {statement} and {reference}; upstream's if None.

    Raises:
        ConfigError: see `check`.
        NotAvailable: the model cannot be asked, and replies are missing from the file.
    """
    if name == NOBODY:
        return [False] * len(asked)
    if name == CONTAINMENT:
        return [f" {_words(each.reference)} " in f" {_words(each.statement)} " for each in asked]
    cache = Path(options.get("cache", f"results/replies/judge.{name.replace('/', '_')}.jsonl"))
    system = {"role": "system", "content": _SYSTEM}
    conversations = [[system, {"role": "user", "content": _fill(prompt or _PROMPT, each)}] for each in asked]
    return ["Yes" in reply for reply in fetch_replies(conversations, cache, _reply_settings(name, options))]


def check(name: str, options: dict[str, Any]) -> None:
    """Refuse a judge that could not be asked in the end, so that no episode is played in vain.

    Args:
        name: as for `judge`.
        options: as for `judge`.

    Raises:
        ConfigError: an unknown option, or a chat model whose costs have no cap that can be kept.
    """
    if name not in (NOBODY, CONTAINMENT):
        _reply_settings(name, options)


def _reply_settings(name: str, options: dict[str, Any]) -> ReplySettings:
    asked = {key: value for key, value in options.items() if key != "cache"}
    try:
        settings = ReplySettings(name, **{"max_tokens": 16} | asked)
        settings.tariff.check(name)
    except (TypeError, ConfigError) as error:
        raise ConfigError([f"settings of webarena: key judge_api: {error}"]) from None
    return settings


def _fill(prompt: str, asked: Question) -> str:
    return re.sub(r"\{(intent|statement|reference)\}", lambda match: getattr(asked, match[1]), prompt)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
