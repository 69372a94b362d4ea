"""Measure how busy SciWorld's simulators keep a model: its share of the play, beside one worker and beside several.

The model is a clock: it takes the same seconds for every batch of replies, whatever they say, so the figure is what the
simulators cost beside a model of that speed. `run_episodes` prints the same share of each real run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from agentflan.arguments import InputPath, OutputPath
from agentflan.backends import Call
from agentflan.benchmarks import sciworld
from agentflan.benchmarks._protocol import complete_settings
from agentflan.episodes import play_chunk
from agentflan.files import write_csv

_ACTIONS = ("inventory", "look around", "wait1")  # always possible; two by turns would end the episode as a loop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--data", type=InputPath, required=True, help="folder of SciWorld's raw task files")
    parser.add_argument("--episodes", default="easy", help="the set of episodes")
    parser.add_argument("--simulators", type=int, default=16, help="episodes side by side, each with a simulator")
    parser.add_argument("--workers", type=int, default=8, help="simulators that act at once; 1 is measured too")
    parser.add_argument("--turns", type=int, default=20, help="of each episode")
    parser.add_argument("--seconds", type=float, default=1.0, help="that the model takes for one batch of replies")
    parser.add_argument("--out", type=OutputPath, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Play with one worker and with several, and write a line each."""
    lines = [_measure(arguments, workers) for workers in sorted({1, arguments.workers})]
    write_csv(arguments.out, lines)
    told = "; ".join(f"{line['workers']} workers: {line['model_busy_percent']} %" for line in lines)
    return f"the model is busy, {told}"


def _measure(arguments: argparse.Namespace, workers: int) -> dict[str, Any]:
    chosen = {"episodes": arguments.episodes, "max_turns": arguments.turns, "workers": workers}
    settings = complete_settings(sciworld, chosen)
    tasks = sciworld.read_tasks(Path(arguments.data), settings)[: arguments.simulators]
    starts: list[float] = []  # of the model's batches; what comes before the first, the start of Java, does not count

    def reply(calls: list[Call]) -> list[str]:
        starts.append(time.monotonic())
        time.sleep(arguments.seconds)
        return [f"Action: {_ACTIONS[call.step % len(_ACTIONS)]}" for call in calls]

    play_chunk(sciworld, tasks, reply, settings)
    seconds = time.monotonic() - starts[0]
    return {
        "simulators": len(tasks),
        "workers": workers,
        "turns": len(starts),
        "model_seconds_a_turn": arguments.seconds,
        "seconds_a_turn": round(seconds / len(starts), 3),
        "model_busy_percent": round(100 * arguments.seconds * len(starts) / seconds, 1),
    }
