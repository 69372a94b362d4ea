"""AgentBench's 150 questions on Freebase: entities, the gold chain of tool calls, the answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError

KIND = "tasks"
_ONTOLOGY = f"{_harness.AGENTBENCH}/src/tasks/knowledgegraph/ontology"
SOURCE = Source(
    licence="Apache-2.0",
    url=f"{_harness.AGENTBENCH}/data/knowledgegraph",
    files=(
        SourceFile("std.json", "1265d4e35602b126d2bd947fcb1c17722e08ff5076c5282508e3530ede18109c"),
        _harness.KG,
        _harness.harness_file(  # the relations and attributes that its tools list
            "vocab.json", "6a178fa7f348631d816e37a384a89039b6ef1903c8797c4a20fbe97074ba6453", 1_137_427, _ONTOLOGY
        ),
        _harness.harness_file(  # what a relation leads to
            "fb_roles", "052ec0a1083b5cf83cfbf7f56f5d864e363382e3210e9a482da6e52ca37392ba", 1_902_419, _ONTOLOGY
        ),
    ),
    rows=150,
)
OPTIONAL_FILES = ("prompt.json",)  # another instruction and demonstration than the harness's
_FIELDS = {
    "question": str,
    "entities": {str: str},
    "actions": [str],
    "answer": [{"answer_argument": str}],
    "qid?": str | int | None,
    "source?": str | None,
}
_ACTION = re.compile(
    r"(?:get_relations|get_attributes|count)\([^,]+\)|(?:get_neighbors|intersection|argmax|argmin)\([^,]+,[^,]+\)"
)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Questions with id, question, source, entities (name → id), actions (text of the gold calls) and answers.

    Raises:
        FileError: there is no file, or one is no list of questions.
        RecordError: a field is missing or of another shape, or a gold call is none.
    """
    paths = sorted(folder.glob("*std.json*"))
    if not paths:
        raise FileError(folder, "no std.json", "the questions on the knowledge graph")
    for path, number, row in records(paths, _FIELDS):
        yield _question(row, path, number)


def _question(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    for field in ("actions", "answer"):
        if not row[field]:
            raise RecordError(path, number, field, "[]", "at least one")
    for index, action in enumerate(row["actions"]):
        if not _ACTION.fullmatch(action):
            expected = "a call such as get_relations(m.01)"
            raise RecordError(path, number, f"actions[{index}]", repr(action)[:80], expected)
    return {
        "id": f"kg_{number - 1}",
        "qid": str(row.get("qid") or ""),
        "source": row.get("source") or "",
        **{field: row[field] for field in ("question", "entities", "actions")},
        "answers": list(dict.fromkeys(answer["answer_argument"] for answer in row["answer"])),
    }
