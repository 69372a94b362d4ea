"""The artefacts behind tables and figures as data: each with its verdict, what it was made from, and its record."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from agentflan.errors import FileError
from agentflan.provenance.audit import Auditor, Node
from agentflan.provenance.seal import printed_root
from agentflan.provenance.store import Record, Store
from agentflan.provenance.verdicts import Finding, Verdict, worst

# What a command makes, in the order of the flow.
STAGES = {
    "make_world": "world",
    "fetch_raw": "raw",
    "fetch_model": "base model",
    "filter_trajectories": "filtered",
    "align_chat": "chat",
    "decompose_capabilities": "decomposed",
    "build_instructions": "instructions",
    "build_negatives": "negatives",
    "mix_training_set": "mixed",
    "train_tokenizer": "tokenizer",
    "count_tokens": "token counts",
    "train_checkpoint": "checkpoints",
    "run_episodes": "transcripts",
    "score_transcripts": "scores",
    "write_plan": "plan",
    "make_table": "tables",
    "make_figure": "figures",
}
NO_STAGE = "no record"
_OF_OTHER_CELLS = (Verdict.NOT_RUN, Verdict.SUBSTITUTE, Verdict.UNANCHORED)  # a table has them of any of its cells
_FACTS = ("command", "study", "seeds", "commit", "log", "start", "end", "seconds", "cpu_seconds", "peak_memory")


class Evidence:
    """The artefacts behind some targets, judged.

    Attributes:
        nodes: by path, sorted.
        place: path → its number in `nodes`.
        records: of the attempts that made them, oldest first.
    """

    def __init__(self, auditor: Auditor, targets: Iterable[Path]) -> None:
        self.store, self._lineage = auditor.store, auditor.lineage
        wanted = [name for target in targets for name in auditor.targets(target)]
        self.nodes: dict[str, Node] = auditor.judge(wanted)
        self.place = {path: number for number, path in enumerate(self.nodes)}
        found = {node.record.sha256: node.record for node in self.nodes.values() if node.record}
        self.records = sorted(found.values(), key=lambda record: record.path.name)

    @property
    def root(self) -> str:
        """The Merkle root that documents print."""
        return printed_root(self.store)

    def of(self, path: Path | str) -> Node | None:
        """The artefact that holds a file."""
        holder = self._lineage.holder(self.store.relative(path))
        return self.nodes.get(holder.path if holder else self.store.relative(path))

    def verdict_of_number(self, table: Path, text: str, sources: Iterable[Path]) -> Verdict:
        """The worst of a number's own sources, and of its table's findings but for those about other numbers."""
        behind = [node for node in map(self.of, sources) if node]
        whole = self.of(table)
        findings = [each for each in whole.findings if each.verdict not in _OF_OTHER_CELLS] if whole else []
        findings += [Finding(Verdict.NOT_RUN, "")] if text == "not run" else []
        return max([worst(findings), *(node.verdict for node in behind)])

    def stand_ins(self) -> list[str]:
        """What stands in for the real thing, in words."""
        found = (each for node in self.nodes.values() for each in node.findings)
        return sorted({_own(each.reason) for each in found if each.verdict is Verdict.SUBSTITUTE})

    @cached_property
    def earlier(self) -> dict[str, list[Record]]:
        """SHA-256 of a record → attempts of the same job that failed or that it has replaced: they share the log."""
        logs = {record.content.get("log"): record.sha256 for record in self.records if record.content.get("log")}
        shown = {record.sha256 for record in self.records}
        others: dict[str, list[Record]] = {}
        for record in self._lineage.records:
            if record.sha256 not in shown and record.content.get("log") in logs:
                others.setdefault(logs[record.content["log"]], []).append(record)
        return others

    @cached_property
    def killed(self) -> dict[str, list[Record]]:
        """SHA-256 of a record → attempts of the same job that left the note of their start alone: they were killed."""
        shown = {record.content["log"]: record for record in self.records if record.content.get("log")}
        notes: dict[str, list[Record]] = {}
        for note in self.store.started():
            record = shown.get(note.content.get("log"))
            # One that started later may still run.
            if record and str(note.content.get("start")) < str(record.content.get("start")):
                notes.setdefault(record.sha256, []).append(note)
        return notes

    def to_json(self) -> dict[str, Any]:
        """All of it; what many records share stands once and is named by its hash or number."""
        shared = _Shared(self.store)
        numbers = {record.sha256: number for number, record in enumerate(self.records)}
        return {
            "artefacts": [self._artefact(node, numbers) for node in self.nodes.values()],
            "records": [shared.record(record) | {"earlier": self._attempts(record)} for record in self.records],
            "machines": shared.machines,
            "code": shared.code,
            "environments": shared.environments,
        }

    def _attempts(self, record: Record) -> list[list[Any]]:
        """Start and fate of the other attempts of a record's job."""
        recorded = [(each, each.content.get("state")) for each in self.earlier.get(record.sha256, [])]
        unfinished = [(each, "killed") for each in self.killed.get(record.sha256, [])]
        found = [[each.content.get("start"), fate] for each, fate in [*recorded, *unfinished]]
        return sorted(([start, "replaced" if fate == "done" else fate] for start, fate in found), key=str)

    def _artefact(self, node: Node, numbers: dict[str, int]) -> dict[str, Any]:
        return {
            "path": node.path,
            "stage": stage(node.record),
            "verdict": node.verdict.label,
            "findings": [[each.verdict.label, each.reason] for each in sorted(node.findings, reverse=True)],
            "present": node.present,
            "inputs": sorted(self.place[path] for path in node.inputs if path in self.place),
            "sources": node.sources,
            "record": numbers[node.record.sha256] if node.record else None,
        }


