"""What a text says of an artefact: its hash, the record of the step that made it, and what the steps behind it took."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agentflan.provenance.hashing import file_sha256
from agentflan.provenance.lineage import Lineage
from agentflan.provenance.store import Record, Store


def cite(lineage: Lineage, path: Path) -> dict[str, str]:
    """Path, SHA-256 and record of an artefact; the record is "" where none tells of these bytes.

    Returns:
        ``path`` relative to the store's root, ``sha256``, and ``record``, the file's name in the store.
    """
    name, digest = lineage.store.relative(path), file_sha256(path)
    artefact = lineage.artefacts.get(name)
    known = artefact is not None and artefact.files.get(name) == digest
    return {"path": name, "sha256": digest, "record": artefact.record.path.name if known else ""}


def records_behind(lineage: Lineage, paths: Iterable[Path]) -> list[Record]:
    """The records of all steps that artefacts rest on, their own included, oldest first."""
    waiting = [lineage.store.relative(path) for path in paths]
    reached: dict[str, Record] = {}
    seen = set()
    while waiting:
        name = waiting.pop()
        artefact = lineage.artefacts.get(name)
        if name in seen or artefact is None:
            continue
        seen.add(name)
        reached[artefact.record.sha256] = artefact.record
        waiting += [each.producer for each in lineage.inputs(artefact) if each.producer]
    return sorted(reached.values(), key=lambda record: record.path.name)


def cost(records: Iterable[Record]) -> list[dict[str, Any]]:
    """What each kind of step took: jobs, wall and CPU seconds, the highest peak of memory, the longest first."""
    by_command: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_command[record.content["command"]].append(record.content)
    rows = [
        {
            "command": command,
            "jobs": len(jobs),
            "seconds": round(sum(job.get("seconds") or 0 for job in jobs), 1),
            "cpu_seconds": round(sum(job.get("cpu_seconds") or 0 for job in jobs), 1),
            "peak_memory": max(job.get("peak_memory") or 0 for job in jobs),
        }
        for command, jobs in by_command.items()
    ]
    return sorted(rows, key=lambda row: (-row["seconds"], row["command"]))


def machines(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The kinds of machine that the steps ran on, without host names, and how many steps each took."""
    found: dict[tuple[Any, ...], int] = defaultdict(int)
    for record in records:
        machine = record.content.get("machine") or {}
        gpus = tuple(sorted(gpu["name"] for gpu in machine.get("gpus", [])))
        found[(machine.get("cpu", ""), machine.get("cpus", 0), machine.get("memory", 0), gpus)] += 1
    names = ("cpu", "cpus", "memory", "gpus")
    return [dict(zip(names, kind, strict=True)) | {"jobs": jobs} for kind, jobs in sorted(found.items())]


def software(store: Store, records: Iterable[Record], names: Iterable[str]) -> dict[str, list[str]]:
    """The versions of Python and of some distributions in the environments of the steps."""
    found: dict[str, set[str]] = defaultdict(set)
    for key in sorted({record.content.get("environment", "") for record in records} - {""}):
        environment = json.loads(store.get(key))
        found["python"].add(environment["python"].split()[0])
        for name in names:
            if name in environment["distributions"]:
                found[name].add(environment["distributions"][name])
    return {name: sorted(versions) for name, versions in found.items()}
