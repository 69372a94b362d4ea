"""Whether a backend replies as another one does: greedy replies to the same requests of a benchmark's episodes.

The reference plays some tasks; all that it was asked is asked of the other one, too. Where fewer than 98 of 100 replies
are equal to the letter the other backend counts as different, and `score_transcripts --parity` says so in the score.
"""

from __future__ import annotations

import argparse
import gc
import sys
from types import ModuleType
from typing import Any

from agentflan import backends
from agentflan.arguments import InputName, OutputPath
from agentflan.backends import Call
from agentflan.benchmarks._flags import add_benchmark, benchmark_of
from agentflan.benchmarks._protocol import draw
from agentflan.benchmarks._tasks import checked_tasks
from agentflan.episodes import play_chunk
from agentflan.errors import NotAvailable
from agentflan.files import write_json

WANTED = 0.98
_SHOWN = 5  # replies that differ


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    add_benchmark(parser)
    parser.add_argument("--model", type=InputName, required=True, help="checkpoint folder")
    parser.add_argument("--backend", default="vllm", help=f"one of: {', '.join(backends.names())}")
    parser.add_argument("--reference", default="local", help="the backend that is compared with")
    parser.add_argument("--tasks", type=int, default=32, help="episodes whose requests are the sample")
    parser.add_argument("--out", type=OutputPath, required=True, help="the verdict, JSON")


def run(arguments: argparse.Namespace) -> str:
    """Compare and write the verdict; "not run" where a backend or an environment is missing."""
    benchmark, settings = benchmark_of(arguments)
    names = {"backend": arguments.backend, "reference": arguments.reference}
    try:
        asked, replies = _play(benchmark, arguments, settings)
        _free_memory()
        others = backends.load(arguments.backend).start(arguments.model, benchmark, settings)(asked)
    except NotAvailable as error:
        sentence = f"run by {arguments.backend}, which was not compared with {arguments.reference} ({error})"
        write_json(arguments.out, {"status": "not run", **names, "reason": str(error), "sentence": sentence})
        return f"{arguments.benchmark}: not run ({error})"
    verdict = names | compare(list(map(str, replies)), list(map(str, others)), names)
    write_json(arguments.out, {"status": "done", **verdict})
    return f"{arguments.benchmark}: {verdict['sentence']}"


def compare(replies: list[str], others: list[str], names: dict[str, str]) -> dict[str, Any]:
    """The verdict over replies to the same requests."""
    pairs = list(zip(replies, others, strict=True))
    agreement = sum(one == other for one, other in pairs) / max(len(pairs), 1)
    same = agreement >= WANTED
    kind = f"like {names['reference']}" if same else f"DIFFERENT from {names['reference']}"
    return {
        "requests": len(pairs),
        "agreement": agreement,
        "wanted": WANTED,
        "same": same,
        "differing": [list(pair) for pair in pairs if pair[0] != pair[1]][:_SHOWN],
        "sentence": f"run by {names['backend']}, {kind}: {agreement:.1%} of {len(pairs)} greedy replies are equal",
    }


def _play(benchmark: ModuleType, arguments: argparse.Namespace, settings: dict[str, Any]) -> tuple[list[Call], list]:
    """All that the reference is asked in some episodes, and its replies."""
    reference = backends.load(arguments.reference).start(arguments.model, benchmark, settings)
    asked, replies = [], []

    def answer(calls: list[Call]) -> list[str]:
        given = reference(calls)
        asked.extend(calls)
        replies.extend(given)
        return given

    tasks = draw(checked_tasks(benchmark, arguments.data, settings), arguments.tasks, "parity", settings["seed"])
    play_chunk(benchmark, tasks, answer, settings)
    return asked, replies


def _free_memory() -> None:
    """Give back the GPU memory of the reference, which is no longer needed."""
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
