"""Figure 4: two hallucinations found in the study's own transcripts: (a) of format, (b) of action.

The shortest conversation that shows one is taken, of the first entry that has any; ties go to the smaller id.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._page import Card, page
from agentflan.figures._transcripts import (
    REPLY,
    WRONG,
    Row,
    mark_action,
    mark_signs,
    prompt_cards,
    read_rows,
    text_length,
)
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Show = Callable[[Row], list[Card]]


def draw(plan: Plan, results: Path) -> Figure:
    """Two conversations side by side, what is wrong in each marked and said."""
    left = _find(plan, results, "(a) format hallucination", "agent_h", _has_format_fault, _show_format_fault)
    right = _find(plan, results, "(b) action hallucination", "toolbench_eval", _has_action_fault, _show_action_fault)
    return page([[left, right]], legend=[("what is wrong", WRONG)])


def _find(
    plan: Plan, results: Path, title: str, benchmark: str, wanted: Callable[[Row], bool], show: Show
) -> list[Card]:
    searched, reasons = 0, []
    for entry in plan["figure4"]:
        rows, reason = read_rows(results, entry, benchmark)
        reasons += [f"{entry['label']}: {reason}"] if reason else []
        searched += len(rows)
        found = [row for row in rows if wanted(row)]
        if found:
            row = min(found, key=lambda row: (text_length(row), row["id"]))
            return [Card(f"{title}: {entry['label']}, {benchmark} {row['id']}"), *show(row)]
    labels = ", ".join(entry["label"] for entry in plan["figure4"])
    said = f"none found in {searched} transcripts of {labels}" if searched else f"not run. {'; '.join(reasons)}"
    return [Card(title, ((said, ""),))]


def _has_format_fault(row: Row) -> bool:
    """A plain answer was wanted and the reply follows the format of the training data."""
    return not row.get("wants_call", True) and "react" in row.get("signs", [])


def _show_format_fault(row: Row) -> list[Card]:
    reason = "The query wants a plain answer. The reply follows the format of the agent's training data instead."
    reply = Card("reply", mark_signs(row["replies"][0], ["react"]), REPLY)
    return [*prompt_cards(row), reply, Card("what is wrong", ((reason, ""),))]


def _has_action_fault(row: Row) -> bool:
    """A tool was called that does not exist."""
    return any(step["fault"] == "tool" for step in row.get("steps", []))


def _show_action_fault(row: Row) -> list[Card]:
    number = next(number for number, step in enumerate(row["steps"]) if step["fault"] == "tool")
    name = row["steps"][number]["action"]
    reply = Card(f"reply {number + 1}", mark_action(row["replies"][number], WRONG), REPLY)
    reason = f'There is no tool "{name}" among those of the system prompt.'
    return [*prompt_cards(row), reply, Card("what is wrong", ((reason, ""),))]
