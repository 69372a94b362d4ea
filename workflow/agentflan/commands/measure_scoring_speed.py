"""Measure scoring: 100,000 stored turns of several benchmarks, from the transcript's lines to the score.

The random agent plays the embedded world's tasks; tasks and episodes are then repeated under other ids. `ratio` is to
reading the same lines as JSON and doing nothing with them; `cpu_seconds` do not count what other processes took. T-Eval
is scored with its light encoder: the other one is a model, and its speed is not ours.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentflan import benchmarks
from agentflan.arguments import OutputPath
from agentflan.backends import random_agent
from agentflan.benchmarks._protocol import Row, Task, complete_settings
from agentflan.episodes import play_chunk, read_transcripts
from agentflan.files import read_jsonl, write_csv, write_jsonl

MEASURED: dict[str, dict[str, Any]] = {
    "agent_h": {},
    "hotpotqa": {},
    "teval": {"encoder": "hashed_ngrams"},
    "toolbench_eval": {},
}
_NO_CORPORA = dict.fromkeys(("agentinstruct", "toolbench_kept", "toolbench_dropped", "sharegpt", "fireact"), 1)
_NO_TEXTS = dict.fromkeys(("pretraining_conversations", "pretraining_texts"), 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--turns", type=int, default=100_000, help="stored replies, in equal parts of each benchmark")
    parser.add_argument("--out", type=OutputPath, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Build the world, play, repeat, and time the scoring."""
    from agentflan.world.build import build_world

    with tempfile.TemporaryDirectory() as name:
        build_world(Path(name), 0, _NO_CORPORA | _NO_TEXTS)
        rows = [_measure(benchmark, Path(name), arguments.turns // len(MEASURED)) for benchmark in MEASURED]
    names = ("turns", "episodes", "seconds", "cpu_seconds", "reading_seconds")
    total = {"benchmark": "all"} | {name: round(sum(row[name] for row in rows), 2) for name in names}
    rows = [row | {"ratio": round(row["seconds"] / max(row["reading_seconds"], 0.01), 2)} for row in (*rows, total)]
    write_csv(arguments.out, rows)
    return f"{total['turns']:,} turns scored in {total['seconds']:.1f} s, {rows[-1]['ratio']} times as long as reading"


def _measure(name: str, world: Path, turns: int) -> dict[str, Any]:
    benchmark = benchmarks.load(name)
    settings = complete_settings(benchmark, MEASURED[name])
    tasks = benchmark.read_tasks(world / benchmark.DATA, settings)
    played = play_chunk(benchmark, tasks, random_agent.start("", benchmark, settings), settings)
    tasks, rows = _repeat(tasks, played, turns)
    path = world / f"{name}.jsonl"
    write_jsonl(path, rows)
    reading, _ = _timed(lambda: list(read_jsonl(path)))
    seconds, cpu_seconds = _timed(lambda: benchmark.score(tasks, read_transcripts(path, tasks), settings))
    return {
        "benchmark": name,
        "turns": sum(len(row["replies"]) for row in rows),
        "episodes": len(rows),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "reading_seconds": round(reading, 2),
    }


def _repeat(tasks: list[Task], rows: list[Row], turns: int) -> tuple[list[Task], list[Row]]:
    """Tasks and their episodes, again and again under other ids, until they have so many replies."""
    rounds = range(math.ceil(turns / sum(len(row["replies"]) for row in rows)))
    return (
        [task | {"id": f"{task['id']}#{number}"} for number in rounds for task in tasks],
        [row | {"id": f"{row['id']}#{number}"} for number in rounds for row in rows],
    )


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of this process on the processor."""
    begin, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - used
