"""Measure episodes a minute: a benchmark's episodes side by side, and the same ones one after another, in one run.

Side by side, all open requests of a step are one batch of the model, and a reply that is done leaves it. One after
another, the model reads one request at a time. The replies must be the same, and it is told how many are. `ratio` is of
the seconds by the clock, `cpu_ratio` of this process's on the processor, which others on the machine change less.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from types import ModuleType

from agentflan import backends
from agentflan.arguments import InputPath, OutputPath
from agentflan.benchmarks._flags import add_benchmark, benchmark_of
from agentflan.benchmarks._protocol import Row, Settings, Task, draw
from agentflan.benchmarks._tasks import checked_tasks
from agentflan.episodes import play_chunk
from agentflan.files import write_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    add_benchmark(parser)
    parser.add_argument("--model", type=InputPath, required=True, help="checkpoint folder")
    parser.add_argument("--episodes", type=int, default=64, help="tasks that are played, each twice")
    parser.add_argument("--out", type=OutputPath, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Play both ways and write a line each."""
    benchmark, settings = benchmark_of(arguments)
    tasks = draw(checked_tasks(benchmark, arguments.data, settings), arguments.episodes, "speed", settings["seed"])
    alone, slow = _play(benchmark, [[task] for task in tasks], arguments.model, settings | {"rows": 1})
    together, fast = _play(benchmark, [tasks], arguments.model, settings)
    same = sum(one["replies"] == other["replies"] for one, other in zip(alone, together, strict=True))
    names = ("one after another", f"side by side, {settings['rows']} requests together")
    lines = [
        {
            "how": how,
            "episodes": len(tasks),
            "requests": sum(row["usage"]["requests"] for row in rows),
            "reply_tokens": sum(row["usage"]["reply_tokens"] for row in rows),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(used, 2),
            "episodes_per_minute": round(60 * len(tasks) / seconds, 1),
            "ratio": round(slow[0] / seconds, 2),
            "cpu_ratio": round(slow[1] / used, 2),
            "same_replies": same,
        }
        for how, rows, (seconds, used) in zip(names, (alone, together), (slow, fast), strict=True)
    ]
    write_csv(arguments.out, lines)
    return f"{lines[1]['ratio']} times as many episodes a minute; {same} of {len(tasks)} with the same replies"


def _play(
    benchmark: ModuleType, chunks: list[list[Task]], folder: Path, settings: Settings
) -> tuple[list[Row], tuple[float, float]]:
    """All rows, and their seconds by the clock and on the processor; the model has replied once before."""
    reply = backends.load("local").start(str(folder), benchmark, settings)
    play_chunk(benchmark, chunks[0][:1], reply, settings)
    begin, used = time.perf_counter(), time.process_time()
    played = [row for chunk in chunks for row in play_chunk(benchmark, chunk, reply, settings)]
    return played, (time.perf_counter() - begin, time.process_time() - used)
