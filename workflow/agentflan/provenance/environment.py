"""The Python environment of a job: interpreter, installed distributions, what was imported of them, and the lock."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from agentflan.provenance.code import REPOSITORY
from agentflan.provenance.hashing import file_sha256

LOCKS = (
    "uv.lock",
    "requirements/base.lock",
    "requirements/cpu.lock",
    "requirements/cuda.lock",
    "requirements/vllm.lock",
)


def environment() -> dict[str, Any]:
    """Interpreter, SHA-256 of the lock files, and name → version of all installed distributions."""
    return {
        "python": sys.version,
        "implementation": platform.python_implementation(),
        "locks": {name: file_sha256(REPOSITORY / name) for name in LOCKS if (REPOSITORY / name).is_file()},
        "distributions": installed(),
    }


def installed() -> dict[str, str]:
    """Name → version of the distributions on the path, read from the names of their folders."""
    found: dict[str, str] = {}
    for place in map(Path, sys.path):
        for folder in sorted(place.glob("*.dist-info")) if place.is_dir() else ():
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            found.setdefault(_normal(name), version)
    return dict(sorted(found.items()))


def imported() -> list[str]:
    """Top-level names of the modules that this process has imported from site-packages."""
    names = {name.split(".")[0] for name, module in list(sys.modules.items()) if _is_third_party(module)}
    return sorted(names - {"agentflan"})


def distributions_of(names: list[str]) -> set[str]:
    """The distributions, as installed here, that hold top-level modules of these names."""
    return {_normal(distribution) for name in names for distribution in _holders().get(name, ())}


def version_here(distribution: str) -> str:
    """The version installed here, "" if it is not."""
    return _installed_here().get(_normal(distribution), "")


@cache
def _holders() -> Mapping[str, list[str]]:
    """Top-level module → distributions; it reads the metadata of all of them, which takes half a second."""
    return packages_distributions()


@cache
def _installed_here() -> dict[str, str]:
    return installed()


def _is_third_party(module: Any) -> bool:
    path = getattr(module, "__file__", None)
    return bool(path) and "site-packages" in path


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
