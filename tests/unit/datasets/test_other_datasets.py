"""General conversation and task files: odd roles, single-quoted calls, both HotpotQA shapes, T-Eval's dictionaries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentflan import datasets
from agentflan.datasets.glaive import parse_call
from agentflan.errors import RecordError


def _write(folder: Path, name: str, value: Any) -> Path:
    (folder / name).write_text(json.dumps(value))
    return folder


def test_every_dataset_declares_itself() -> None:
    names = datasets.names()
    assert len(names) >= 14
    for name in names:
        module = datasets.load(name)
        assert module.KIND in ("agent", "general", "tasks", "released")
        assert module.SOURCE.licence
        assert module.SOURCE.files or module.SOURCE.rows, f"{name}: no files to fetch, no rows of a package"


def test_sharegpt_drops_leading_replies_and_joins_neighbours(tmp_path: Path) -> None:
    turns = [("gpt", "lost"), ("human", "a"), ("human", "b"), ("bing", "c"), ("gpt", "d")]
    row = {"id": "x_1", "conversations": [{"from": who, "value": text} for who, text in turns]}
    (found,) = datasets.load("sharegpt").read(_write(tmp_path, "s.json", [row]))
    assert [(turn.role, turn.content, turn.loss) for turn in found.turns] == [
        ("user", "a\nb", False),
        ("assistant", "c\nd", True),
    ]


def test_sharegpt_without_an_exchange_is_rejected(tmp_path: Path) -> None:
    rows = [{"id": "x", "conversations": [{"from": "human", "value": "a"}]}]
    (found,) = datasets.load("sharegpt").read(_write(tmp_path, "s.json", rows))
    assert datasets.load("sharegpt").reject(found) == "no exchange of a user and a reply"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('{"name": "f", "arguments": \'{"a": "b c"}\'}', {"name": "f", "arguments": {"a": "b c"}}),
        ('{"name": "f", "arguments": \'{"a": "it\\\'s"}\'}', {"name": "f", "arguments": {"a": "it's"}}),
        ('{"name": "f", "arguments": {"a": 1}}', {"name": "f", "arguments": {"a": 1}}),
        ('{"name": "f"}', {"name": "f", "arguments": {}}),
        ("nothing", None),
    ],
)
def test_glaive_calls_are_repaired(text: str, call: dict[str, Any] | None) -> None:
    assert parse_call(text) == call


def test_real_glaive_rows(shared_data: Path) -> None:
    rows = _glaive(shared_data)
    assert len(rows) == 5
    assert all(row["turns"][0]["role"] == "user" and row["tools"] for row in rows)
    assert any("call" in turn for row in rows for turn in row["turns"])


def _glaive(shared_data: Path) -> list[dict[str, Any]]:
    from agentflan.datasets import glaive
    from agentflan.files import read_jsonl

    path = shared_data / "glaive" / "raw_rows.jsonl"
    return [glaive._row(row, path, number) for number, row in enumerate(read_jsonl(path), 1)]


def test_real_hotpotqa_has_300_questions_with_their_pages(shared_data: Path, tmp_path: Path) -> None:
    for level in ("easy", "medium", "hard"):
        (tmp_path / f"{level}.jsonl.gz").symlink_to(shared_data / "hotpotqa" / f"{level}.jsonl.gz")
    rows = list(datasets.load("hotpotqa").read(tmp_path))
    assert len(rows) == 300
    assert len({title for row in rows for title, _ in row["context"]}) == 2958


def test_real_teval_files(shared_data: Path) -> None:
    rows = list(datasets.load("teval").read(shared_data / "teval"))
    assert len(rows) == 553 + 553 + 487
    assert all(row["origin_prompt"] for row in rows)


def test_real_released_rows(shared_data: Path) -> None:
    rows = list(datasets.load("agent_flan").read(shared_data / "agent_flan"))
    assert len(rows) == 2
    assert all(any(turn.loss for turn in row.turns) for row in rows)


@pytest.mark.parametrize(
    ("dataset", "name", "rows", "field"),
    [
        ("os", "os.json", [{"id": "os_1", "conversations": [{"role": "user"}]}], r"conversations\[0\]\.content"),
        (
            "os",
            "os.json",
            [{"id": "os_1", "conversations": [{"from": "cat", "value": ""}]}],
            r"conversations\[0\]\.from",
        ),
        ("os", "os.json", [{"conversations": []}], "id"),
        (
            "toolbench",
            "t.json",
            [{"id": "Step 1: x", "conversations": [{"from": "user"}]}],
            r"conversations\[0\]\.value",
        ),
        ("sharegpt", "s.json", [{"id": "x", "conversations": 3}], "conversations"),
        ("glaive", "g.json", [{"system": "", "chat": None}], "chat"),
        ("fireact", "hotpotqa.json", [{"instruction": "x"}], "output"),
        ("hotpotqa", "h.json", [{"id": "a", "question": 3}], "question"),
        ("teval", "plan_str_v1.json", {"q": {"origin_prompt": []}}, "ground_truth"),
    ],
)
def test_a_broken_field_is_named(tmp_path: Path, dataset: str, name: str, rows: Any, field: str) -> None:
    with pytest.raises(RecordError, match=rf"{name}: record .*field {field}"):
        list(datasets.load(dataset).read(_write(tmp_path, name, rows)))
