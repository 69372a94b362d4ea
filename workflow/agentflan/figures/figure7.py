"""Figure 7: HotpotQA over the share of the Agent-FLAN data (§5.1.1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._scaling import draw_series
from agentflan.tables._points import data_scaling
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(plan: Plan, results: Path) -> Figure:
    """One line from the untuned model to all data."""
    places = [100 * entry["fraction"] for entry in plan["figure7"]]
    cells = data_scaling(plan, results)
    points = [(place, cell.row[0], cell) for place, cell in zip(places, cells, strict=True)]
    return draw_series({"Agent-FLAN": points}, "share of the Agent-FLAN data")
