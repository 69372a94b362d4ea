"""What the shown results took, by stage, as their records say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentflan.page.evidence import STAGES, Evidence, stage
from agentflan.provenance.store import Record


@dataclass(frozen=True)
class Cost:
    """Of the jobs of one stage, or of all.

    Attributes:
        stage: its name.
        jobs: how many.
        seconds: of all jobs, one after the other; without the time for their records.
        longest: seconds of the longest one.
        cpu_seconds: of all processors.
        gpu_seconds: of all GPUs that the jobs worked with; see `_gpus`.
        peak_memory: of the largest job, in bytes.
        earlier: attempts of these jobs that failed or were replaced.
        earlier_seconds: of those.
        killed: further attempts of which only the start is known.
    """

    stage: str
    jobs: int
    seconds: float
    longest: float
    cpu_seconds: float
    gpu_seconds: float
    peak_memory: int
    earlier: int
    earlier_seconds: float
    killed: int


def by_stage(evidence: Evidence) -> list[Cost]:
    """A line a stage, in the order of the flow."""
    order = list(STAGES.values())
    names = sorted(
        {stage(record) for record in evidence.records},
        key=lambda name: (order.index(name) if name in order else len(order), name),
    )
    return [_cost(name, [record for record in evidence.records if stage(record) == name], evidence) for name in names]


def total(evidence: Evidence) -> Cost:
    """All stages together."""
    return _cost("all", evidence.records, evidence)


def wall_seconds(records: list[Record]) -> float:
    """From the first start to the last end."""
    starts = [time for record in records if (time := _time(record.content.get("start")))]
    ends = [time for record in records if (time := _time(record.content.get("end")))]
    return (max(ends) - min(starts)).total_seconds() if starts and ends else 0.0


def _cost(name: str, records: list[Record], evidence: Evidence) -> Cost:
    others = [each for record in records for each in evidence.earlier.get(record.sha256, [])]
    return Cost(
        stage=name,
        jobs=len(records),
        seconds=_sum(records, "seconds"),
        longest=max((_number(record.content.get("seconds")) for record in records), default=0.0),
        cpu_seconds=_sum(records, "cpu_seconds"),
        gpu_seconds=sum(_number(record.content.get("seconds")) * _gpus(record) for record in records),
        peak_memory=int(max((_peak(record) for record in records), default=0)),
        earlier=len(others),
        earlier_seconds=_sum(others, "seconds"),
        killed=sum(len(evidence.killed.get(record.sha256, [])) for record in records),
    )


def _sum(records: Iterable[Record], name: str) -> float:
    return sum(_number(record.content.get(name)) for record in records)


def _peak(record: Record) -> float:
    return max(_number(record.content.get(name)) for name in ("peak_memory", "peak_memory_of_a_child"))


def _gpus(record: Record) -> int:
    """GPUs that a job worked with.

    A record names those of its first process's node, taken or not: of several processes each has one of its own,
    wherever it runs, and one process has those that CUDA_VISIBLE_DEVICES lists, if it is set.
    """
    machine = record.content.get("machine", {})
    shown, processes, visible = len(machine.get("gpus", [])), machine.get("processes", 1), machine.get("gpus_visible")
    if not shown:
        return 0  # the processes of a job without GPUs have none
    if processes > 1:
        return processes
    return shown if visible is None else sum(each.strip() not in ("", "-1") for each in visible.split(","))


def _number(value: Any) -> float:
    """A number of a record; 0 where a damaged one has none."""
    return float(value) if isinstance(value, int | float) else 0.0


def _time(value: Any) -> datetime | None:
    """A time of a record; None where a damaged one has none."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
