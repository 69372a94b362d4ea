"""The audit: every artefact of a lineage against its record, its inputs, its code, its packages and its sources."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentflan.errors import FileError
from agentflan.files import read_json
from agentflan.provenance.changes import Changes, committed, same_values
from agentflan.provenance.hashing import files_below
from agentflan.provenance.lineage import Artefact, Input, Lineage
from agentflan.provenance.seal import sealed_records, seals
from agentflan.provenance.store import FOLDER, RESULTS, Record, Store
from agentflan.provenance.substitutes import substitutes
from agentflan.provenance.verdicts import Finding, Verdict, worst

ROOTS = ("make_world", "fetch_raw", "fetch_model", "measure_data_speed", "measure_provenance")  # may have no input
_NOT_RUN, _REASON = re.compile(rb'\s*\{\s*"status":\s*"not run"'), re.compile(rb'"reason":\s*"([^"]*)')
_RECEIPT = "receipt.json"
_NO_ARTEFACT = re.compile(rf"(^|/)({re.escape(FOLDER)}/|logs/)|\.gitkeep$|\.part$")
_INHERITED = (Verdict.SUBSTITUTE, Verdict.UNANCHORED)


@dataclass(frozen=True)
class Knowledge:
    """What the rest of the project knows and an audit needs.

    Attributes:
        settings: benchmark name, given settings → all settings with the defaults.
        pins: dataset name → SHA-256 of its pinned files by name (None where upstream publishes none).
        planned: path of an output or log → parameters and inputs that the configuration asks for; {} if not asked.
        outline: study name → content of its plan.json as the configuration has it; None if that is not known.
    """

    settings: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda benchmark, given: given
    pins: Callable[[str], dict[str, str | None]] = lambda dataset: {}
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    outline: Callable[[str], dict[str, Any] | None] = lambda study: None


@dataclass
class Node:
    """An artefact as it was judged.

    Attributes:
        path: relative to the store's root.
        findings: why it is not OK.
        record: of the attempt that made it; None if there is none.
        inputs: paths of the artefacts, and of files without a record, that its step read.
        sources: files that it read and no step made, with what anchors them.
        present: it is on disk.
    """

    path: str
    findings: list[Finding] = field(default_factory=list)
    record: Record | None = None
    inputs: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    present: bool = True

    @property
    def verdict(self) -> Verdict:
        """The worst finding."""
        return worst(self.findings)


class Auditor:
    """Judges artefacts of one store; each once."""

    def __init__(self, store: Store, knowledge: Knowledge | None = None, full: bool = False) -> None:
        self.store, self.lineage, self.knowledge = store, Lineage(store), knowledge or Knowledge()
        self._hasher, self._changes = store.hasher(full), Changes(store)
        self._nodes: dict[str, Node] = {}
        self._hashes: dict[str, str] = {}
        self._inherited: dict[str, dict[str, Finding]] = {}

    def store_findings(self) -> list[Finding]:
        """What is the matter with the records themselves, whatever artefact they are about."""
        altered = [
            Finding(Verdict.TAMPERED, f"record {record.path.name}: altered since it was written")
            for record in self.lineage.records
            if not record.genuine
        ]
        return altered + [finding for seal in seals(self.store) for finding in self._sealed(seal)]

    def _sealed(self, seal: Path) -> list[Finding]:
        """What a seal covers and is no longer there, or what is wrong with the seal."""
        here = {record.sha256 for record in self.lineage.records}
        try:
            sealed = sealed_records(seal)
        except FileError as error:
            return [Finding(Verdict.TAMPERED, f"seal {seal.name}: {error}")]
        return [
            Finding(Verdict.TAMPERED, f"record {name}: sealed in {seal.name}, now gone or altered")
            for digest, name in sealed.items()
            if digest not in here
        ]

    def unfinished(self) -> list[str]:
        """Attempts that started and left no record: they run, or were killed."""
        return [record.content.get("attempt", record.path.stem) for record in self.store.started()]

    def targets(self, path: Path) -> list[str]:
        """The artefacts that a path means: itself, those below it, or the one that holds it; then files without one."""
        name = self.store.relative(path)
        below = sorted(
            each
            for each in self.lineage.artefacts
            if each == name or each.startswith(f"{name}/") or name == "." or (name == RESULTS and each)
        )
        whole = [each for each in below if each == name]
        if whole:
            return whole
        holder = self.lineage.holder(name)
        if holder:
            return [holder.path]
        if path.is_dir():
            return below + [each for each in self._files_below(path) if not self.lineage.holder(each)]
        return [name]

    def judge(self, targets: Iterable[str]) -> dict[str, Node]:
        """The targets and all that they were made from, by path."""
        wanted, seen = list(targets), {}
        while wanted:
            path = wanted.pop()
            if path not in seen:
                seen[path] = self._node(path)
                wanted.extend(seen[path].inputs)
        return {path: self._with_inherited(seen[path]) for path in sorted(seen)}

    def _with_inherited(self, node: Node) -> Node:
        own = {finding.reason for finding in node.findings}
        inherited = [finding for reason, finding in self._roots(node.path).items() if reason not in own]
        return replace(node, findings=[*node.findings, *inherited])

    def _node(self, path: str) -> Node:
        if path not in self._nodes:
            artefact = self.lineage.artefacts.get(path)
            self._nodes[path] = self._judged(artefact) if artefact else self._unrecorded(path)
        return self._nodes[path]

    def _unrecorded(self, path: str) -> Node:
        if (self.store.root / path).exists():
            return Node(path, [Finding(Verdict.MISSING_RECORD, "no record tells how it was made")])
        return Node(path, [Finding(Verdict.MISSING_RECORD, "not there, and no record of it")], present=False)

    def _judged(self, artefact: Artefact) -> Node:
        node = Node(artefact.path, record=artefact.record, present=(self.store.root / artefact.path).exists())
        if not artefact.record.genuine:
            node.findings.append(Finding(Verdict.TAMPERED, f"its record {artefact.record.path.name} was altered"))
        try:
            if artefact.problem:
                raise FileError(artefact.path, artefact.problem, "a whole record")
            node.findings += self._bytes(artefact)
            self._follow_inputs(artefact, node)
            node.findings += self._circumstances(artefact.record)
        except (FileError, KeyError, ValueError) as error:
            node.findings.append(Finding(Verdict.TAMPERED, f"its record is damaged: {error}"))
        node.findings += self._content(artefact)
        return node

    def _bytes(self, artefact: Artefact) -> list[Finding]:
        """The bytes on disk against those recorded. What is wholly gone may have been temporary: its hash is known."""
        if not (self.store.root / artefact.path).exists():
            return []
        findings = []
        for path, sha256 in artefact.files.items():
            found = self._hash(path)
            newer = self.lineage.artefacts.get(path)
            if found != sha256 and (newer is None or newer is artefact):
                findings.append(Finding(Verdict.TAMPERED, self._difference(path, found)))
        if artefact.kind == "folder":
            extra = [
                path
                for path in self._files_below(self.store.root / artefact.path)
                if path not in artefact.files and path not in self.lineage.artefacts
            ]
            findings += [
                Finding(Verdict.TAMPERED, f"{path}: not among the files that its step wrote") for path in extra
            ]
        return findings

    def _difference(self, path: str, found: str) -> str:
        if not found:
            return f"{path}: recorded, but gone"
        other = self.lineage.producer("", found)
        return f"{path}: other bytes than recorded" + (f", namely those of {other}" if other else "")

    def _follow_inputs(self, artefact: Artefact, node: Node) -> None:
        record = artefact.record
        own = {entry["path"] for entry in record.content["outputs"]}
        # What a step adds to is both. It may hold what an attempt that was cut off, and so made nothing, had added.
        inputs = [each for each in self.lineage.inputs(artefact) if each.path not in own]
        if not inputs and record.content["command"] not in ROOTS:
            node.findings.append(Finding(Verdict.UNANCHORED, "its step read nothing that is known"))
        if record.content["command"] == "fetch_raw" and not inputs:
            node.findings += self._unpinned(artefact)
        if not inputs:
            node.sources += self._declared_source(artefact)
        above: dict[str, None] = {}
        for each in inputs:
            if each.changed_while_running:
                node.findings.append(Finding(Verdict.STALE, f"input {each.path} changed while the job ran"))
            elif self._changed(each, record):
                node.findings.append(Finding(Verdict.STALE, f"input {each.path} changed since"))
            if each.producer and each.producer not in own:
                above[each.producer] = None
            else:  # a copy that the step itself made tells nothing of where the bytes come from
                self._follow_source(each, record, node, above)
        node.inputs = [path for path in above if path != node.path]

    def _follow_source(self, each: Input, record: Record, node: Node, above: dict[str, None]) -> None:
        """An input that no step made must be a file of the repository, or one whose hash is pinned."""
        commit = record.content.get("commit", "")
        content = committed(self.store.root, each.path, commit)
        if content and hashlib.sha256(content).hexdigest() == each.sha256:
            node.sources.append(f"{each.path} (repository at {commit[:12]})")
        elif content:
            node.sources.append(f"{each.path} (repository, edited)")
            node.findings.append(Finding(Verdict.DIRTY, f"input {each.path} was not as committed"))
        elif each.sha256 in self._pins(record).values():
            node.sources.append(f"{each.path} (pinned SHA-256 {each.sha256[:12]})")
        elif self.lineage.holder(each.path) is None and each.path.startswith(f"{RESULTS}/"):
            above[each.path] = None
        else:
            reason = f"input {each.path}: no step made the bytes that were read, and no pinned source has them"
            node.findings.append(Finding(Verdict.UNANCHORED, reason))

    def _declared_source(self, artefact: Artefact) -> list[str]:
        """Where a fetched artefact comes from: place, revision and licence, as its parameters and its receipt say."""
        told = artefact.record.content["parameters"]
        if told.get("hub"):
            return [f"{told['hub']}@{told.get('revision')}"]
        receipt = self.store.root / artefact.path / _RECEIPT
        if artefact.record.content["command"] != "fetch_raw" or not receipt.is_file():
            return []
        try:
            said = read_json(receipt)
            place = f"{said['repo']}@{said['revision']}" if "repo" in said else said["origin"]
            return [f"{place} (licence: {said['licence']}; files and hashes: {_RECEIPT})"]
        except (FileError, KeyError):  # it was tampered with, which is found as such
            return []

    def _unpinned(self, artefact: Artefact) -> list[Finding]:
        """Files fetched from another place than the pinned one need a pinned hash."""
        if not artefact.record.content["parameters"].get("origin"):
            return []
        pinned = set(self._pins(artefact.record).values())
        odd = [
            path for path, sha256 in artefact.files.items() if sha256 not in pinned and path.split("/")[-1] != _RECEIPT
        ]
        return [Finding(Verdict.UNANCHORED, f"{path}: fetched from elsewhere, and no pinned hash") for path in odd]

    def _circumstances(self, record: Record) -> list[Finding]:
        """Code, packages, parameters, and what stands in for the real thing."""
        findings = []
        if changed := self._changes.code(record):
            findings.append(Finding(Verdict.STALE, f"code changed since: {', '.join(changed)}"))
        if changed := self._changes.packages(record):
            findings.append(Finding(Verdict.STALE, f"packages changed since: {', '.join(changed)}"))
        if edited := self._changes.edited_while_running(record):
            findings.append(Finding(Verdict.STALE, f"code edited while the job ran: {', '.join(edited)}"))
        if not record.content["commit"]:
            findings.append(Finding(Verdict.DIRTY, "made by code of no known commit"))
        elif dirty := self._changes.uncommitted(record):
            findings.append(Finding(Verdict.DIRTY, f"made by uncommitted code: {_few(dirty)}"))
        findings += self._changed_parameters(record)
        parameters = record.content["parameters"]
        settings = parameters.get("settings") if isinstance(parameters.get("settings"), dict) else {}
        if parameters.get("benchmark"):
            settings = self.knowledge.settings(parameters["benchmark"], settings)
        stand_ins = substitutes(record.content["command"], parameters, settings)
        return findings + [Finding(Verdict.SUBSTITUTE, reason) for reason in stand_ins]

    def _changed_parameters(self, record: Record) -> list[Finding]:
        """What the configuration asks for now against what the job was told."""
        places = [record.content["log"], *(entry["path"] for entry in record.content["outputs"])]
        planned = next((self.knowledge.planned[place] for place in places if place in self.knowledge.planned), None)
        if planned is None:
            return []
        then, now = record.content["parameters"], planned["parameters"]
        changes = [_change(name, then[name], now[name]) for name in then if name in now and then[name] != now[name]]
        read = {entry["path"] for entry in record.content["inputs"] if entry["argument"]}
        changes += [f"input {path} is new" for path in planned["inputs"] if path not in read]
        return [Finding(Verdict.STALE, f"parameters changed since: {'; '.join(changes)}")] if changes else []

    def _content(self, artefact: Artefact) -> list[Finding]:
        """What the artefact says of itself: not run, or partly."""
        path = self.store.root / artefact.path
        if not path.is_file():
            return []
        if path.suffix in (".json", ".jsonl"):
            with path.open("rb") as handle:
                head = handle.read(4096)
            if not _NOT_RUN.match(head):
                return []
            reason = _REASON.search(head)
            return [Finding(Verdict.NOT_RUN, reason[1].decode(errors="replace") if reason else "it says so")]
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", errors="replace", newline="") as handle:
                count = sum(cell == "not run" for row in csv.reader(handle) for cell in row)
            return [Finding(Verdict.NOT_RUN, f"{count} of its cells")] if count else []
        return []

    def _roots(self, path: str) -> dict[str, Finding]:
        """Findings that everything made from an artefact has too: reason → finding with one place it comes from."""
        if path not in self._inherited:
            self._inherited[path] = {}  # also ends a circle
            found: dict[str, Finding] = {}
            for each in self._node(path).inputs:
                own = [finding for finding in self._node(each).findings if finding.verdict in _INHERITED]
                for finding in own:
                    found.setdefault(finding.reason, Finding(finding.verdict, f"{finding.reason} (of {each})"))
                for reason, finding in self._roots(each).items():
                    found.setdefault(reason, finding)
            self._inherited[path] = found
        return self._inherited[path]

    def _changed(self, each: Input, record: Record) -> bool:
        found = self._hash(each.path)
        if not found or found == each.sha256:
            return False
        if same_values(self.store.root, each.path, record.content.get("commit", ""), each.sha256):
            return False
        return not self._plan_holds(record)

    def _plan_holds(self, record: Record) -> bool:
        """A plan is as it should be while the configuration gives the same one, whatever else changed in it."""
        if record.content["command"] != "write_plan":
            return False
        outline = self.knowledge.outline(record.content["parameters"]["study"])
        written = [self.store.root / entry["path"] for entry in record.content["outputs"]]
        return outline is not None and all(path.exists() and read_json(path) == outline for path in written)

    def _pins(self, record: Record) -> dict[str, str | None]:
        dataset = record.content["parameters"].get("dataset")
        return self.knowledge.pins(dataset) if record.content["command"] == "fetch_raw" and dataset else {}

    def _hash(self, path: str) -> str:
        """SHA-256 of a file now; "" if it is not there."""
        if path not in self._hashes:
            file = self.store.root / path
            self._hashes[path] = self._hasher.file(file) if file.is_file() else ""
        return self._hashes[path]

    def _files_below(self, folder: Path) -> list[str]:
        """All files of a folder that a step should have made: logs and records are none."""
        names = (self.store.relative(path) for path in files_below(folder))
        return [name for name in names if not _NO_ARTEFACT.search(name)]


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _change(name: str, then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        keys = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
        return ", ".join(f"{name}.{key} {then.get(key)!r} → {now.get(key)!r}" for key in keys)
    return f"{name} {then!r} → {now!r}"
