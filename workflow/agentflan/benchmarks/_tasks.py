"""The tasks of a benchmark, as the runner, the scorers and the caches need them: at least one, each with its own id."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from agentflan.benchmarks._protocol import Settings, Task
from agentflan.errors import FileError, RecordError


def checked_tasks(benchmark: ModuleType, folder: Path, settings: Settings) -> list[Task]:
    """What `read_tasks` of a benchmark reads. Replies, episodes and scores are found again by the tasks' ids.

    Args:
        benchmark: a module of `agentflan.benchmarks`.
        folder: its raw folder.
        settings: its complete settings.

    Raises:
        FileError: there is no task.
        RecordError: an id is no text, or two tasks have the same one; both are named by their numbers among the tasks.
    """
    tasks = benchmark.read_tasks(folder, settings)
    if not tasks:
        limit = settings["limit"]
        raise FileError(folder, f"no task (setting limit: {limit})", f"at least one task of {benchmark.NAME}")
    numbers: dict[str, int] = {}
    for number, task in enumerate(tasks, 1):
        identity = task.get("id")
        if not isinstance(identity, str):
            raise RecordError(folder, f"{number} of the tasks", "id", repr(identity), "a string")
        first = numbers.setdefault(identity, number)
        if first != number:
            raise RecordError(folder, f"{first} and {number} of the tasks", "id", f"{identity!r} in both", "two ids")
    return tasks
