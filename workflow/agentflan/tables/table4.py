"""Table 4: general capabilities, tuned on general data alone and on Agent-FLAN, and the change between the two."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.tables._scores import Cell, Entry, Plan, combine, layout, score

if TYPE_CHECKING:
    import pandas

KEYS = ("MODEL", "DATA")
_COLUMNS = {"MMLU": "mmlu", "GSM8K": "gsm8k", "HUMANEVAL": "humaneval"}


def build(plan: Plan, results: Path) -> pandas.DataFrame:
    """The table in the paper's rows and columns, the changes in columns of their own."""
    return layout(plan, KEYS, cells(plan, results))


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every place of the table; the first row of each model is what the changes are against."""
    models = groupby(plan["table4"], key=lambda entry: entry["model"])
    return [cell for _, entries in models for cell in _rows(plan, results, list(entries))]


def _rows(plan: Plan, results: Path, entries: list[Entry]) -> list[Cell]:
    first, *others = entries
    cells = [Cell(_key(first), title, score(plan, results, first, column)) for title, column in _COLUMNS.items()]
    for entry in others:
        for title, column in _COLUMNS.items():
            parts = {each["label"]: score(plan, results, each, column) for each in (first, entry)}
            change = combine(parts, _change, "A change is the difference of two rows")
            cells.append(Cell(_key(entry), title, parts[entry["label"]]))
            cells.append(Cell(_key(entry), f"{title} change", change, "+.1f"))
    return cells


def _key(entry: Entry) -> tuple[str, str]:
    return entry["model"], entry["label"]


def _change(before: float, after: float) -> float:
    return after - before
