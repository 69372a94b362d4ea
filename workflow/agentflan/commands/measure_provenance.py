"""Measure what provenance costs: hashing beside `sha256sum`, an audit of many jobs, and the record of one job.

Each figure stands beside a baseline of the same run on the same machine, and `ratio` is the figure over its baseline.
Seconds are those of processors, so other work on the machine and waiting for a disk do not count: files are in memory.
The aims: hashing at 0.8 of `sha256sum` or more, 1,000 jobs audited in 10 seconds, a record in well under a second.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentflan.arguments import OutputPath
from agentflan.errors import AgentFlanError, NotAvailable
from agentflan.files import atomic_write, write_json, write_text
from agentflan.provenance.audit import Auditor
from agentflan.provenance.code import code_of_this_process
from agentflan.provenance.environment import environment, imported
from agentflan.provenance.hashing import file_sha256
from agentflan.provenance.machine import machine, usage
from agentflan.provenance.recorder import FORMAT, SWITCH
from agentflan.provenance.store import Store

_ROUNDS = 5  # of each measurement and its baseline, in turn
_WIDTH, _READS = 100, 3  # jobs of a stage of the measured lineage, and inputs of each from the stage before
_MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--size", type=int, default=512, help="MiB of the file that is hashed (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1000, help="jobs that are audited (default: %(default)s)")
    parser.add_argument("--out", type=OutputPath, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Measure all three."""
    with tempfile.TemporaryDirectory(prefix="agentflan-measure-") as name:
        folder = Path(name)
        rows = [
            measure_hashing(folder, arguments.size),
            measure_audit(folder / "audited", arguments.jobs),
            _measure_recording(folder / "recorded"),
        ]
    with atomic_write(arguments.out) as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return "\n".join([*map(_line, rows), f"{arguments.out}: {len(rows)} measurements"])


def measure_hashing(folder: Path, size: int) -> dict[str, Any]:
    """MiB a second of our hashing beside `sha256sum` on the same file, which is in memory for both."""
    path = folder / "large"
    block = os.urandom(_MIB)
    with path.open("wb") as handle:
        for _ in range(size):
            handle.write(block)
    ours, theirs = _in_turn(
        lambda: file_sha256(path), lambda: subprocess.run(["sha256sum", path], check=True, capture_output=True)
    )
    path.unlink()
    return _row(f"hashing {size} MiB", size / min(ours), "MiB/s", "sha256sum", size / min(theirs))


def measure_audit(folder: Path, jobs: int) -> dict[str, Any]:
    """Seconds that an audit of many jobs takes, beside only reading their records and hashing their files."""
    store = write_lineage(folder, jobs)

    def read() -> None:
        for record in store.records():
            for entry in record.content["outputs"]:
                file_sha256(store.root / entry["path"])

    def audit() -> None:
        auditor = Auditor(store)
        judged = auditor.judge(auditor.targets(store.root / "results"))
        assert len(judged) == jobs

    ours, theirs = _in_turn(audit, read, rounds=2)
    return _row(f"audit of {jobs:,} jobs", min(ours), "s", "reading records and hashing files", min(theirs))


def write_lineage(folder: Path, jobs: int) -> Store:
    """A store of jobs in stages, each of which reads some files of the stage before; their records are whole ones."""
    store = Store(folder / "results" / ".provenance")
    like_all = _facts(store)
    entries: list[dict[str, Any]] = []
    for number in range(jobs):
        path = folder / "results" / "measured" / f"{number}.json"
        write_json(path, {"number": number})
        inputs = [entries[place] for place in _places_read(number)]
        entries.append({"argument": "out", "path": store.relative(path), "kind": "file", "sha256": file_sha256(path)})
        own = {
            "attempt": f"20260101T{number:06}-job",
            "command": "align_chat" if inputs else "make_world",
            "end": f"2026-01-01T00:00:01.{number:06}+00:00",
            "inputs": inputs,
            "outputs": [entries[-1]],
        }
        store.finish(own["attempt"], like_all | own)
    return store


def _places_read(number: int) -> list[int]:
    """The jobs of the stage before whose files a job reads; none in the first stage."""
    stage, place = divmod(number, _WIDTH)
    return [(stage - 1) * _WIDTH + (place + step) % _WIDTH for step in range(_READS)] if stage else []


def _facts(store: Store) -> dict[str, Any]:
    """What the records of all jobs have in common: the code, packages and machine of this process."""
    code = code_of_this_process(time.time_ns())
    return {
        "format": FORMAT,
        "study": "measured",
        "argv": [],
        "parameters": {"seed": 0},
        "seeds": {"seed": 0},
        "folder": ".",
        "log": "",
        "rule": "",
        "wildcards": "",
        "machine": machine(),
        "start": "2026-01-01T00:00:00+00:00",
        "state": "done",
        "exit": 0,
        "error": "",
        "seconds": 1.0,
        **usage(),
        "commit": code["commit"],
        "dirty": bool(code["dirty"]),
        "code": store.put_json(code),
        "environment": store.put_json(environment()),
        "imported": imported(),
    }


def _measure_recording(folder: Path) -> dict[str, Any]:
    """Seconds of a whole small job with its record, beside the same job without."""
    write_text(folder / "results" / "in.jsonl", "")
    words = ["--dataset", "os", "--in", "results/in.jsonl", "--out", "results/out.jsonl", "--react", "results/r.jsonl"]
    command = [sys.executable, "-m", "agentflan", "align_chat", *words]

    def job(switch: str) -> None:
        done = subprocess.run(command, cwd=folder, env=os.environ | {SWITCH: switch}, capture_output=True, text=True)
        if done.returncode:
            raise AgentFlanError(f"the measured job failed: {done.stderr.strip()}")

    ours, theirs = _in_turn(lambda: job("on"), lambda: job("off"))
    return _row("a small job with its record", statistics.median(ours), "s", "without", statistics.median(theirs))


def _in_turn(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int = _ROUNDS
) -> tuple[list[float], list[float]]:
    """Seconds of both, run in turn, so that a busy moment meets both."""
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _seconds(work: Callable[[], Any]) -> float:
    start = usage()["cpu_seconds"]
    try:
        work()
    except FileNotFoundError as error:
        raise NotAvailable(f"{error.filename} is not installed") from None
    return usage()["cpu_seconds"] - start


def _row(measured: str, value: float, unit: str, baseline: str, other: float) -> dict[str, Any]:
    return {
        "measured": measured,
        "value": round(value, 3),
        "unit": unit,
        "baseline": baseline,
        "baseline_value": round(other, 3),
        "ratio": round(value / other, 3),
    }


def _line(row: dict[str, Any]) -> str:
    numbers = f"{row['value']:>10,.3f} {row['unit']:6}{row['baseline_value']:>10,.3f} {row['baseline']}"
    return f"{row['measured']:30}{numbers}  ratio {row['ratio']}"
