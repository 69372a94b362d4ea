"""Figure 2: the loss on format tokens, on content tokens, and on ordinary conversation (Observation 1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._losses import draw_curves
from agentflan.figures._style import BLUE, GREEN, VERMILION
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {
    "react content": ("ReAct data, content", BLUE),
    "general content": ("ordinary conversation", GREEN),
    "react format": ("ReAct data, format", VERMILION),
}


def draw(plan: Plan, results: Path) -> Figure:
    """Three curves of one fine-tune."""
    return draw_curves(plan["figure2"], results, "stream_format", CURVES)
