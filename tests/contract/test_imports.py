"""Who may import whom: data flows forward, and planning stays light, because every job parses the rules anew."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from agentflan.code_digest import PACKAGE

HEAVY = ("torch", "transformers", "pandas", "pyarrow", "datasets", "deepspeed", "openai", "matplotlib", "seaborn")
STAGES = ("fetch", "filtered", "chat", "decomposed", "instruction", "negative", "mixed", "tokens", "export")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "agentflan":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


def _files(part: str) -> list[Path]:
    folder = PACKAGE / part
    return sorted(folder.glob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("datasets", {*STAGES, "training", "benchmarks", "backends", "world", "tables", "figures", "plan"}),
        ("world", {*STAGES, "datasets", "training", "benchmarks", "backends", "tables", "figures", "plan"}),
        ("training", {*STAGES, "datasets", "benchmarks", "backends", "world", "tables", "figures", "plan"}),
        ("benchmarks", {*STAGES, "training", "backends", "world", "tables", "figures", "plan", "episodes"}),
        ("backends", {*STAGES, "training", "datasets", "world", "tables", "figures", "plan"}),
        ("tables", {*STAGES, "training", "datasets", "benchmarks", "backends", "world", "figures", "plan"}),
        ("figures", {*STAGES, "training", "datasets", "benchmarks", "backends", "world", "plan"}),
        ("page", {*STAGES, "datasets", "training", "benchmarks", "backends", "world", "tables", "figures", "plan"}),
        (
            "provenance",
            {*STAGES, "datasets", "training", "benchmarks", "backends", "world", "tables", "figures", "page"},
        ),
        ("chat", {"decomposed", "mixed", "training", "benchmarks", "world"}),
        ("decomposed", {"mixed", "training", "benchmarks", "world"}),
        ("mixed", {"training", "benchmarks", "world", "tables"}),
        ("records", {*STAGES, "datasets", "training", "benchmarks", "world", "plan", "templates"}),
    ],
)
def test_no_stage_reaches_a_later_one(part: str, forbidden: set[str]) -> None:
    files = _files(part)
    assert files
    for path in files:
        assert not _imports(path) & forbidden, path.name


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys; from agentflan.plan import Plan; from agentflan.outline import outline; "
        "from agentflan.code_digest import code_digest; from agentflan.forecast import summary; "
        "plan = Plan.load('config', 'paper'); outline(plan); summary(plan); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent.parent)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_command_explains_itself() -> None:
    from agentflan.cli import command_names

    names = command_names()
    assert len(names) >= 18
    for name in names:
        tree = ast.parse((PACKAGE / "commands" / f"{name}.py").read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert ast.get_docstring(tree) and {"add_arguments", "run"} <= functions, name
