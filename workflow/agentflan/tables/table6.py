"""Table 6: trajectories of each dataset after filtering."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.errors import FileError
from agentflan.files import read_json
from agentflan.tables._scores import Cell, Measure, Plan, combine, layout, not_run

if TYPE_CHECKING:
    import pandas

KEYS = ("Datasets",)
COLUMN = "Sample Num"


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table, the total last."""
    counts = {entry["label"]: _kept(results, entry["dataset"]) for entry in plan["table6"]}
    counts["Total"] = combine(counts, lambda *values: sum(values), "The total is of all datasets")
    return [Cell((label,), COLUMN, measure, ",.0f") for label, measure in counts.items()]


def _kept(results: Path, dataset: str) -> Measure:
    path = results / "filtered" / f"{dataset}.counts.json"
    if not path.exists():
        return not_run(f"no file filtered/{path.name}")
    counts = read_json(path)
    if not isinstance(counts.get("kept"), int):
        raise FileError(path, f"kept = {counts.get('kept')!r}", "the number of trajectories kept")
    return Measure(
        counts["kept"], note="trajectories after filtering, before decomposition", sources=(f"filtered/{path.name}",)
    )
