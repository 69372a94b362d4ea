"""The bounds of each benchmark: an oracle that plays the gold solution, and an agent that knows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.tables._scores import Cell, Plan, layout, score

if TYPE_CHECKING:
    import pandas

KEYS = ("AGENT",)


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """One row an agent, one column a benchmark that the study runs."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table."""
    return [
        Cell((entry["label"],), benchmark["title"], score(plan, results, entry, benchmark["name"]))
        for entry in plan["bounds"]
        for benchmark in plan["benchmarks"]
    ]
