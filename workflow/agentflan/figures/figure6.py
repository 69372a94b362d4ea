"""Figure 6: the four circumstances of an agent, tools given or not and wanted or not, with counts from the built data.

Appendix C calls tools that do not fit case (b) too; they are counted there and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflan.figures._page import Card, page
from agentflan.files import read_json, read_jsonl
from agentflan.tables._scores import Plan, score_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CIRCUMSTANCES = {
    "a": ("no tools, ordinary query", "answer in plain words", "#cfe2f1"),
    "b": ("tools given, ordinary query", "answer in plain words", "#f5c9b0"),
    "c": ("no tools, query wants one", "say so in plain words", "#f5c9b0"),
    "d": ("tools given, query wants one", "call the tool", "#cfe2f1"),
}
IRRELEVANT, INSTRUCTION = "irrelevant", "instruction"


def draw(plan: Plan, results: Path) -> Figure:
    """Two by two: queries from left to right, system prompts from top to bottom."""
    figure = plan["figure6"]
    counts = {entry["label"]: _count_file(results, entry["condition"]) for entry in figure["conditions"]}
    benchmark = _benchmark_counts(results, figure["agent_h"])
    cells = {letter: _card(letter, counts, benchmark) for letter in CIRCUMSTANCES}
    rows = [[[cells["a"]], [cells["c"]]], [[cells["b"]], [cells["d"]]]]
    pairs = [f"{label} {'not run' if count is None else count[INSTRUCTION]}" for label, count in counts.items()]
    rows.append([[Card("", ((f"in none of them: pairs that practise a format ({', '.join(pairs)})", ""),))]])
    return page(rows, legend=[("usual training data", "#cfe2f1"), ("negative samples", "#f5c9b0")])


def circumstance(row: dict[str, Any]) -> str:
    """The letter of a training conversation; `irrelevant` for tools that do not fit, `instruction` for format pairs.

    Args:
        row: a line of a mixed file.
    """
    stream = row.get("stream", "")
    if stream == INSTRUCTION:
        return INSTRUCTION
    if stream == "general":
        return "a"
    if stream != "negative":
        return "d"
    if not row.get("tools"):
        return "c"
    return IRRELEVANT if f".{IRRELEVANT}" in row["id"] else "b"


def count_circumstances(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    """How many conversations are in each circumstance."""
    return Counter(map(circumstance, rows))


def _count_file(results: Path, condition: str) -> Counter[str] | None:
    path = results / "mixed" / f"{condition}.jsonl"
    return count_circumstances(read_jsonl(path)) if path.exists() else None


def _benchmark_counts(results: Path, entry: dict[str, Any]) -> dict[str, Any]:
    paths = [score_path(results, agent, "agent_h") for agent in entry["agents"]]
    found = [read_json(path) for path in paths if path.exists()]
    return found[0].get("parts", {}).get("circumstances", {}) if found else {}


def _card(letter: str, counts: dict[str, Counter[str] | None], benchmark: dict[str, Any]) -> Card:
    what, wanted, colour = CIRCUMSTANCES[letter]
    lines = [f"wanted: {wanted}"]
    for label, count in counts.items():
        lines.append(f"trained on, {label}: {'not run' if count is None else _number(letter, count)}")
    lines.append(f"tested on, Agent-H: {benchmark[letter]['n'] if letter in benchmark else 'not run'}")
    return Card(f"({letter}) {what}", (("\n".join(lines), ""),), colour)


def _number(letter: str, count: Counter[str]) -> str:
    if letter == "b":
        total = count["b"] + count[IRRELEVANT]
        return f"{total:,}, {count[IRRELEVANT]:,} of them with tools that do not fit" if total else "0"
    return f"{count[letter]:,}"
