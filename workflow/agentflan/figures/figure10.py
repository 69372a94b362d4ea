"""Figure 10: a negative sample of the first kind: no tools, and a query that wants one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._negatives import sample_cards
from agentflan.figures._page import Card, page
from agentflan.figures._style import NARROW
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Negative sample I: no tools, query wants one"


def draw(plan: Plan, results: Path) -> Figure:
    """One conversation."""
    cards = sample_cards(results, "plain", TITLE) or [Card(TITLE, (("none in the built data", ""),))]
    return page([[cards]], width=NARROW)
