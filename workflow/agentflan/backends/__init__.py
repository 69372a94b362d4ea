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
    found = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.NAME: module for module in found}
