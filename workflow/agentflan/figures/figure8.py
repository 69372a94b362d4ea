"""Figure 8: HotpotQA over model size, ReAct tuning against Agent-FLAN (§5.1.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._scaling import Series, draw_series
from agentflan.tables._points import model_scaling
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(plan: Plan, results: Path) -> Figure:
    """Two lines over the models, which stand at equal distances."""
    models = list(dict.fromkeys(entry["model"] for entry in plan["figure8"]))
    series: Series = {}
    for cell in model_scaling(plan, results):
        name, model = cell.row
        series.setdefault(name, []).append((models.index(model), model, cell))
    return draw_series(series, "model (in the study: the one that stands for it)")
