"""Transcripts that were edited, cut or mixed up are refused by name; a benchmark that broke has no number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import benchmark_examples
import pytest

from agentflan import datasets
from agentflan.cli import main
from agentflan.files import read_json, write_json, write_jsonl

Row = dict[str, Any]
ROWS: list[Row] = [
    {"id": row["id"], "prediction": f" {row['answer']}", "outcome": "completed"}
    for row in benchmark_examples.gsm8k()
    if row["split"] == "test"
]
BROKEN = {"outcome": "task_error", "error": "OSError: no database"}


@pytest.fixture
def score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Scores rows; the score lies in s.json."""
    rows = benchmark_examples.gsm8k()
    monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: rows))

    def run(rows: list[Row], *flags: str) -> int:
        write_jsonl(tmp_path / "t.jsonl", rows)
        files = ["--transcripts", str(tmp_path / "t.jsonl"), "--out", str(tmp_path / "s.json")]
        return main(["score_transcripts", "--benchmark", "gsm8k", "--data", str(tmp_path), *files, *flags])

    return run


def test_a_reply_of_very_many_digits_is_wrong_and_ends_nothing(score: Callable, tmp_path: Path) -> None:
    assert score([ROWS[0] | {"prediction": "9" * 5000}, *ROWS[1:]]) == 0
    assert read_json(tmp_path / "s.json")["value"] == pytest.approx(100 * (len(ROWS) - 1) / len(ROWS), abs=1e-3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [ROWS[0] | {"prediction": 5}, *ROWS[1:]],
            f"record 1 ({ROWS[0]['id']}), field prediction: found 5; expected a",
        ),
        ([ROWS[0], ROWS[1] | {"prediction": None}, *ROWS[2:]], f"record 2 ({ROWS[1]['id']}), field prediction: found"),
        ([ROWS[0], {"outcome": "completed"}, *ROWS[2:]], "record 2, field id: found None; expected the id of a task"),
        ([ROWS[1], ROWS[0], *ROWS[2:]], f"record 1, field id: found '{ROWS[1]['id']}'; expected '{ROWS[0]['id']}'"),
        ([ROWS[0], *ROWS], f"record 2, field id: found '{ROWS[0]['id']}'; expected '{ROWS[1]['id']}'"),
        ([{"status": "not run"}], "record 1, field reason: found None; expected why it was not run"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(
    rows: list[Row], message: str, score: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(rows) == 1
    assert f"t.jsonl: {message}" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize("verdict", [[], 5, {}, {"sentence": None}])
def test_a_verdict_that_is_none_is_refused(
    verdict: Any, score: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "p.json", verdict)

    assert score(ROWS, "--parity", str(tmp_path / "p.json")) == 1
    assert "p.json: found JSON that is no verdict; expected an object with the text sentence" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


def test_a_benchmark_that_broke_in_every_episode_has_no_number(score: Callable, tmp_path: Path) -> None:
    assert score([{"id": row["id"], **BROKEN} for row in ROWS]) == 0
    found = read_json(tmp_path / "s.json")

    assert (found["status"], "value" in found) == ("not run", False)
    assert found["reason"] == (
        f"every episode broke, {len(ROWS)} of {len(ROWS)} ended with task_error; the first, {ROWS[0]['id']}: "
        "OSError: no database"
    )


def test_a_single_broken_episode_counts_as_wrong_and_is_listed(score: Callable, tmp_path: Path) -> None:
    broken = [{"id": row["id"], **BROKEN} for row in ROWS]
    assert score([*broken[:-1], ROWS[-1]]) == 0
    found = read_json(tmp_path / "s.json")

    assert found["value"] == pytest.approx(100 / len(ROWS), abs=1e-3)
    assert len(found["parts"]["errors"]) == len(ROWS) - 1
