"""Figure 5: one trajectory as ReAct, as dialogue, and taken apart, coloured by the capability that each part trains.

The shortest trajectory of the dataset that trains all three capabilities is taken; ties go to the smaller id.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.figures._page import Card, Piece, page
from agentflan.files import read_jsonl
from agentflan.records import INSTRUCTION, REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, Turn, from_json
from agentflan.tables._scores import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECOMPOSED = (REASONING, RETRIEVAL, UNDERSTANDING)
TINTS = {REASONING: "#b9d6ea", RETRIEVAL: "#f6dba8", UNDERSTANDING: "#b3e0cf", INSTRUCTION: "#e4e4e4"}
_LEGEND = {
    REASONING: "reasoning",
    RETRIEVAL: "retrieval",
    UNDERSTANDING: "understanding",
    INSTRUCTION: "format (instruction following)",
}
_TURNS = 16  # shown of a conversation


def draw(plan: Plan, results: Path) -> Figure:
    """Three columns from left to right."""
    dataset = plan["figure5"]["dataset"]
    paths = [results / "chat" / name for name in (f"{dataset}.jsonl", f"{dataset}.react.jsonl")]
    missing = [path.name for path in paths if not path.exists()]
    dialogue = None if missing else _shortest(paths[0])
    if dialogue is None:
        reason = f"no file chat/{', '.join(missing)}" if missing else "no trajectory trains all three capabilities"
        return page([[[Card("Figure 5", ((f"not run: {reason}", ""),))]]])
    original = next(row for row in _read(paths[1]) if row.id == dialogue.id)
    columns = [
        [Card(f"1. ReAct: {dialogue.id}"), *_conversation(original)],
        [Card("2. chat: the same as dialogue"), *_conversation(dialogue)],
        [Card("3. decomposed: what each file trains"), *_decomposed(results, dialogue)],
    ]
    return page([columns], legend=[(_LEGEND[name], tint) for name, tint in TINTS.items()])


def _shortest(path: Path) -> Trajectory | None:
    def trains_all(row: Trajectory) -> bool:
        return {span.capability for turn in row.turns if turn.loss for span in turn.spans}.issuperset(DECOMPOSED)

    def length(row: Trajectory) -> tuple[int, str]:
        return sum(len(turn.content) for turn in row.turns), row.id

    return min(filter(trains_all, _read(path)), key=length, default=None)


def _read(path: Path) -> Iterator[Trajectory]:
    return (from_json(row, path, number) for number, row in enumerate(read_jsonl(path), 1))


def _conversation(trajectory: Trajectory) -> list[Card]:
    shown = [(f"{turn.role}: ", _pieces(turn), 9 if turn.spans else 6) for turn in trajectory.turns[:_TURNS]]
    cards = [Card("", ((role, ""), *pieces), lines=lines) for role, pieces, lines in shown]
    left = len(trajectory.turns) - _TURNS
    return [*cards, Card("", ((f"… and {left} more", ""),))] if left > 0 else cards


def _pieces(turn: Turn) -> tuple[Piece, ...]:
    if not turn.spans:
        return ((turn.content, ""),)
    return tuple((text, TINTS.get(INSTRUCTION if span.format else span.capability, "")) for text, span in turn.pieces())


def _decomposed(results: Path, dialogue: Trajectory) -> list[Card]:
    """One card a capability: the turns of the dialogue that bear loss in its file."""
    cards = []
    for capability in DECOMPOSED:
        path = results / "decomposed" / f"{capability}.jsonl"
        rows = (row for row in _read(path) if (row.dataset, row.id) == (dialogue.dataset, dialogue.id))
        row = next(rows, None) if path.exists() else None
        if row is None:
            cards.append(Card(capability, ((f"not run: not in decomposed/{path.name}", ""),)))
            continue
        turns = [turn for turn in row.turns if turn.loss]
        pieces = [piece for turn in turns for piece in [*_pieces(turn), ("\n", "")]]
        cards.append(Card(f"{capability}: {len(turns)} of {len(row.turns)} turns", tuple(pieces)))
    return cards
