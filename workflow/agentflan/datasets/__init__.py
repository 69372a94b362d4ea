"""One dataset a module, found by listing this folder."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from agentflan.errors import ConfigError


def names() -> list[str]:
    """All datasets that have a module here."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> ModuleType:
    """The module of a dataset.

    Raises:
        ConfigError: there is no such dataset.
    """
    if name not in names():
        raise ConfigError([f"dataset {name!r}: no such dataset; there are: {', '.join(names())}"])
    return importlib.import_module(f"{__name__}.{name}")
