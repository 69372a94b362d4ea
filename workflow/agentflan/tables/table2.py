"""Table 2: the decomposed capabilities, one halved at a time, with the tokens of each mixture.

The paper's "Tokens (M)" are taken as the tokens that bear loss, which its own numbers suggest; all tokens stand beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.files import read_json
from agentflan.tables._scores import Cell, Entry, Measure, Plan, layout, not_run, score

if TYPE_CHECKING:
    import pandas

KEYS = ("Methods",)
TOKENS = {"Tokens (M)": ("loss", "tokens that bear loss"), "All tokens (M)": ("all", "all tokens")}
_SCORES = {"T-Eval": "teval", "HotpotQA": "hotpotqa"}
_MILLION = 1_000_000


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns, and a column for all tokens."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table."""
    return [cell for entry in plan["table2"] for cell in _row(plan, results, entry)]


def _row(plan: Plan, results: Path, entry: Entry) -> list[Cell]:
    row = (entry["label"],)
    tokens = [
        Cell(row, title, _count(results, entry, kind, meaning), ".3g") for title, (kind, meaning) in TOKENS.items()
    ]
    scores = [Cell(row, title, score(plan, results, entry, name)) for title, name in _SCORES.items()]
    return [*tokens, *scores]


def _count(results: Path, entry: Entry, kind: str, meaning: str) -> Measure:
    """Millions of tokens of the condition's mixture."""
    path = results / "mixed" / f"{entry['condition']}.tokens.json"
    if not path.exists():
        return not_run(entry.get("reason", f"no file mixed/{path.name}"))
    return Measure(read_json(path)[kind] / _MILLION, note=meaning, sources=(f"mixed/{path.name}",))
