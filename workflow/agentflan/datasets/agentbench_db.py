"""DBBench's 300 tasks (AgentTuning's copy: AgentBench edited labels later): one table and one question each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_jsonl

KIND = "tasks"
SOURCE = Source(
    licence="Apache-2.0",
    url=f"{_harness.AGENTBENCH}/data/dbbench",
    files=(
        SourceFile("standard.jsonl", "d1ac4d67ec39fad083c38944972e392ff100257c755361ee63eaef608ddafcb3"),
        _harness.DB,
    ),
    rows=300,
)
OPTIONAL_FILES = ("prompt.json",)  # another instruction than the harness's
CHANGING = ("INSERT", "DELETE", "UPDATE")  # tasks that change the table


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks with id, type, question, table, columns, rows, source, gold SQL (`change`) and its hash, or the `label`."""
    paths = sorted(folder.glob("*standard.jsonl*"))
    if not paths:
        raise FileError(folder, "no standard.jsonl", "the tasks of DBBench")
    for path in paths:
        for number, row in enumerate(read_jsonl(path), 1):
            yield _task(row, path, number)


def _task(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    try:
        kind, table = str(row["type"][0]), row["table"]
        info, label = table["table_info"], [str(value) for value in row["label"]]
        lines = [row["description"], row.get("add_description", "")]
        task = {
            "id": f"db_{number - 1}",
            "type": kind,
            "question": "\n".join(line for line in lines if line),
            "table": str(table["table_name"]),
            "columns": [str(column["name"]) for column in info["columns"]],
            "rows": [[str(value) for value in values] for values in info["rows"]],
            "source": str(row.get("source", "")),
        }
        if kind in CHANGING:
            return task | {"change": label[0], "hash": str(row["answer_md5"])}
        return task | {"label": label}
    except (KeyError, IndexError, TypeError) as error:
        expected = "description, label, type, table with table_name and table_info, answer_md5 of a changed table"
        raise RecordError(path, number, "", f"a row without {error}", expected) from None
