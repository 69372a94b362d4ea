"""HotpotQA's questions with their pages: the 300 that AgentTuning's harness asks, a hundred of each level.

Upstream keeps them as pickles (BOLAA's ``{easy,medium,hard}.joblib``), which are never read here. They are questions of
the official data, easy and medium ones of its training split, hard ones of its development split: they are picked from
there by their ids (``_hotpotqa_questions.json``). A folder may hold others, as JSON lines by level.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import read_prompt as read_texts
from agentflan.datasets._records import records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json

KIND = "tasks"
_OFFICIAL = (
    (
        "distractor/train-00000-of-00002.parquet",
        "76d3bb3048a7cc73c1958107c0c5872a00d7e7d00c105b81e92f6769e7822e68",
        165_624_177,
    ),
    (
        "distractor/train-00001-of-00002.parquet",
        "713661628434fbb19fff7392e2e321e4ed107e3c7c7784d0690946e5f722763f",
        166_162_479,
    ),
    (
        "distractor/validation-00000-of-00001.parquet",
        "c20b638ca82b21d04fe12e14ff417ad05153d4d215a65de54497fca4e972f7c6",
        27_452_575,
    ),
)
SOURCE = Source(
    licence="CC BY-SA 4.0",
    repo="hotpotqa/hotpot_qa",
    revision="1908d6afbbead072334abe2965f91bd2709910ab",
    files=(*(SourceFile(*file, optional=True) for file in _OFFICIAL), _harness.HOTPOTQA, _harness.HOTPOTQA_SHOWN),
    rows=300,
)
_BY_LEVEL = ("easy.jsonl", "medium.jsonl", "hard.jsonl")
# Questions by level stand before the official ones, and another prompt before the harness's.
OPTIONAL_FILES = (*_BY_LEVEL, "prompt.json")
QUESTIONS = Path(__file__).with_name("_hotpotqa_questions.json")
_SLOTS = "\nQuestion: {question}{scratchpad}"  # what the harness's template ends with
_FIELDS = ("question", "answer", "type", "level")
_CONTEXT = [(str, [str])]
_COLUMNS = {"title": [str], "sentences": [[str]]}  # of the hub's context


def _shape(row: Any) -> dict[str, Any]:
    """What a question must be; its id stands under either name."""
    identity = "_id" if isinstance(row, dict) and "_id" in row and "id" not in row else "id"
    return {
        identity: str,
        **dict.fromkeys(_FIELDS, str),
        "context": lambda value: _COLUMNS if isinstance(value, dict) else _CONTEXT,
        "supporting_facts?": lambda value: {"title": [str]} if isinstance(value, dict) else [(str, int)],
    }


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, question, answer, type, level, supporting_facts and context as [[title, [sentence, …]], …].

    Raises:
        FileError: there is no file, or one is no list of questions.
        RecordError: a field is missing or of another shape, or an id stands twice.
    """
    paths = [path for path in sorted(folder.glob("*.json*")) if path.name not in ("receipt.json", "prompt.json")]
    if not paths:
        yield from _picked(folder)
    for path, number, row in records(paths, _shape, ("id", "_id")):
        yield _row(row, path, number)


def read_prompt(folder: Path) -> dict[str, str]:
    """BOLAA's "instruction" and "demonstrations", joined by a line break as upstream shows them, and their "source".

    From ``prompt.json``, else from AgentTuning's files; empty without them.

    Raises:
        FileError: AgentTuning's code has another form, or ``prompt.json`` is damaged.
        RecordError: ``prompt.json`` holds another text or another type.
    """
    own, code = folder / "prompt.json", folder / _harness.HOTPOTQA.name
    if own.exists():
        return read_texts(folder, dict.fromkeys(("instruction", "demonstrations"), str)) | {"source": own.name}
    if not code.exists():
        return {}
    start, examples, end = _harness.Code(code).literal("REACT_INSTRUCTION").partition("{examples}")
    if not examples or not end.endswith(_SLOTS):
        raise FileError(
            code, "a REACT_INSTRUCTION of another form", f"text with {{examples}} that ends with {_SLOTS!r}"
        )
    instruction, _, heading = start.rstrip("\n").rpartition("\n")
    shown = _harness.Code(folder / _harness.HOTPOTQA_SHOWN.name).literal("REACT_EXAMPLE")
    demonstrations = f"{heading}\n{shown}{end.removesuffix(_SLOTS)}"
    return {"instruction": instruction, "demonstrations": demonstrations, "source": _harness.HOTPOTQA.name}


def _picked(folder: Path) -> Iterator[dict[str, Any]]:
    """The 300 of the official files, in the harness's order; their level is the harness's too."""
    from pyarrow import ArrowInvalid, parquet

    levels = {identity: level for level, listed in read_json(QUESTIONS).items() for identity in listed}
    found: dict[str, dict[str, Any]] = {}
    for name, _, _ in _OFFICIAL:
        path = folder / name
        if not path.exists():
            raise FileError(folder, f"no {name}", f"the official files, or {', '.join(_BY_LEVEL)}")
        try:
            rows = parquet.read_table(path, filters=[("id", "in", list(levels))]).to_pylist()
        except (ArrowInvalid, OSError) as error:
            raise FileError(path, f"no readable parquet file ({error})", "a file of hotpotqa/hotpot_qa") from None
        found |= {
            row["id"]: _row(row | {"level": levels[row["id"]]}, path, number) for number, row in enumerate(rows, 1)
        }
    missing = [identity for identity in levels if identity not in found]
    if missing:
        raise FileError(
            folder, f"{len(found)} of the questions, not {missing[0]}", f"all {len(levels)} of {QUESTIONS.name}"
        )
    yield from (found[identity] for identity in levels)


def _row(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    identity, context = row.get("id", row.get("_id")), row["context"]
    if isinstance(context, dict):
        titles, sentences = context["title"], context["sentences"]
        if len(titles) != len(sentences):
            found = f"{len(titles)} titles and {len(sentences)} lists of sentences"
            raise RecordError(path, f"{number} ({identity})", "context", found, "as many of both")
        context = [list(page) for page in zip(titles, sentences, strict=True)]
    fields = {field: row[field] for field in _FIELDS}
    return {"id": identity, **fields, "supporting_facts": row.get("supporting_facts", []), "context": context}
