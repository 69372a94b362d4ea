"""Figure 3: the loss by capability: the speeds at which each is learnt differ (Observation 2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._losses import draw_curves
from agentflan.figures._style import BLUE, GREEN, ORANGE, VERMILION
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {
    "reasoning": ("reasoning", BLUE),
    "understanding": ("understanding", GREEN),
    "retrieval": ("retrieval", ORANGE),
    "instruction": ("instruction following", VERMILION),
}


def draw(plan: Plan, results: Path) -> Figure:
    """Four curves of one fine-tune."""
    return draw_curves(plan["figure3"], results, "capability", CURVES)
