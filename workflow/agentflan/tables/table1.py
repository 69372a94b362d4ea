"""Table 1: the main results. Overall is the mean of the five held-out columns, or not run.

A benchmark of ours that stands in for one that a study cannot run has a column of its own behind them, and enters no
mean: what it measures is not what the paper's column says.
"""

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
STAND_INS = ("webarena_embedded",)
_FORMS = {"HELD-IN": ".2f", "WebArena": ".2f"}


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns, and a column for each stand-in that the study runs."""
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
    titles = {benchmark["name"]: benchmark["title"] for benchmark in plan["benchmarks"]}
    measures |= {titles[name]: score(plan, results, entry, name) for name in STAND_INS if name in titles}
    row = (entry["label"],)
    return [Cell(row, title, measure, _FORMS.get(title, ".1f")) for title, measure in measures.items()]
