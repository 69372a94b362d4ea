"""HumanEval's 164 functions: signature and description, a solution, and the tests that it must pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError

KIND = "tasks"
SOURCE = Source(
    licence="MIT",
    url="https://raw.githubusercontent.com/openai/human-eval/6d43fb980f9fee3c892a914eda09951f772ad10d/data",
    files=(SourceFile("HumanEval.jsonl.gz", "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"),),
    rows=164,
)
_FIELDS = ("prompt", "canonical_solution", "test", "entry_point")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, prompt, canonical_solution, test (defines ``check``) and entry_point, all of them text.

    Raises:
        FileError: there is no file.
        RecordError: a field is no text, or an id stands twice.
    """
    paths = sorted(folder.glob("HumanEval.jsonl*"))
    if not paths:
        raise FileError(folder, "no HumanEval.jsonl.gz", "the problems of human-eval")
    for _, _, row in records(paths[:1], dict.fromkeys(("task_id", *_FIELDS), str), ("task_id",)):
        yield {"id": row["task_id"], **{field: row[field] for field in _FIELDS}}
