"""A negative sample as cards: system prompt, query, reply."""

from __future__ import annotations

from pathlib import Path

from agentflan.figures._page import Card
from agentflan.files import read_jsonl
from agentflan.records import from_json

_ROLES = {
    "system": ("system", "#e3e3e3", 30),
    "user": ("user query", "#f6dba8", 14),
    "assistant": ("assistant", "#cfe2f1", 14),
}


def sample_cards(results: Path, kind: str, title: str) -> list[Card]:
    """The first sample of a kind (``plain``, ``irrelevant``, ``conversation``) by id; [] if the data have none."""
    path = results / "decomposed" / "negative.jsonl"
    if not path.exists():
        return [Card(title, (("not run: no file decomposed/negative.jsonl", ""),))]
    rows = (from_json(row, path, number) for number, row in enumerate(read_jsonl(path), 1))
    found = [row for row in rows if row.id.endswith(f".{kind}")]
    if not found:
        return []
    sample = min(found, key=lambda row: row.id)
    head = Card(title, ((f"one of {len(found)}, id: {sample.id}", ""),))
    return [
        head,
        *(
            Card(name, ((turn.content, ""),), colour, lines)
            for turn in sample.turns
            for name, colour, lines in [_ROLES[turn.role]]
        ),
    ]
