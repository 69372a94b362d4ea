"""Let an agent play the episodes of a benchmark and keep every reply.

Writes one JSON line an episode: its id, how it ended, the prediction, all replies, and the conversation. A run that was
killed goes on where it stopped, if data, model, settings and code are the same. When the agent is not available (no
key, no package) the file says "not run" and why.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan import backends, episodes
from agentflan.arguments import InputName, OutputPath
from agentflan.benchmarks._flags import add_benchmark, benchmark_of
from agentflan.benchmarks._tasks import checked_tasks
from agentflan.code_digest import code_digest
from agentflan.errors import NotAvailable
from agentflan.files import sha256_of, write_jsonl
from agentflan.provenance.hashing import files_below


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_benchmark(parser)
    parser.add_argument("--backend", required=True, help=f"one of: {', '.join(backends.names())}")
    parser.add_argument("--model", type=InputName, default="", help="checkpoint folder (local) or model name (openai)")
    parser.add_argument("--out", type=OutputPath, required=True, help="the transcripts, JSON lines")


def run(arguments: argparse.Namespace) -> str:
    begin = time.monotonic()
    benchmark, settings = benchmark_of(arguments)
    try:
        count, busy = _play(arguments, benchmark, settings)
    except NotAvailable as error:
        write_jsonl(arguments.out, [{"status": "not run", "reason": str(error)}])
        return f"{arguments.benchmark}: not run ({error})"
    seconds = time.monotonic() - begin
    return f"{arguments.benchmark}: {count} episodes in {seconds:.1f} s, the agent at work {busy:.0%} of the play"


class _Watched:
    """An agent, and the seconds in which it did not wait for environments."""

    def __init__(self, generate: episodes.Generate) -> None:
        self._generate, self.busy = generate, 0.0

    def __call__(self, calls: list[backends.Call]) -> list[str]:
        begin = time.monotonic()
        replies = self._generate(calls)
        self.busy += time.monotonic() - begin
        return replies


def _play(arguments: argparse.Namespace, benchmark: Any, settings: dict[str, Any]) -> tuple[int, float]:
    """How many episodes were played, and the agent's share of the time that this took."""
    backend = backends.load(arguments.backend)
    agent = _Watched(backend.start(arguments.model, benchmark, settings))
    tasks = checked_tasks(benchmark, arguments.data, settings)
    identity = {
        "backend": arguments.backend,
        "model": _model_identity(arguments.model),
        "data": _data_identity(arguments.data),
        "code": _code_identity(benchmark, backend),
    }
    begin = time.monotonic()
    count = episodes.play_all(benchmark, tasks, agent, settings, arguments.out, identity)
    return count, agent.busy / (time.monotonic() - begin)


def _model_identity(model: str) -> Any:
    """What tells a retrained checkpoint from the one before; the name alone for a model elsewhere."""
    return [model, _files(Path(model)) if model else []]


def _data_identity(folder: Path) -> Any:
    """What tells tasks from those before: the receipt, which holds the files' hashes, or else the files' times."""
    receipt = folder / "receipt.json"
    return sha256_of(receipt) if receipt.exists() else _files(folder)


def _code_identity(benchmark: ModuleType, backend: ModuleType) -> str:
    """The digest of what plays, as the rule has it."""
    modules = (module.__name__.partition(".")[2] for module in (benchmark, backend))
    return code_digest("commands.run_episodes", *modules)


def _files(folder: Path) -> list[list[Any]]:
    """Name, bytes and time of change of each file; none if there is no such folder."""
    files = [(path, path.stat()) for path in files_below(folder)]
    return [[path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns] for path, status in files]
