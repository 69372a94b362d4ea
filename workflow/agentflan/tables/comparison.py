"""Every value of Tables 1–6 and the printed numbers of the figures: published beside ours, with interval and status.

Published values and their known errors come from `paper/published`; ours come from the tables' own cells alone.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agentflan.errors import FileError
from agentflan.tables import _points, table1, table2, table3, table4, table5, table6
from agentflan.tables._scores import NOT_RUN, Cell, Measure, Plan, not_run

if TYPE_CHECKING:
    import pandas

Place = tuple[str, str]  # row (its keys joined by " / "), column

COLUMNS = ("table", "row", "column", "published", "ours", "low", "high", "n", "study", "status", "note")
# Each with its number of key columns.
_PARTS: dict[str, tuple[Callable[[Plan, Path], list[Cell]], int]] = {
    "table1": (table1.cells, len(table1.KEYS)),
    "table2": (table2.cells, len(table2.KEYS)),
    "table3": (table3.cells, len(table3.KEYS)),
    "table4": (table4.cells, len(table4.KEYS)),
    "table5": (table5.cells, len(table5.KEYS)),
    "table6": (table6.cells, len(table6.KEYS)),
    "figure1": (_points.margins, 1),
    "figure7": (_points.data_scaling, 1),
    "figure8": (_points.model_scaling, 2),
}


def build(plan: Plan, results: Path, published: Path) -> pandas.DataFrame:
    """One line a value.

    Args:
        plan: the study's plan.
        results: its folder ``results/<study>/``.
        published: the folder of the printed numbers, ``paper/published``.
    """
    import pandas

    errata = read_errata(published)
    lines = []
    for name, (of_table, keys) in _PARTS.items():
        printed = read_published(published / f"{name}.csv", keys)
        ours = {(" / ".join(cell.row), cell.column): cell.measure for cell in of_table(plan, results)}
        for place in [*printed, *(place for place in ours if place not in printed)]:
            measure = ours.get(place, not_run("the study has no such row"))
            notes = [measure.note, *errata.get((name, *place), [])]
            note = " ".join(f"{text.rstrip('.')}." for text in notes if text)
            lines.append([name, *place, printed.get(place, ""), *_ours(measure, plan), note])
    return pandas.DataFrame(lines, columns=COLUMNS)


def cells(plan: Plan, results: Path) -> list[Cell]:
    """Every value of ours; its row is the name of the table or figure, then the row there."""
    return [
        Cell((name, " / ".join(cell.row)), cell.column, cell.measure, cell.form)
        for name, (of_table, _) in _PARTS.items()
        for cell in of_table(plan, results)
    ]


def read_published(path: Path, keys: int) -> dict[Place, str]:
    """The printed values of a table by place, empty ones left out.

    Args:
        path: a file of `paper/published`.
        keys: how many of its first columns name the row.
    """
    rows = _read_csv(path)
    return {
        (" / ".join(row[:keys]), column): value
        for row in rows[1:]
        for column, value in zip(rows[0][keys:], row[keys:], strict=True)
        if value
    }


def read_errata(published: Path) -> dict[tuple[str, str, str], list[str]]:
    """What is wrong with printed values, by table, row and column."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for item, _, table, row, column, _, _, explanation in _read_csv(published / "errata.csv")[1:]:
        if table:
            found.setdefault((table, row, column), []).append(f"Erratum {item}: {explanation}")
    return found


def _ours(measure: Measure, plan: Plan) -> list[str]:
    status = NOT_RUN if measure.value is None else "done"
    numbers = [_number(value) for value in (measure.value, measure.low, measure.high, measure.n)]
    return [*numbers, plan["name"], status]


def _number(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _read_csv(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.reader(handle))
    except FileNotFoundError:
        raise FileError(path, "no such file", "the published values", "Give their folder with --published.") from None
