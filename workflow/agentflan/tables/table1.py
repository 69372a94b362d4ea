"""Table 1: the main results. Overall is the mean of the five held-out columns, or not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.formulas import overall
from agentflan.tables._scores import Cell, Entry, Plan, combine, layout, score

if TYPE_CHECKING:
    import pandas

KEYS = ("MODEL",)
HELD_OUT = {
    "HotpotQA": "hotpotqa",
    "SciWorld": "sciworld",
    "WebArena": "webarena",
    "T-Eval": "teval",
    "Agent-H": "agent_h",
}
_FORMS = {"HELD-IN": ".2f", "WebArena": ".2f"}


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table."""
    return [cell for entry in plan["table1"] for cell in _row(plan, results, entry)]


def _row(plan: Plan, results: Path, entry: Entry) -> list[Cell]:
    held_out = {title: score(plan, results, entry, column) for title, column in HELD_OUT.items()}
    measures = {
        "HELD-IN": score(plan, results, entry, "held_in"),
        **held_out,
        "Overall": combine(held_out, lambda *values: overall(values), "Overall is of all five held-out columns"),
    }
    row = (entry["label"],)
    return [Cell(row, title, measure, _FORMS.get(title, ".1f")) for title, measure in measures.items()]
