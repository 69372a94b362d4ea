"""MMLU's multiple-choice questions of 57 subjects: 14,042 to be answered and five a subject as examples."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._records import check
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError

KIND = "tasks"
SOURCE = Source(
    licence="MIT",
    repo="cais/mmlu",
    revision="c30699e8356da336a370243923dbaf21066bb9fe",
    files=tuple(SourceFile(f"all/{split}-00000-of-00001.parquet") for split in ("dev", "test")),
    rows=14_327,
)
OPTIONAL_FILES = ("prompt.json",)  # wording of another harness
LETTERS = "ABCD"
SPLITS = ("dev", "test")
_FIELDS = {"split": set(SPLITS), "subject": str, "question": str, "choices": (str,) * len(LETTERS), "answer": int}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, split (dev or test), subject, question, choices (four texts) and answer (0–3).

    From the hub's parquet files, or a CSV with the columns split, subject, row, question, A, B, C, D, answer.

    Raises:
        FileError: there is no file, or one is damaged.
        RecordError: a field is missing or of another type.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix == ".parquet" or ".csv" in path.suffixes)
    if not paths:
        raise FileError(folder, "no parquet or CSV file", "all/dev-….parquet and all/test-….parquet of cais/mmlu")
    for path in paths:
        for number, row in enumerate(_parquet(path) if path.suffix == ".parquet" else _csv(path), 1):
            yield _row(row, path, number)


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import ArrowInvalid, parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (ArrowInvalid, OSError) as error:
        raise FileError(path, f"no readable parquet file ({error})", "a file of cais/mmlu") from None
    split = path.name.partition("-")[0]
    for row in rows:
        yield {"split": split, **row}


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as handle:
        try:
            for row in csv.DictReader(handle):
                choices = [row.get(letter) for letter in LETTERS]
                yield {**row, "choices": choices, "answer": LETTERS.find(row.get("answer") or "-")}
        except (csv.Error, EOFError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(path, f"damaged bytes ({error})", "a whole CSV file", "Is the file cut off?") from None


def _row(row: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    check(row, _FIELDS, path, number)
    if row["answer"] not in range(len(LETTERS)):
        raise RecordError(path, number, "answer", repr(row["answer"]), "0 to 3, or A to D in a CSV")
    return {"id": f"mmlu_{row['split']}_{number - 1}", **{field: row[field] for field in _FIELDS}}