def stage(record: Record | None) -> str:
    """What a record's command makes, in a word."""
    command = str(record.content.get("command", "")) if record else NO_STAGE
    return STAGES.get(command, command)


def recorded_hash(node: Node) -> str:
    """SHA-256 of an artefact as its record tells (of the listing, for a folder); "" without a record."""
    outputs = node.record.content.get("outputs", []) if node.record else []
    return next((entry.get("sha256", "") for entry in outputs if entry.get("path") == node.path), "")


class _Shared:
    """Records as data, with what they share taken out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.machines: list[dict[str, Any]] = []
        self.code: dict[str, dict[str, Any]] = {}
        self.environments: dict[str, dict[str, Any]] = {}

    def record(self, record: Record) -> dict[str, Any]:
        """One record; its machine, code and environment are numbers and hashes."""
        content = record.content
        parameters = dict(content.get("parameters", {}))
        parameters.pop("command_line", None)
        words = ["agentflan", content.get("command", ""), *content.get("argv", [])]
        return {name: content.get(name) for name in _FACTS} | {
            "name": record.path.name,
            "sha256": record.sha256,
            "line": shlex.join(map(str, words)),
            "parameters": parameters,
            "machine": self._machine(content.get("machine", {})),
            "code": self._code(content.get("code", "")),
            "environment": self._environment(content.get("environment", "")),
            "inputs": [_file(entry) for entry in content.get("inputs", [])],
            "outputs": [_file(entry) for entry in content.get("outputs", [])],
        }

    def _machine(self, machine: dict[str, Any]) -> int:
        if machine not in self.machines:
            self.machines.append(machine)
        return self.machines.index(machine)

    def _code(self, name: str) -> str:
        if name not in self.code:
            found = self._object(name)
            files = {path: blob[:12] for path, blob in found.get("files", {}).items()}
            self.code[name] = {"files": files, "dirty": found.get("dirty", [])}
        return name

    def _environment(self, name: str) -> str:
        if name not in self.environments:
            found = self._object(name)
            self.environments[name] = {
                "python": str(found.get("python", "")).split(" ")[0],
                "locks": found.get("locks", {}),
                "packages": len(found.get("distributions", {})),
            }
        return name

    def _object(self, name: str) -> dict[str, Any]:
        """What a record refers to; {} where it is missing or damaged, which the audit has told."""
        try:
            return json.loads(self._store.get(name))
        except (FileError, ValueError):
            return {}


def _file(entry: dict[str, Any]) -> list[Any]:
    """Path, SHA-256 (of the listing, for a folder), bytes or number of files."""
    size = f"{entry['files']} files" if "files" in entry else entry.get("size")
    return [entry.get("path", ""), entry.get("sha256", ""), size]


def _own(reason: str) -> str:
    """A reason without the place that it was inherited from."""
    return reason.rpartition(" (of ")[0] or reason
