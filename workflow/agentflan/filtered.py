"""Filtered: records that follow the paper's rules go on, the others are set aside with the reason (App. B)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from agentflan.errors import ConfigError, RecordError
from agentflan.files import atomic_write, dump_line, write_json
from agentflan.records import Trajectory, to_json

DUPLICATE = "a duplicate"


@dataclass
class Counts:
    """What happened to the records of a dataset."""

    read: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    readings: Counter[str] = field(default_factory=Counter)  # records that each reading of an open rule would keep

    def to_json(self) -> dict[str, Any]:
        """As it is written; reasons in the order of their names."""
        counts = {"read": self.read, "kept": self.kept, "rejected": dict(sorted(self.rejected.items()))}
        return counts | ({"readings": dict(sorted(self.readings.items()))} if self.readings else {})


def filter_trajectories(
    module: ModuleType, raw: Path, out: Path, rejected: Path, counts_path: Path, options: dict[str, str]
) -> Counts:
    """Write the kept trajectories, the rejected ones with their reasons, and the counts.

    Args:
        module: the dataset.
        raw: its raw folder.
        out, rejected, counts_path: the three files.
        options: of the dataset's rule.

    Raises:
        RecordError: a record is broken, or two different ones have the same id.
        ConfigError: the rule knows no such option.
    """
    counts = Counts()
    with atomic_write(out) as kept, atomic_write(rejected) as dropped:
        for trajectory, reason in _decided(module, raw, options, counts):
            row = to_json(trajectory)
            if reason is None:
                kept.write(dump_line(row))
            else:
                dropped.write(dump_line({"id": trajectory.id, "reason": reason, "trajectory": row}))
    write_json(counts_path, counts.to_json())
    return counts


def _decided(
    module: ModuleType, raw: Path, options: dict[str, str], counts: Counts
) -> Iterator[tuple[Trajectory, str | None]]:
    seen: dict[str, list[int]] = {}
    for trajectory in module.read(raw):
        counts.read += 1
        known = seen.setdefault(trajectory.id, [])
        reasons = _reasons(module, trajectory, options)
        for reading in getattr(module, "READINGS", ()):
            counts.readings[reading] += reasons[reading] is None
        reason = _duplicate(module, trajectory, known, f"{raw}, record {counts.read}") or reasons[""]
        if reason is None:
            counts.kept += 1
        else:
            counts.rejected[reason] += 1
        yield (replace(trajectory, id=f"{trajectory.id} #{len(known)}") if len(known) > 1 else trajectory), reason


def _duplicate(module: ModuleType, trajectory: Trajectory, known: list[int], where: str) -> str | None:
    """Whether a record was read before. Records that share only their id are an error, unless upstream repeats ids."""
    digest = hash(trajectory.turns)
    if digest in known:
        return DUPLICATE
    known.append(digest)
    if len(known) > 1 and not getattr(module, "REPEATS_IDS", False):
        raise RecordError(where, trajectory.id, "id", "an id that another record has", "one record an id")
    return None


def _reasons(module: ModuleType, trajectory: Trajectory, options: dict[str, str]) -> dict[str, str | None]:
    """Why a record is dropped, under the chosen options ("") and under each reading of an open rule."""
    readings = getattr(module, "READINGS", ())
    try:
        reasons = {reading: module.reject(trajectory, **options | {"reading": reading}) for reading in readings}
        chosen = options.get("reading", readings[0]) if readings else None
        known = chosen in reasons
        return reasons | {"": reasons[chosen] if known else module.reject(trajectory, **options)}
    except TypeError as error:
        raise ConfigError([f"filter of {trajectory.dataset}: {error}"]) from None
