"""GSM8K's word problems of grade-school arithmetic: 1,319 to be solved, and the training problems as examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import records
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError

KIND = "tasks"
SOURCE = Source(
    licence="MIT",
    url="https://raw.githubusercontent.com/openai/grade-school-math/3101c7d5072418e28b9008a6636bde82a006892c"
    "/grade_school_math/data",
    files=(
        SourceFile("test.jsonl", "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14"),
        SourceFile("train.jsonl"),
    ),
    rows=8_792,
)
OPTIONAL_FILES = ("prompt.json",)  # wording of another harness
_GOLD = re.compile(r"#### (-?[0-9.,]+)\s*$")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, split (test or train), question and answer: the steps, then ``#### number``.

    Raises:
        FileError: there are no test problems.
        RecordError: a question is no text, or an answer does not end in a number.
    """
    if not (folder / "test.jsonl").exists():
        raise FileError(folder, "no test.jsonl", "the problems of grade-school-math")
    for split in ("test", "train"):
        path = folder / f"{split}.jsonl"
        for _, number, row in records([path] if path.exists() else [], {"question": str, "answer": str}):
            if not _GOLD.search(row["answer"]):
                raise RecordError(path, number, "answer", repr(row["answer"])[-40:], "a text that ends in #### number")
            kept = {key: row[key] for key in ("question", "answer")}
            yield {"id": f"gsm8k_{split}_{number - 1}", "split": split, **kept}
