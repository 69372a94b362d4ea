"""Runs `agentflan` in processes of its own, with an accident at the end of a training step.

The processes are forked from one that has imported PyTorch and DeepSpeed: a second each, not ten. Under a launcher:
``accident.py KIND STEP RANK COMMAND …``.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from agentflan.cli import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["agentflan.training.checkpoint", "agentflan.training.snapshot", "transformers"])
LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LARGEST = 2000  # bytes of a file on a full disk: what a process says still fits, weights and losses do not
GRACE = 30  # seconds in which the processes that are left must end too


class Accident(NamedTuple):
    """What happens to which process at the end of which step: the name of a signal, or "full disk"."""

    kind: str
    step: int
    rank: int = 0


class Done(NamedTuple):
    """How the processes ended: the first exit code that is not 0, and all that they wrote."""

    returncode: int
    stderr: str


def run(line: list[str], accident: Accident | Callable[[], None] | None = None, processes: int = 1) -> Done:
    """Run a command line of `agentflan` and wait for all its processes.

    Args:
        line: the command and its arguments.
        accident: what happens to it; or a function that each process calls first.
        processes: how many, as under a launcher.

    Raises:
        TimeoutError: one of them hangs.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        outputs = [Path(folder) / str(rank) for rank in range(processes)]
        places = [_place(rank, processes, free.getsockname()[1]) for rank in range(processes)]
        free.close()
        started = [
            FORKS.Process(target=_run, args=(line, accident, *each)) for each in zip(places, outputs, strict=True)
        ]
        for process in started:
            process.start()
        first = wait([process.sentinel for process in started], timeout=240)
        hanging = []
        for process in started:
            process.join(GRACE if first else 0)
            if process.exitcode is None:
                hanging.append(process.name)
                process.kill()
        if hanging:
            raise TimeoutError(f"{hanging} did not end: " + "".join(output.read_text() for output in outputs))
        codes = [process.exitcode or 0 for process in started]
        return Done(next((code for code in codes if code), 0), "".join(output.read_text() for output in outputs))


def happen(kind: str) -> None:
    """Let the accident happen to this process."""
    if kind == "full disk":  # as seen by a program: a write fails
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
        return
    os.kill(os.getpid(), getattr(signal, kind))
    time.sleep(0.01)  # a Python handler runs between two instructions


def _place(rank: int, processes: int, port: int) -> dict[str, str]:
    """What a launcher tells a process."""
    if processes == 1:
        return {}
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
    return {"MASTER_ADDR": "127.0.0.1"} | {name: str(number) for name, number in numbers.items()}


def _run(line: list[str], accident: Accident | Callable[[], None] | None, place: dict[str, str], output: Path) -> None:
    for name in LAUNCHED:  # what another test may have left behind
        os.environ.pop(name, None)
    os.environ.update(place)
    with output.open("wb") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    if callable(accident):
        accident()
    elif accident:
        _prepare(accident)
    sys.exit(main(line))


def _prepare(accident: Accident) -> None:
    from agentflan.training.meter import Meter

    measure = Meter.step

    def measure_then_accident(meter: Meter, number: int, *rest: Any) -> None:
        measure(meter, number, *rest)
        if number == accident.step and int(os.environ.get("RANK", "0")) == accident.rank:
            happen(accident.kind)

    Meter.step = measure_then_accident  # type: ignore[method-assign]


if __name__ == "__main__":
    kind, step, rank, *command = sys.argv[1:]
    _prepare(Accident(kind, int(step), int(rank)))
    sys.exit(main(command))
