"""Score stored transcripts of a benchmark: a pure function of transcripts, task files and settings.

Writes one JSON object: status, agent, benchmark, protocol, value in percent with its 95 % interval, n, parts, outcomes,
settings. When the transcripts say "not run", every episode broke, or the scorer misses something, the object says so
and holds no number. A benchmark whose scorer reads one kind of prediction may name it: `PREDICTION = str`.
"""

from __future__ import annotations

import argparse
import reprlib
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan import episodes
from agentflan.arguments import InputPath, OutputPath
from agentflan.benchmarks._flags import add_benchmark, benchmark_of
from agentflan.benchmarks._protocol import Row
from agentflan.benchmarks._tasks import checked_tasks
from agentflan.errors import FileError, NotAvailable, RecordError
from agentflan.files import read_json, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_benchmark(parser)
    parser.add_argument("--transcripts", type=InputPath, required=True, help="what run_episodes wrote")
    parser.add_argument("--agent", help="name of the agent (default: the name of the transcripts' folder)")
    parser.add_argument("--parity", type=InputPath, help="what compare_backends found, if the agent's backend needs it")
    parser.add_argument("--out", type=OutputPath, required=True, help="the score, JSON")


def run(arguments: argparse.Namespace) -> str:
    benchmark, settings = benchmark_of(arguments)
    agent = arguments.agent or arguments.transcripts.resolve().parent.name
    parity = _read_parity(arguments.parity) if arguments.parity else {}
    words = {key: "none" if value is None else value for key, value in settings.items()}
    protocol = benchmark.PROTOCOL.format_map(words) + (f"; {parity['sentence']}" if parity else "")
    head = {"agent": agent, "benchmark": benchmark.NAME, "protocol": protocol}
    try:
        result = _score(benchmark, arguments, settings)
    except NotAvailable as error:
        write_json(arguments.out, {"status": "not run", **head, "reason": str(error)})
        return f"{agent}, {benchmark.NAME}: not run ({error})"
    result |= {"settings": settings} | ({"parity": parity} if parity else {})
    write_json(arguments.out, {"status": "done", **head, **result})
    return (
        f"{agent}, {benchmark.NAME}: {result['value']:.1f} [{result['low']:.1f}, {result['high']:.1f}], n {result['n']}"
    )


def _read_parity(path: Path) -> dict[str, Any]:
    """The verdict of compare_backends.

    Raises:
        FileError: it is none.
    """
    verdict = read_json(path)
    if not isinstance(verdict, dict) or not isinstance(verdict.get("sentence"), str):
        raise FileError(path, "JSON that is no verdict", "an object with the text sentence", "Run compare_backends.")
    return verdict


def _score(benchmark: ModuleType, arguments: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """The score of transcripts that hold an episode a task.

    Raises:
        NotAvailable: they say "not run", every episode broke, or the scorer misses something.
        RecordError: an episode is none of the tasks', or not what the scorer reads.
    """
    tasks = checked_tasks(benchmark, arguments.data, settings)
    rows = episodes.read_transcripts(arguments.transcripts, tasks)
    _check_predictions(rows, arguments.transcripts, getattr(benchmark, "PREDICTION", object))
    if rows and all(row["outcome"] == "task_error" for row in rows):  # that tells of the environment, not of the agent
        first = f"the first, {rows[0]['id']}: {rows[0].get('error', 'no error is told')}"
        raise NotAvailable(f"every episode broke, {len(rows)} of {len(rows)} ended with task_error; {first}")
    return benchmark.score(tasks, rows, settings)


def _check_predictions(rows: list[Row], path: Path, kind: type) -> None:
    """Refuse a prediction that the scorer cannot read; broken episodes have none."""
    for number, row in enumerate(rows, 1):
        if "prediction" in row and not isinstance(row["prediction"], kind):
            expected = {str: "a text"}.get(kind, f"a {kind.__name__}")
            raise RecordError(path, f"{number} ({row['id']})", "prediction", reprlib.repr(row["prediction"]), expected)
