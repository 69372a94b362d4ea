"""Figure 4: two hallucinations found in the study's own transcripts: (a) of format, (b) of action.

(a) is a reply in the format of the training data where the query is ordinary; (b) calls a tool that does not exist, or
any tool where none is given. The shortest conversation of the first entry that has one is shown; ties go to the id.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agentflan.figures._page import Card, page
from agentflan.figures._transcripts import (
    REPLY,
    WRONG,
    Row,
    called_name,
    mark_action,
    mark_signs,
    prompt_cards,
    read_rows,
    text_length,
)
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Search(NamedTuple):
    """Where a hallucination is looked for, how it is known, and how it is shown."""

    benchmark: str
    wanted: Callable[[Row], bool]
    show: Callable[[Row], list[Card]]


def draw(plan: Plan, results: Path) -> Figure:
    """Two conversations side by side, what is wrong in each marked and said."""
    left = _find(plan, results, "(a) format hallucination", _FORMAT)
    right = _find(plan, results, "(b) action hallucination", _ACTION)
    return page([[left, right]], legend=[("what is wrong", WRONG)])


def _find(plan: Plan, results: Path, title: str, searches: tuple[Search, ...]) -> list[Card]:
    searched, reasons = 0, []
    for search in searches:
        for entry in plan["figure4"]:
            rows, reason = read_rows(results, entry, search.benchmark)
            reasons += [f"{entry['label']}: {reason}"] if reason else []
            searched += len(rows)
            found = [row for row in rows if search.wanted(row)]
            if found:
                row = min(found, key=lambda row: (text_length(row), row["id"]))
                head = Card(f"{title}: {entry['label']}, {search.benchmark} {row['id']}")
                return [head, *prompt_cards(row), *search.show(row)]
    labels = ", ".join(entry["label"] for entry in plan["figure4"])
    said = (
        f"none found. Transcripts searched: {searched}, of {labels}" if searched else f"not run. {'; '.join(reasons)}"
    )
    return [Card(title, ((said, ""),))]


def _speaks_in_format(row: Row) -> bool:
    return row.get("circumstance") in ("a", "b") and "react" in row.get("signs", [])


def _show_format(row: Row) -> list[Card]:
    reason = "The query wants a plain answer. The reply follows the format of the agent's training data instead."
    return [Card("reply", mark_signs(row["replies"][0], ["react"]), REPLY), _say(reason)]


def _calls_unknown_tool(row: Row) -> bool:
    return any(step["fault"] == "tool" for step in row.get("steps", []))


def _show_unknown_tool(row: Row) -> list[Card]:
    number = next(number for number, step in enumerate(row["steps"]) if step["fault"] == "tool")
    reason = f'There is no tool "{row["steps"][number]["action"]}" among those of the system prompt.'
    return [Card(f"reply {number + 1}", mark_action(row["replies"][number], WRONG), REPLY), _say(reason)]


def _calls_without_tools(row: Row) -> bool:
    return row.get("circumstance") == "c" and bool(called_name(row["replies"][0]))


def _show_call_without_tools(row: Row) -> list[Card]:
    reason = f'No tool is given, yet the reply calls "{called_name(row["replies"][0])}".'
    return [Card("reply", mark_action(row["replies"][0], WRONG), REPLY), _say(reason)]


def _say(reason: str) -> Card:
    return Card("what is wrong", ((reason, ""),))


_FORMAT = (Search("agent_h", _speaks_in_format, _show_format),)
_ACTION = (
    Search("toolbench_eval", _calls_unknown_tool, _show_unknown_tool),
    Search("agent_h", _calls_without_tools, _show_call_without_tools),
)
