"""Score stored transcripts of a benchmark: a pure function of transcripts, task files and settings.

Writes one JSON object: status, agent, benchmark, protocol, value in percent with its 95 % interval, n, parts, outcomes,
settings. When the transcripts say "not run", or the scorer misses something, the object says so and holds no number.
"""

from __future__ import annotations

import argparse
from typing import Any

from agentflan import episodes
from agentflan.arguments import InputPath, OutputPath
from agentflan.benchmarks._flags import add_benchmark, benchmark_of
from agentflan.errors import NotAvailable
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
    parity = read_json(arguments.parity) if arguments.parity else {}
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


def _score(benchmark: Any, arguments: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    tasks = benchmark.read_tasks(arguments.data, settings)
    rows = episodes.read_transcripts(arguments.transcripts, tasks)
    return benchmark.score(tasks, rows, settings)
