"""How episodes end and what is wrong with replies, by agent and benchmark: counts from the scores, by rule.

Each episode is in one column: completed; parse error, where a reply held no action that could be read or done and so
ended it; limit reached, of steps or of the model's context; environment error, where what it was played in broke as
often as that is allowed; server error, where the model's server refused a request.

The last three columns count replies, where the benchmark tells what is wrong with each: out of the format, a tool that
does not exist, a call with other arguments than it can have. They are empty where it does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflan.files import read_json
from agentflan.tables._scores import Cell, Measure, Plan, layout, score, score_path

if TYPE_CHECKING:
    import pandas

KEYS = ("AGENT", "BENCHMARK")
_EPISODES = {
    "completed": ("completed",),
    "parse error": ("invalid_action",),
    "limit reached": ("task_limit", "context_limit"),
    "environment error": ("task_error",),
    "server error": ("api_error",),
}
_REPLIES = {"replies out of format": "format", "wrong tools": "tool", "wrong arguments": "arguments"}


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """One row an agent and benchmark, one column a kind of failure."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table."""
    titles = {benchmark["name"]: benchmark["title"] for benchmark in plan["benchmarks"]}
    return [
        Cell((entry["label"], titles[name]), column, measure, ".0f")
        for entry in plan["failures"]
        for name in entry["benchmarks"]
        for column, measure in _counts(plan, results, entry, name).items()
    ]


def _counts(plan: Plan, results: Path, entry: dict[str, Any], benchmark: str) -> dict[str, Measure]:
    whole = score(plan, results, entry, benchmark)
    columns = ("episodes", *_EPISODES, *_REPLIES)
    if whole.value is None:
        return dict.fromkeys(columns, whole)
    [agent] = entry["agents"]
    row = read_json(score_path(results, agent, benchmark))
    faults = row["parts"].get("faults", {})
    counts = [
        sum(row["outcomes"].values()),
        *(sum(row["outcomes"][outcome] for outcome in outcomes) for outcomes in _EPISODES.values()),
        *(faults.get(fault, "") for fault in _REPLIES.values()),
    ]
    return {
        column: Measure(count, note=whole.note, sources=whole.sources)
        for column, count in zip(columns, counts, strict=True)
    }
