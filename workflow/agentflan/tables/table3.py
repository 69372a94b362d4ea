"""Table 3: hallucinations on Agent-H beside T-Eval, with and without negative samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.tables._scores import Cell, Entry, Plan, layout, score, score_part

if TYPE_CHECKING:
    import pandas

KEYS = ("Method",)


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table."""
    return [cell for entry in plan["table3"] for cell in _row(plan, results, entry)]


def _row(plan: Plan, results: Path, entry: Entry) -> list[Cell]:
    measures = {
        "T-Eval": score(plan, results, entry, "teval"),
        "H_ReAct": score_part(plan, results, entry, "agent_h", "H_ReAct"),
        "H_General": score_part(plan, results, entry, "agent_h", "H_General"),
        "H_Score": score(plan, results, entry, "agent_h"),
    }
    return [Cell((entry["label"],), title, measure) for title, measure in measures.items()]
