"""Tasks are refused where their ids could not tell them apart, or where there are none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentflan import benchmarks
from agentflan.benchmarks._protocol import complete_settings
from agentflan.benchmarks._tasks import checked_tasks
from agentflan.errors import AgentFlanError, FileError, RecordError
from agentflan.files import write_jsonl

TASKS = [{"id": "a"}, {"id": "b"}, {"id": "c"}]


def check(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks of a benchmark that reads these."""
    benchmark: Any = SimpleNamespace(NAME="invented", read_tasks=lambda folder, settings: tasks)
    return checked_tasks(benchmark, Path("raw"), {"limit": 0})


def test_tasks_with_their_own_ids_pass() -> None:
    assert check(TASKS) == TASKS


@pytest.mark.parametrize(
    ("tasks", "kind", "message"),
    [
        ([], FileError, "raw: found no task (setting limit: 0); expected at least one task of invented"),
        (
            [*TASKS, {"id": "b"}],
            RecordError,
            "raw: record 2 and 4 of the tasks, field id: found 'b' in both; expected two ids",
        ),
        ([*TASKS, {"id": 4}], RecordError, "raw: record 4 of the tasks, field id: found 4; expected a string"),
        ([{}], RecordError, "raw: record 1 of the tasks, field id: found None; expected a string"),
    ],
)
def test_others_are_refused(tasks: list[dict[str, Any]], kind: type[AgentFlanError], message: str) -> None:
    with pytest.raises(kind) as caught:
        check(tasks)

    assert str(caught.value) == message


def test_an_empty_file_is_a_sentence(tmp_path: Path) -> None:
    gsm8k = benchmarks.load("gsm8k")
    write_jsonl(tmp_path / "test.jsonl", [])
    settings = complete_settings(gsm8k, {"shots": 0})

    with pytest.raises(FileError, match="found no task"):
        checked_tasks(gsm8k, tmp_path, settings)
