"""What the page shows: tables with their numbers, figures, and captions, read from files."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentflan.errors import FileError
from agentflan.files import read_json

NOT_RUN = "not run"
LARGEST_FIGURE = 250_000  # bytes of a drawing that the page carries: the eleven of `mini` are some 1.5 MB of its 5
_LAST = ("bounds", "failures", "claims", "comparison")
_KEYS_OF_COMPARISON = 3  # table, row, column
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Number:
    """One place of a table.

    Attributes:
        text: as the table has it.
        name: its row and column in words; "" for a place that no sidecar knows, which has no lineage of its own.
        sources: paths of the files behind it, relative to the study's folder.
        published: the printed value; "" if there is none.
        interval: bounds of ours in words; "" if there is none.
        note: what the comparison says of it.
    """

    text: str
    name: str = ""
    sources: tuple[str, ...] = ()
    published: str = ""
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its file, without suffix.
        path: the file.
        study: whose numbers it has; "" if it does not say.
        columns: their titles, the study's left out.
        keys: how many of the first columns name the row.
        rows: a line each.
        sources: what is known of each file behind its numbers: hash, transcripts, episodes.
    """

    name: str
    path: Path
    study: str
    columns: list[str]
    keys: int
    rows: list[list[Number]]
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """As a heading."""
        return title(self.name)


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        name: of its files, without suffix.
        path: the file that is shown, or named if it is too large.
        image: it as a ``data:`` address; "" if it is too large.
    """

    name: str
    path: Path
    image: str

    @property
    def title(self) -> str:
        """As a heading."""
        return title(self.name)


def title(name: str) -> str:
    """``table1`` → ``Table 1``."""
    word, digits = re.fullmatch(r"(.*?)(\d*)", name).groups()
    return f"{word.replace('_', ' ').capitalize()} {digits}".strip()


def tables(files: Iterable[Path]) -> list[Table]:
    """All tables among some files, Table 1 first, each with what the comparison says of its numbers.

    Raises:
        FileError: a table has no line, or lines of several lengths.
    """
    paths = sorted((path for path in files if path.suffix == ".csv"), key=lambda path: _order(path.stem))
    compared = next((_compared(path) for path in paths if path.stem == "comparison"), {})
    return [_table(path, compared) for path in paths]


def figures(files: Iterable[Path]) -> list[Figure]:
    """All figures among some files, each as SVG, or as PNG where that is too large."""
    drawings = [path for path in files if path.suffix in _TYPES]
    names = sorted({path.stem for path in drawings}, key=_order)
    return [_figure(name, [path for kind in _TYPES for path in drawings if path.name == name + kind]) for name in names]


def caption(folder: Path, name: str) -> str:
    """The caption of a table or figure as safe HTML; "" if it has none."""
    from docutils.core import publish_parts

    path = folder / f"{name}.rst"
    if not path.is_file():
        return ""
    settings = {"raw_enabled": False, "file_insertion_enabled": False, "report_level": 5, "halt_level": 5}
    parts = publish_parts(path.read_text(encoding="utf-8"), writer="html5", settings_overrides=settings)
    return parts["fragment"]


def _order(name: str) -> tuple[int, str, int]:
    word, digits = re.fullmatch(r"(.*?)(\d*)", name).groups()
    return (_LAST.index(name) + 1 if name in _LAST else 0, word, int(digits or 0))


def _figure(name: str, paths: list[Path]) -> Figure:
    for path in paths:
        if path.stat().st_size <= LARGEST_FIGURE:
            data = base64.b64encode(path.read_bytes()).decode()
            return Figure(name, path, f"data:{_TYPES[path.suffix]};base64,{data}")
    return Figure(name, paths[0], "")


def _table(path: Path, compared: dict[tuple[str, str, str], dict[str, str]]) -> Table:
    header, *lines = _read(path)
    own = [place for place, column in enumerate(header) if column != "study"]
    columns = [header[place] for place in own]
    sidecar = path.with_suffix(".cells.json")
    known = read_json(sidecar) if sidecar.is_file() else {"cells": [], "sources": {}}
    cells = {(*cell["row"], cell["column"]): cell for cell in known["cells"]}
    keys = _KEYS_OF_COMPARISON if _is_comparison(columns) else _keys(known["cells"])
    table = Table(path.stem, path, _study(known, header, lines), columns, keys, [], known["sources"])
    for line in lines:
        texts = [line[place] for place in own]
        table.rows.append(_compared_row(table, texts, cells) if _is_comparison(columns) else _row(table, texts, cells))
    return table if _is_comparison(columns) else _with_published(table, compared)


def _row(table: Table, texts: list[str], cells: dict[tuple[str, ...], dict[str, Any]]) -> list[Number]:
    row = tuple(texts[: table.keys])
    found = [cells.get((*row, column)) for column in table.columns]
    return [
        Number(text, f"{', '.join(row)}, {column}", tuple(cell["sources"])) if cell and text else Number(text)
        for text, column, cell in zip(texts, table.columns, found, strict=True)
    ]


def _compared_row(table: Table, texts: list[str], cells: dict[tuple[str, ...], dict[str, Any]]) -> list[Number]:
    """A line of the comparison: one value, the third of whose keys is the column."""
    line = dict(zip(table.columns, texts, strict=True))
    place = (line["table"], line["row"], line["column"])
    name, cell = ", ".join((title(place[0]), *place[1:])), cells.get(place)
    return [
        Number(text or NOT_RUN, name, tuple(cell["sources"])) if column == "ours" and cell else Number(text)
        for column, text in line.items()
    ]


def _with_published(table: Table, compared: dict[tuple[str, str, str], dict[str, str]]) -> Table:
    rows = [
        [
            _beside(number, compared.get((table.name, " / ".join(each.text for each in row[: table.keys]), column)))
            for number, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    return Table(table.name, table.path, table.study, table.columns, table.keys, rows, table.sources)


def _beside(number: Number, line: dict[str, str] | None) -> Number:
    if line is None:
        return number
    interval = f"{_as(number.text, line['low'])} to {_as(number.text, line['high'])}" if line["low"] else ""
    return Number(number.text, number.name, number.sources, line["published"], interval, line["note"])


def _as(text: str, value: str) -> str:
    """A value with as many decimals as a text has."""
    return f"{float(value):.{len(text.partition('.')[2])}f}"


def _is_comparison(columns: list[str]) -> bool:
    return {"table", "row", "column", "published", "ours"} <= set(columns)


def _compared(path: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    header, *lines = _read(path)
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    return {(row["table"], row["row"], row["column"]): row for row in rows} if _is_comparison(header) else {}


def _keys(cells: list[dict[str, Any]]) -> int:
    return len(cells[0]["row"]) if cells else 1


def _study(known: dict[str, Any], header: list[str], lines: list[list[str]]) -> str:
    if known.get("study"):
        return known["study"]
    return lines[0][header.index("study")] if lines and "study" in header else ""


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as handle:
        lines = [line for line in csv.reader(handle) if line]
    if not lines:
        raise FileError(path, "no line", "a CSV with a header")
    for number, line in enumerate(lines, 1):
        if len(line) != len(lines[0]):
            raise FileError(path, f"{len(line)} fields in line {number}", f"{len(lines[0])}, as in the header")
    return lines
