"""DBBench's 300 tasks (AgentTuning's copy: AgentBench edited labels later): one table and one question each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError

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
_CELL = str | int | float | bool | None
_FIELDS = {
    "description": str,
    "add_description?": str | None,
    "label": [_CELL],
    "type": [str],
    "table": {"table_name": str, "table_info": {"columns": [{"name": str}], "rows": [[_CELL]]}},
    "answer_md5?": str | None,
    "source?": str | None,
}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks with id, type, question, table, columns, rows, source, gold SQL (`change`) and its hash, or the `label`.

    Raises:
        FileError: there is no file.
        RecordError: a field is missing or of another shape; a change needs its SQL and the hash of what it leaves.
    """
    paths = sorted(folder.glob("*standard.jsonl*"))
    if not paths:
        raise FileError(folder, "no standard.jsonl", "the tasks of DBBench")
    for path, number, row in records(paths, _FIELDS):
        yield _task(row, path, number)


def _task(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    if not row["type"]:
        raise RecordError(path, number, "type", "[]", "what the task does, as its first text")
    kind, table = row["type"][0], row["table"]
    info, label = table["table_info"], [str(value) for value in row["label"]]
    lines = [row["description"], row.get("add_description")]
    task = {
        "id": f"db_{number - 1}",
        "type": kind,
        "question": "\n".join(line for line in lines if line),
        "table": table["table_name"],
        "columns": [column["name"] for column in info["columns"]],
        "rows": [[str(value) for value in values] for values in info["rows"]],
        "source": row.get("source") or "",
    }
    if kind not in CHANGING:
        return task | {"label": label}
    for field in ("label", "answer_md5"):
        if not row.get(field):
            raise RecordError(path, number, field, "nothing", f"the gold SQL and the hash of what the {kind} leaves")
    return task | {"change": label[0], "hash": row["answer_md5"]}
