"""A digest of what a module means: its syntax tree without docstrings and comments, with all first-party imports.

Rules carry it as a parameter, so an edit that changes behaviour reruns exactly the steps that reach the edited code,
and an edited comment reruns nothing. Modules found at run time (a dataset, a benchmark) are named by the rule.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from agentflan.files import write_json

PACKAGE = Path(__file__).resolve().parent


def code_digest(*modules: str) -> str:
    """Digest of modules and of everything of ours that they import.

    Args:
        modules: dotted names below the package (``commands.mix_training_set``).

    Returns:
        16 hex digits.
    """
    known, name = _Remembered.of(PACKAGE), " ".join(modules)
    if name not in known.digests:
        known.remember(name, _digest(modules))
    return known.digests[name]


class _Remembered:
    """Digests that an earlier process has found: each job of a cluster reads the rules anew, the code seldom changes.

    They hold for one Python and one state of the code: the names, sizes and times of its files.
    """

    def __init__(self, package: Path) -> None:
        self._file = package / "__pycache__" / "code_digests.json"
        files = sorted(package.rglob("*.py"))
        stats = [(str(path.relative_to(package)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        self._state = hashlib.sha256(repr((sys.version_info, stats)).encode()).hexdigest()
        self.digests: dict[str, str] = {}
        with suppress(OSError, ValueError, KeyError, TypeError):  # none, or not ours
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            self.digests = stored["digests"] if stored["state"] == self._state else {}

    @staticmethod
    @cache
    def of(package: Path) -> _Remembered:
        """Those of a package, as its files are now."""
        return _Remembered(package)

    def remember(self, name: str, digest: str) -> None:
        """Keep a digest, also for later processes where the folder can be written to."""
        self.digests[name] = digest
        with suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            write_json(self._file, {"state": self._state, "digests": self.digests})


def _digest(modules: tuple[str, ...]) -> str:
    reached: set[str] = set()
    waiting = [f"agentflan.{module}" for module in modules]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(_imports(module))
    digest = hashlib.sha256()
    for module in sorted(reached):
        digest.update(f"{module}\0{_meaning(module)}\0".encode())
    return digest.hexdigest()[:16]


def _path(module: str) -> Path | None:
    stem = PACKAGE.parent.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _parse(module: str) -> ast.Module:
    path = _path(module)
    return ast.parse(path.read_text(encoding="utf-8") if path else "")


@cache
def _imports(module: str) -> tuple[str, ...]:
    found: set[str] = set()
    for node in ast.walk(_parse(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    ours = {name for name in found if name.split(".")[0] == "agentflan" and _path(name)}
    return tuple(sorted(ours))


@cache
def _meaning(module: str) -> str:
    return meaning(_parse(module))


def meaning(tree: ast.Module) -> str:
    """A syntax tree as text, without its docstrings; the tree is changed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    return ast.dump(tree)


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
