"""Let an agent play the episodes of a benchmark and keep every reply.

Writes one JSON line an episode: its id, how it ended, the prediction, all replies, and the conversation. A run that was
killed goes on where it stopped. When the agent is not available (no key, no package) the file says "not run" and why.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from agentflan import backends, benchmarks, episodes
from agentflan.benchmarks._protocol import complete_settings, read_settings
from agentflan.errors import NotAvailable
from agentflan.files import write_jsonl


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--benchmark", required=True, help=f"one of: {', '.join(benchmarks.names())}")
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark's raw task files")
    parser.add_argument("--backend", required=True, help=f"one of: {', '.join(backends.names())}")
    parser.add_argument("--model", default="", help="checkpoint folder (local) or the server's model name (openai)")
    parser.add_argument("--settings", default="{}", help="JSON object over the benchmark's defaults")
    parser.add_argument("--out", type=Path, required=True, help="the transcripts, JSON lines")


def run(arguments: argparse.Namespace) -> str:
    begin = time.monotonic()
    benchmark = benchmarks.load(arguments.benchmark)
    settings = complete_settings(benchmark, read_settings(arguments.settings))
    try:
        count = _play(arguments, benchmark, settings)
    except NotAvailable as error:
        write_jsonl(arguments.out, [{"status": "not run", "reason": str(error)}])
        return f"{arguments.benchmark}: not run ({error})"
    return f"{arguments.benchmark}: {count} episodes in {time.monotonic() - begin:.1f} s"


def _play(arguments: argparse.Namespace, benchmark: Any, settings: dict[str, Any]) -> int:
    generate = backends.load(arguments.backend).start(arguments.model, benchmark, settings)
    tasks = benchmark.read_tasks(arguments.data, settings)
    identity = {"backend": arguments.backend, "model": _model_identity(arguments.model)}
    return episodes.play_all(benchmark, tasks, generate, settings, arguments.out, identity)


def _model_identity(model: str) -> Any:
    """What tells a retrained checkpoint from the one before; the name alone for a model elsewhere."""
    files = sorted(Path(model).glob("*")) if model and Path(model).is_dir() else []
    return [model, [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]]
