"""HotpotQA's questions with their pages: AgentTuning's 300 (JSON lines by level) or the official JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json, read_jsonl

KIND = "tasks"
SOURCE = Source(
    licence="CC BY-SA 4.0",
    url="",  # upstream ships pickles (BOLAA's {easy,medium,hard}.joblib): give a folder of JSON lines made from them
    files=tuple(SourceFile(f"{level}.jsonl") for level in ("easy", "medium", "hard")),
    rows=300,
)
OPTIONAL_FILES = ("prompt.json",)  # instruction and demonstrations of the harness
_FIELDS = ("question", "answer", "type", "level")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, question, answer, type, level, supporting_facts and context as [[title, [sentence, …]], …]."""
    paths = [path for path in sorted(folder.glob("*.json*")) if path.name not in ("receipt.json", *OPTIONAL_FILES)]
    if not paths:
        raise FileError(folder, "no JSON file", "easy.jsonl, medium.jsonl and hard.jsonl")
    for path in paths:
        rows = read_jsonl(path) if ".jsonl" in path.name else read_json(path)
        for number, row in enumerate(rows, 1):
            yield _row(row, path, number)


def _row(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    identity = row.get("id", row.get("_id"))
    if not isinstance(identity, str):
        raise RecordError(path, number, "id", type(identity).__name__, "a string")
    for field in _FIELDS:
        if not isinstance(row.get(field), str):
            raise RecordError(path, f"{number} ({identity})", field, type(row.get(field)).__name__, "a string")
    context = row.get("context")
    if isinstance(context, dict):  # the hub's columns
        context = [[title, sentences] for title, sentences in zip(context["title"], context["sentences"], strict=True)]
    if not isinstance(context, list):
        raise RecordError(path, f"{number} ({identity})", "context", type(context).__name__, "titles with sentences")
    fields = {field: row[field] for field in _FIELDS}
    return {"id": identity, **fields, "supporting_facts": row.get("supporting_facts", []), "context": context}
