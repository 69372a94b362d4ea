"""The harness's 300 questions are picked from the official files by their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from agentflan.benchmarks.hotpotqa import FIREACT_QUESTIONS
from agentflan.datasets import hotpotqa
from agentflan.errors import FileError
from agentflan.files import read_json, read_jsonl, write_jsonl

OFFICIAL = [file.name for file in hotpotqa.SOURCE.files if file.name.endswith(".parquet")]


def _row(identity: str, level: str) -> dict[str, Any]:
    """A row of the hub: its columns, its nesting."""
    return {
        "id": identity,
        "question": f"What is {identity}?",
        "answer": "It",
        "type": "bridge",
        "level": level,
        "supporting_facts": {"title": ["A"], "sent_id": [0]},
        "context": {"title": ["A", "B"], "sentences": [["One.", " Two."], ["Three."]]},
    }


@pytest.fixture
def listed() -> dict[str, list[str]]:
    return read_json(hotpotqa.QUESTIONS)


@pytest.fixture
def official(tmp_path: Path, listed: dict[str, list[str]]) -> Path:
    """Three files with the questions in another order, and others between them; easy ones are called hard."""
    easy, medium, hard = (list(reversed(listed[level])) for level in ("easy", "medium", "hard"))
    for name, ids in zip(OFFICIAL, (easy + medium[:50], medium[50:], hard), strict=True):
        rows = [row for identity in ids for row in (_row(identity, "hard"), _row(f"not{identity}", "easy"))]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    return tmp_path


def test_they_are_picked_in_the_harnesss_order_and_with_its_levels(
    official: Path, listed: dict[str, list[str]]
) -> None:
    rows = list(hotpotqa.read(official))
    assert [(row["level"], row["id"]) for row in rows] == [(level, id_) for level in listed for id_ in listed[level]]
    assert rows[0]["context"] == [["A", ["One.", " Two."]], ["B", ["Three."]]]
    assert rows[0]["question"] == f"What is {listed['easy'][0]}?"


def test_a_folder_with_questions_by_level_stands_before_them(official: Path) -> None:
    write_jsonl(official / "easy.jsonl", [_row("mine", "easy")])
    assert [row["id"] for row in hotpotqa.read(official)] == ["mine"]


def test_what_is_missing_is_named(official: Path, listed: dict[str, list[str]]) -> None:
    few = pyarrow.Table.from_pylist([_row(identity, "hard") for identity in listed["hard"][1:]])
    parquet.write_table(few, official / OFFICIAL[2])
    with pytest.raises(FileError, match=f"found 299 of the questions, not {listed['hard'][0]}; expected all 300"):
        list(hotpotqa.read(official))
    (official / OFFICIAL[1]).write_bytes(b"PAR1")
    with pytest.raises(FileError, match=rf"{OFFICIAL[1]}: found no readable parquet file"):
        list(hotpotqa.read(official))
    (official / OFFICIAL[0]).unlink()
    with pytest.raises(FileError, match=rf"found no {OFFICIAL[0]}; expected the official files, or easy\.jsonl"):
        list(hotpotqa.read(official))


def test_the_list_holds_a_hundred_of_each_level_and_all_that_fireact_was_trained_on(
    listed: dict[str, list[str]],
) -> None:
    assert {level: len(ids) for level, ids in listed.items()} == {"easy": 100, "medium": 100, "hard": 100}
    assert len({identity for ids in listed.values() for identity in ids}) == 300
    assert set(read_json(FIREACT_QUESTIONS)) <= {*listed["easy"], *listed["medium"]}


def test_the_list_is_that_of_the_real_records(shared_data: Path, listed: dict[str, list[str]]) -> None:
    for level, ids in listed.items():
        assert [row["id"] for row in read_jsonl(shared_data / "hotpotqa" / f"{level}.jsonl.gz")] == ids


def test_only_the_hard_ones_are_of_the_development_split(shared_data: Path) -> None:
    """By their texts: the copy of that split has no ids."""
    development = {row["question"] for row in read_json(shared_data / "hotpotqa" / "fireact_dev.json.gz")}
    for level, expected in (("easy", 0), ("medium", 0), ("hard", 100)):
        rows = read_jsonl(shared_data / "hotpotqa" / f"{level}.jsonl.gz")
        assert sum(row["question"] in development for row in rows) == expected
