"""Figure 9: the baseline and Agent-FLAN side by side on one ToolBench and one Agent-H case.

The case is the shortest that Agent-FLAN gets right and the baseline wrong; where there is none, the figure says so and
shows the shortest case of all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._page import Card, Piece, Stack, page
from agentflan.figures._transcripts import (
    OBSERVATION,
    REPLY,
    RIGHT,
    WRONG,
    Row,
    exchange_of,
    mark_call,
    mark_signs,
    prompt_cards,
    read_rows,
    text_length,
)
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pair = tuple[Row, Row]


def draw(plan: Plan, results: Path) -> Figure:
    """Two cases from top to bottom: the prompt, and under it both agents."""
    rows = [
        *_case(plan, results, "(a) ToolBench", "toolbench_eval", lambda row: bool(row.get("passed")), _tool_cards),
        *_case(plan, results, "(b) Agent-H", "agent_h", lambda row: not row.get("signs"), _plain_cards),
    ]
    return page(rows, legend=[("wrong", WRONG), ("right", RIGHT)])


def _case(
    plan: Plan,
    results: Path,
    title: str,
    benchmark: str,
    is_right: Callable[[Row], bool],
    show: Callable[[Row, bool], list[Card]],
) -> list[list[Stack]]:
    played = [read_rows(results, entry, benchmark) for entry in plan["figure9"]]
    reasons = [f"{entry['label']}: {why}" for entry, (_, why) in zip(plan["figure9"], played, strict=True) if why]
    pairs = [] if reasons else _pairs(played[0][0], played[1][0], benchmark)
    if not pairs:
        reason = "; ".join(reasons) or "no case that both agents played"
        return [[[Card(title, ((f"not run. {reason}", ""),))]]]
    telling = [pair for pair in pairs if is_right(pair[1]) and not is_right(pair[0])]
    pair = min(telling or pairs, key=lambda pair: (sum(map(text_length, pair)), pair[0]["id"]))
    wrong, right = (entry["label"] for entry in plan["figure9"])
    note = f"{len(telling)} of {len(pairs)} cases are right with {right} and wrong with {wrong}"
    head = Card(f"{title}, {pair[0]['id']}: {note}{'' if telling else '; this is the shortest of all'}")
    agents = []
    for entry, row in zip(plan["figure9"], pair, strict=True):
        right = is_right(row)
        verdict = Card(f"{entry['label']}: {'right' if right else 'wrong'}", colour=RIGHT if right else WRONG)
        agents.append([verdict, *show(row, right)])
    return [[[head, *prompt_cards(row=pair[0])]], agents]


def _pairs(baseline: list[Row], ours: list[Row], benchmark: str) -> list[Pair]:
    """The cases that both played; of Agent-H those that want a plain answer."""
    by_id = {row["id"]: row for row in ours}
    shared = [(row, by_id[row["id"]]) for row in baseline if row["id"] in by_id]
    return [pair for pair in shared if benchmark != "agent_h" or not pair[0].get("wants_call", True)]


def _tool_cards(row: Row, right: bool) -> list[Card]:
    """Replies and observations; a call is marked as wrong where the benchmark found a fault."""
    faults = [step["fault"] for step in row.get("steps", [])]
    cards, number = [], 0
    for role, text in exchange_of(row):
        if role != "assistant":
            cards.append(Card("observation", ((text, ""),), OBSERVATION, lines=6))
            continue
        fault = faults[number] if number < len(faults) else ""
        number += 1
        cards.append(Card(f"reply {number}", _marked(text, fault, right), REPLY, lines=10))
    return cards


def _marked(text: str, fault: str, right: bool) -> tuple[Piece, ...]:
    if fault == "format":
        return ((text, WRONG),)
    return mark_call(text, WRONG if fault else RIGHT if right else "")


def _plain_cards(row: Row, right: bool) -> list[Card]:
    text = row["replies"][0]
    return [Card("reply", ((text, RIGHT),) if right else mark_signs(text, row.get("signs", [])), REPLY, lines=14)]
