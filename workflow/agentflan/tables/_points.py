"""The numbers behind Figures 1, 7 and 8, as cells: the figures draw them, the comparison lists the printed ones."""

from __future__ import annotations

from math import nan
from pathlib import Path

from agentflan.tables._scores import Cell, Measure, Plan, combine, not_run, score

PANELS = {
    "HELD-IN": "held_in",
    "HotpotQA": "hotpotqa",
    "SciWorld": "sciworld",
    "WebArena": "webarena",
    "T-Eval": "teval",
}


def bars(plan: Plan, results: Path) -> list[Cell]:
    """Figure 1: each row in percent of the reference row; `row` is the row's label, `column` the panel."""
    figure, cells = plan["figure1"], []
    for title, column in PANELS.items():
        whole = score(plan, results, figure["reference"], column)
        for entry in figure["rows"]:
            bar = _normalised(plan, whole, score(plan, results, entry, column))
            cells.append(Cell((entry["label"],), title, bar))
    return cells


def margins(plan: Plan, results: Path) -> list[Cell]:
    """Figure 1: the last row's bar minus the highest other bar; `row` is the panel."""
    found, drawn = [], bars(plan, results)
    for title in PANELS:
        panel = {cell.row[0]: cell.measure for cell in drawn if cell.column == title}
        margin = combine(panel, lambda *values: values[-1] - max(values[:-1]), _rule(plan))
        found.append(Cell((title,), "margin", margin, "+.1f"))
    return found


def data_scaling(plan: Plan, results: Path) -> list[Cell]:
    """Figure 7: HotpotQA by the share of the data."""
    return [
        Cell((f"{entry['fraction']:.0%}",), "HotpotQA", score(plan, results, entry, "hotpotqa"))
        for entry in plan["figure7"]
    ]


def model_scaling(plan: Plan, results: Path) -> list[Cell]:
    """Figure 8: HotpotQA by series and model."""
    return [
        Cell((entry["series"], entry["model"]), "HotpotQA", score(plan, results, entry, "hotpotqa"))
        for entry in plan["figure8"]
    ]


def _normalised(plan: Plan, whole: Measure, part: Measure) -> Measure:
    """A score in percent of the reference's."""
    if part.value is None:
        return part
    if not whole.value:
        reason = whole.note if whole.value is None else "it scores 0"
        return not_run(f"no bar can be divided by {plan['figure1']['reference']['label']}: {reason}")
    return combine({"row": part, "reference": whole}, _percent, _rule(plan))


def _percent(part: float, whole: float) -> float:
    """NaN in a resample where the reference scores 0: no bar has a value there."""
    return 100 * part / whole if whole else nan


def _rule(plan: Plan) -> str:
    return f"Bars are percent of {plan['figure1']['reference']['label']}"
