"""What answers an agent's requests, one backend a module, found by listing this folder.

A backend module has `NAME` and ``start(model, benchmark, settings)``, which gives a function from calls to replies. A
backend that is missing something from outside (a key, a package) raises NotAvailable.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any, NamedTuple

from agentflan.benchmarks._protocol import Request
from agentflan.errors import ConfigError


class Call(NamedTuple):
    """A request with its place. Models look at the request alone; the oracle and the random agent at the rest."""

    request: Request
    task: dict[str, Any]
    step: int  # replies given before in this episode


class Reply(str):
    """The text of a reply, and what came with it. Agents that count nothing may give plain text.

    Attributes:
        prompt_tokens, reply_tokens: what the model read and wrote.
        cut_tokens: of the prompt's beginning, which were left out so that the rest fits.
        fault: "" or why the request could not be answered, an outcome of the episode: "context_limit" (the prompt, or
            prompt and reply together, do not fit the model) or "api_error". The text may be empty then.
    """

    prompt_tokens: int = 0
    reply_tokens: int = 0
    fault: str = ""
    cut_tokens: int = 0

    def __new__(
        cls, text: str = "", prompt_tokens: int = 0, reply_tokens: int = 0, fault: str = "", cut_tokens: int = 0
    ) -> Reply:
        reply = super().__new__(cls, text)
        reply.prompt_tokens, reply.reply_tokens = prompt_tokens, reply_tokens
        reply.fault, reply.cut_tokens = fault, cut_tokens
        return reply


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first stop string."""
    ends = [text.find(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else text


def names() -> list[str]:
    """All backends that have a module here."""
    return sorted(_modules())


def load(name: str) -> ModuleType:
    """The module of a backend.

    Raises:
        ConfigError: there is no such backend.
    """
    modules = _modules()
    if name not in modules:
        raise ConfigError([f"backend {name!r}: no such backend; there are: {', '.join(sorted(modules))}"])
    return modules[name]


def _modules() -> dict[str, ModuleType]:
    found = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    ]
    return {module.NAME: module for module in found}
