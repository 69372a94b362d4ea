"""Broken files of the agent corpora: the error names the file, the record and the field."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agentflan import datasets
from agentflan.errors import FileError, RecordError
from agentflan.records import Trajectory

ROW = {
    "id": "db_1",
    "conversations": [
        {"from": "human", "loss": None, "value": "Rules."},
        {"from": "gpt", "loss": False, "value": "Ok."},
        {"from": "human", "loss": None, "value": "Question."},
        {"from": "gpt", "loss": True, "value": "Action: Answer\nFinal Answer: x"},
    ],
}
LISTING = "Specifically, you have access to the following APIs: "
RECORD = {
    "id": "Step 2: q",
    "conversations": [
        {"from": "system", "value": f"{LISTING}[{{'name': 'f'}}]"},
        {"from": "user", "value": "\nq\nBegin!\n"},
        {"from": "assistant", "value": '\nThought: t\nAction: f\nAction Input: {"a": 1}'},
    ],
}
CALL = {"name": "f", "arguments": '{"a": 1}'}
TREE = {
    "answer_generation": {
        "query": "q",
        "function": [{"name": "f"}],
        "train_messages": [
            [
                {"role": "system", "content": "Rules."},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "t", "function_call": CALL},
            ]
        ],
    }
}
FIREACT = {"instruction": "q", "input": "", "output": "Thought: t\nAction: finish[a]"}


def read(folder: Path, dataset: str, content: bytes, name: str = "hotpotqa.json") -> list[Trajectory]:
    """The trajectories of a folder with one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return list(datasets.load(dataset).read(folder))


def broken(value: Any, place: str, new: Any) -> Any:
    """A copy with another value (None: nothing) at a place such as ``turns.3.value``."""
    whole = holder = copy.deepcopy(value)
    *path, last = (int(key) if key.isdigit() else key for key in place.split("."))
    for key in path:
        holder = holder[key]
    if new is None:
        del holder[last]
    else:
        holder[last] = new
    return whole


TREE_PLACES = [
    ("answer_generation.query", None, "answer_generation.query"),
    ("answer_generation.function", None, "answer_generation.function"),
    ("answer_generation.function", ["f"], "functions"),
    ("answer_generation.train_messages", "x", "answer_generation.train_messages"),
    ("answer_generation.train_messages", ["x"], "train_messages"),
    ("answer_generation.train_messages.0.1.role", None, "train_messages[1].role"),
    ("answer_generation.train_messages.0.1.content", 4, "train_messages[1].content"),
    ("answer_generation.train_messages.0.2.content", 4, "train_messages[2].content"),
    ("answer_generation.train_messages.0.2.function_call", "f", "train_messages[2].function_call.name"),
    ("answer_generation.train_messages.0.2.function_call.arguments", {}, "train_messages[2].function_call.arguments"),
]
PLACES = [
    ("db", [ROW], "0.id", None, "id"),
    ("db", [ROW], "0.id", 3, "id"),
    ("db", [ROW], "0.conversations", None, "conversations"),
    ("db", [ROW], "0.conversations", [], "conversations"),
    ("db", [ROW], "0.conversations.1", "x", "conversations[1]"),
    ("db", [ROW], "0.conversations.1.from", ["gpt"], "conversations[1].from"),
    ("db", [ROW], "0.conversations.3.value", None, "conversations[3].value"),
    ("db", [ROW], "0.conversations.3.loss", "yes", "conversations[3].loss"),
    ("toolbench", [RECORD], "0.id", None, "id"),
    ("toolbench", [RECORD], "0.conversations", "x", "conversations"),
    ("toolbench", [RECORD], "0.conversations.1", "x", "conversations[1]"),
    ("toolbench", [RECORD], "0.conversations.1.from", ["user"], "conversations[1].from"),
    ("toolbench", [RECORD], "0.conversations.2.value", 1, "conversations[2].value"),
    *(
        ("toolbench", [RECORD], "0.conversations.0.value", LISTING + tools, "conversations[0].value")
        for tools in ("{'name': 'f'}", "['f']", "[{'x': 1}]", "[{{}: 1}]", "[{'name': 'f'", "[f()]", "[" * 999)
    ),
    *(("toolbench", TREE, *place) for place in TREE_PLACES),
    ("fireact", [FIREACT], "0.output", None, "output"),
    ("fireact", [FIREACT], "0", 3, ""),
]


