"""AgentBench's 150 questions on Freebase: entities, the gold chain of tool calls, the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json

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
_FIELDS = {"question": str, "entities": dict, "actions": list, "answer": list}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Questions with id, question, source, entities (name → id), actions (text of the gold calls) and answers."""
    paths = sorted(folder.glob("*std.json*"))
    if not paths:
        raise FileError(folder, "no std.json", "the questions on the knowledge graph")
    for path in paths:
        for number, row in enumerate(read_json(path), 1):
            yield _question(row, path, number)


def _question(row: Any, path: Path, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise RecordError(path, number, "", type(row).__name__, "an object")
    for field, kind in _FIELDS.items():
        if not isinstance(row.get(field), kind):
            raise RecordError(path, number, field, type(row.get(field)).__name__, f"a {kind.__name__}")
    answers = [answer.get("answer_argument") for answer in row["answer"] if isinstance(answer, dict)]
    if not answers or not all(isinstance(answer, str) for answer in answers):
        raise RecordError(path, number, "answer", repr(answers)[:80], "objects with an answer_argument")
    return {
        "id": f"kg_{number - 1}",
        "qid": str(row.get("qid", "")),
        "source": str(row.get("source", "")),
        **{field: row[field] for field in ("question", "entities", "actions")},
        "answers": list(dict.fromkeys(answers)),
    }
