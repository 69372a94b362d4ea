"""Figure 11: negative samples of the second kind, in the readings that the data were built with.

Appendix C gives tools that do not fit the query; §4.3 gives tools beside ordinary conversation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._negatives import sample_cards
from agentflan.figures._page import Card, page
from agentflan.figures._style import NARROW, WIDTH
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {
    "irrelevant": "Negative sample II: tools that do not fit (App. C)",
    "conversation": "Negative sample II: ordinary query (§4.3)",
}


def draw(plan: Plan, results: Path) -> Figure:
    """One conversation a reading, side by side."""
    stacks = [cards for kind, title in KINDS.items() if (cards := sample_cards(results, kind, title))]
    if not (results / "decomposed" / "negative.jsonl").exists():
        stacks = stacks[:1]
    stacks = stacks or [[Card("Negative sample II", (("none in the built data", ""),))]]
    return page([stacks], width=WIDTH if len(stacks) > 1 else NARROW)