@pytest.mark.parametrize(("dataset", "rows", "place", "new", "field"), PLACES)
def test_a_broken_field_is_named(tmp_path: Path, dataset: str, rows: Any, place: str, new: Any, field: str) -> None:
    assert read(tmp_path, dataset, json.dumps(rows).encode())

    with pytest.raises(RecordError) as caught:
        read(tmp_path, dataset, json.dumps(broken(rows, place, new)).encode())

    assert (caught.value.path, caught.value.field) == (str(tmp_path / "hotpotqa.json"), field)
    assert caught.value.record.startswith("1")


LINE = json.dumps(ROW).encode()


@pytest.mark.parametrize(
    ("dataset", "name", "content"),
    [
        ("db", "rows.json", LINE),
        ("db", "rows.json", b"[" + LINE[:60]),
        ("db", "rows.json.gz", gzip.compress(b"[" + LINE + b"]")[:-20]),
        ("db", "rows.jsonl.gz", gzip.compress(LINE)[:-20]),
        ("db", "rows.jsonl.gz", LINE),
        ("db", "rows.jsonl", b"\xff" + LINE),
        ("db", "data/db-00000.parquet", LINE),
        ("toolbench", "records.json", json.dumps([RECORD] * 3).encode()[:-30]),
        ("toolbench", "records.json", json.dumps([RECORD]).encode().replace(b"Begin", b"\xff\xfe")),
        ("toolbench", "tree.json", json.dumps(TREE).encode()[:90]),
        ("fireact", "hotpotqa.json", b"{}"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, dataset: str, name: str, content: bytes) -> None:
    with pytest.raises(FileError, match=name) as caught:
        read(tmp_path, dataset, content, name)

    assert "\n" not in str(caught.value)


def test_a_line_that_was_cut_off_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"rows\.jsonl: record 2:"):
        read(tmp_path, "db", LINE + b"\n" + LINE[:60], "rows.jsonl")


def test_records_before_a_broken_one_are_read(tmp_path: Path) -> None:
    """The big file is streamed: nothing waits for its end."""
    (tmp_path / "records.json").write_bytes(json.dumps([RECORD] * 5000).encode()[:-60])
    rows = datasets.load("toolbench").read(tmp_path)

    assert sum(1 for _, row in zip(range(4000), rows, strict=False) if row.id == RECORD["id"]) == 4000
    with pytest.raises(FileError, match="truncated JSON"):
        list(rows)


def test_parquet_and_json_rows_are_the_same(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    plain = read(tmp_path / "json", "db", b"[" + LINE + b"]", "rows.json")
    (tmp_path / "parquet" / "data").mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist([ROW]), tmp_path / "parquet" / "data" / "db-00000.parquet")

    assert list(datasets.load("db").read(tmp_path / "parquet")) == plain
    assert [turn.loss for turn in plain[0].turns] == [False, False, False, True]


def test_a_turn_without_loss_inside_the_task_stays_without(tmp_path: Path) -> None:
    more = [{"from": "human", "loss": None, "value": "[]"}, {"from": "gpt", "loss": False, "value": "Bye."}]
    row = ROW | {"conversations": [*ROW["conversations"], *more]}

    (found,) = read(tmp_path, "db", json.dumps([row]).encode())

    assert [turn.content for turn in found.turns if turn.loss] == ["Action: Answer\nFinal Answer: x"]


def test_lone_thoughts_of_a_tree_go_to_the_next_call(tmp_path: Path) -> None:
    chain = [
        *TREE["answer_generation"]["train_messages"][0][:2],
        {"role": "assistant", "content": "first"},
        {"role": "assistant", "content": "second", "function_call": CALL},
        {"role": "function", "content": "{}"},
        {"role": "assistant", "content": None, "function_call": CALL},
    ]
    whole = broken(TREE, "answer_generation.train_messages", [chain[:3], chain[:4], chain])

    rows = read(tmp_path, "toolbench", json.dumps(whole).encode())

    assert [row.id for row in rows] == ["Step 3: q", "Step 5: q"]
    assert rows[1].turns[2].content.startswith("Thought: first\nThought: second\nAction: f\n")
    assert rows[1].turns[4].content.startswith("Thought: \nAction: f\n")
    assert rows[1].tools == ({"name": "f"},)
