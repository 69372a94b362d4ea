"""Filtered: what is dropped is counted and kept with its reason, and a broken record leaves nothing behind."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from agentflan.cli import main
from agentflan.files import read_json, read_jsonl

GOOD = [
    {"from": "user", "value": "q"},
    {
        "from": "assistant",
        "value": '\nThought: t\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "x"}',
    },
]
SECOND = {"from": "user", "value": "This is not the first time you try this task, all previous trails failed."}
STEP = {"from": "assistant", "value": "\nThought: t\nAction: f\nAction Input: {}"}


def _run(tmp_path: Path, rows: object, *options: str) -> int:
    (tmp_path / "raw").mkdir(exist_ok=True)
    (tmp_path / "raw" / "rows.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))
    out = ["--out", "kept.jsonl", "--rejected", "rejected.jsonl", "--counts", "counts.json"]
    paths = [str(tmp_path / text) if text.endswith(("l", "n")) and "." in text else text for text in out]
    return main(["filter_trajectories", "--dataset", "toolbench", "--raw", str(tmp_path / "raw"), *paths, *options])


def _record(name: str, turns: list[dict[str, str]]) -> dict[str, object]:
    return {"id": name, "conversations": turns}


def test_every_record_is_kept_or_rejected_with_a_reason(tmp_path: Path) -> None:
    rows = [
        _record("good", GOOD),
        _record("open", [GOOD[0], STEP]),
        _record("strict", [{"from": "system", "value": "s"}, GOOD[0], SECOND, *GOOD[1:]]),
        _record("wide", [{"from": "system", "value": "s"}, GOOD[0], STEP, SECOND, *GOOD[1:]]),
    ]
    assert _run(tmp_path, rows) == 0
    assert [row["id"] for row in read_jsonl(tmp_path / "kept.jsonl")] == ["good", "wide"]
    rejected = {row["id"]: row["reason"] for row in read_jsonl(tmp_path / "rejected.jsonl")}
    assert rejected == {"open": "no final answer", "strict": "not the first try (strict reading)"}
    counts = read_json(tmp_path / "counts.json")
    assert counts["read"] == 4 == counts["kept"] + sum(counts["rejected"].values())
    assert counts["readings"] == {"strict": 2, "wide": 1}


def test_the_wide_reading_is_an_option(tmp_path: Path) -> None:
    rows = [_record("wide", [{"from": "system", "value": "s"}, GOOD[0], STEP, SECOND, *GOOD[1:]])]
    assert _run(tmp_path, rows, "--option", "reading=wide") == 0
    assert read_json(tmp_path / "counts.json")["kept"] == 0


def test_copies_are_dropped_and_repeated_ids_get_numbers(tmp_path: Path) -> None:
    other = [{"from": "user", "value": "another"}, *GOOD[1:]]
    assert _run(tmp_path, [_record("a", GOOD), _record("a", GOOD), _record("a", other)]) == 0
    assert [row["id"] for row in read_jsonl(tmp_path / "kept.jsonl")] == ["a", "a #2"]
    assert read_json(tmp_path / "counts.json")["rejected"] == {"a duplicate": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_record("a", GOOD), {"id": "b"}], "rows.json: record 2 (b), field conversations"),
        ('[{"id": "a", "conversations": [', "rows.json: found truncated JSON"),
        ([_record("a", [{"from": "user", "value": 3}])], "field conversations[0].value: found int; expected a string"),
    ],
)
def test_broken_input_is_named_and_leaves_only_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: object, message: str
) -> None:
    (tmp_path / ".provenance").mkdir()  # here, whatever lies above
    assert _run(tmp_path, rows) == 1
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".provenance", "raw"]


def test_an_unknown_option_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, [_record("a", GOOD)], "--option", "readnig=wide") == 1
    assert "readnig" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    rows = [_record(f"row {number}", GOOD) for number in range(2000)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "rows.json").write_text(json.dumps(rows))
    command = ["filter_trajectories", "--dataset", "toolbench", "--raw", "raw", "--out", "kept.jsonl"]
    command += ["--rejected", "rejected.jsonl", "--counts", "counts.json"]
    done = subprocess.run(
        [sys.executable, "-m", "agentflan", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode != 0
    assert not (tmp_path / "kept.jsonl").exists() and not (tmp_path / "counts.json").exists()
