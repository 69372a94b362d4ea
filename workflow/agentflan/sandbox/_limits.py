"""What a sandbox may use, and how a command in it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True)
class Limits:
    """Bounds of one sandbox.

    Attributes:
        seconds: wall time of one command.
        cpu_seconds: of each process; all processes together are bounded by the wall time.
        megabytes: memory of all processes together, and address space of each.
        disk_megabytes: of all files together (they lie in memory, beside `megabytes`), and of each.
        files: and folders at a time; one that makes more is stopped as a whole.
        processes: at a time, threads included.
        output_bytes: of one command; one that writes more is stopped.
    """

    seconds: float = 10.0
    cpu_seconds: int = 60
    megabytes: int = 1024
    disk_megabytes: int = 64
    files: int = 50_000
    processes: int = 64
    output_bytes: int = 1 << 20


class Ended(StrEnum):
    """How a command ended."""

    ITSELF = "itself"
    TIME = "time limit"
    OUTPUT = "output limit"
    GONE = "the sandbox is gone"


class Result(NamedTuple):
    """What a command left.

    Attributes:
        code: its exit code; 128 + n if signal n ended it, 124 if it was stopped.
        output: what it wrote, both streams as they came, at most the limit.
        ended: how it ended.
    """

    code: int
    output: str
    ended: Ended
