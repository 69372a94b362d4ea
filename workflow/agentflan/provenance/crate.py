"""The run behind some artefacts as a Workflow Run RO-Crate (Provenance Run Crate 0.5): for readers who know no records.

The crate's folder holds the metadata and copies of small things: tables, figures, configuration, rules. The studies and
the records are links, so that no weights are copied; ``cp -rL`` makes a crate that can be sent. Every file has its
SHA-256. What is gone by now, or has other bytes than recorded, is listed by its hash alone, as a ``CreativeWork``.

A command's arguments are its FormalParameters, and the files and values of its jobs are examples of them; those of the
workflow are the files that no step made, and the targets. ParameterConnections tell which output feeds which input. A
step is a command here, so one that reads what it made itself (a fine-tune its base model) feeds itself.

Not told, as no record knows it: who ran the jobs, who publishes, where the project is found on the web.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity
from rocrate.model.data_entity import DataEntity
from rocrate.rocrate import ROCrate

from agentflan import __version__
from agentflan.errors import FileError
from agentflan.files import write_json, write_text
from agentflan.provenance.citation import software
from agentflan.provenance.crate_parameters import DATASET, FILE, INPUT, OUTPUT, VALUE, Parameters, kind_of
from agentflan.provenance.hashing import file_sha256
from agentflan.provenance.lineage import Artefact, Lineage
from agentflan.provenance.store import FOLDER, RESULTS, Record

METADATA, README = "ro-crate-metadata.json", "README.md"
WORKFLOW = "Snakefile"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_NAMES = (
    *("sha256", "environment", "resourceUsage", "buildInstructions"),
    *("ParameterConnection", "connection", "sourceParameter", "targetParameter"),
)
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_BIOSCHEMAS = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
_LICENCE = "https://spdx.org/licenses/Apache-2.0"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_BYTE, _SECOND = "http://qudt.org/vocab/unit/BYTE", "http://qudt.org/vocab/unit/SEC"
_MEASURED = {"peak_memory": _BYTE, "peak_memory_of_a_child": _BYTE, "cpu_seconds": _SECOND, "seconds": _SECOND}
_FORMATS = {".jsonl": "application/jsonl", ".parquet": "application/vnd.apache.parquet", ".md": "text/markdown"}
_TYPES = MimeTypes(filenames=())  # those that Python itself knows, the same on every machine


def behind(lineage: Lineage, targets: Iterable[str]) -> list[Artefact]:
    """The targets and every artefact that they were made from, by path.

    Raises:
        FileError: no record tells of a target.
    """
    wanted, found = list(targets), {}
    while wanted:
        path = wanted.pop()
        artefact = lineage.holder(path)
        if artefact is None:
            raise FileError(path, "no record of it", "an artefact that a recorded step made")
        if artefact.path not in found:
            found[artefact.path] = artefact
            wanted += [each.producer for each in lineage.inputs(artefact) if each.producer in lineage.artefacts]
    return [found[path] for path in sorted(found)]


def write_crate(lineage: Lineage, targets: list[str], folder: Path) -> dict[str, int]:
    """Write the crate of the run that made some artefacts.

    Args:
        lineage: of the store that holds them.
        targets: their paths, relative to the store's root: what the run is for.
        folder: the crate's, below results/; an earlier crate there is replaced.

    Returns:
        How many jobs and files it tells of.

    Raises:
        FileError: a target without a record, no Snakefile, or a folder that holds something else.
    """
    if not (lineage.store.root / WORKFLOW).is_file():
        raise FileError(lineage.store.root / WORKFLOW, "no such file", "the workflow that the records come from")
    if folder.exists() and any(folder.iterdir()) and not (folder / METADATA).is_file():
        raise FileError(folder, "a folder with other things", "an earlier crate, or nothing")
    artefacts = behind(lineage, targets)
    records = {each.record.sha256: each.record for each in artefacts}
    jobs = sorted(records.values(), key=lambda record: (record.content["start"], record.content["attempt"]))
    graph = _Graph(lineage, folder)
    graph.describe(jobs, targets)
    graph.write()
    return {"jobs": len(jobs), "files": graph.files}


def _flow(lineage: Lineage, jobs: list[Record]) -> list[str]:
    """The commands as data flows through them, whenever their jobs ran: by the longest chain of jobs up to one of each.

    Args:
        lineage: of the store that holds the jobs' records.
        jobs: each after those that made what it reads.
    """
    lengths: dict[str, int] = {}  # of the chain that ends with an attempt
    steps: dict[str, int] = {}
    for job in jobs:
        makers = (lineage.artefacts.get(each.producer) for each in lineage.read_by(job) if each.producer)
        before = (lengths.get(maker.record.content["attempt"], 0) for maker in makers if maker)
        length = lengths[job.content["attempt"]] = 1 + max(before, default=0)
        steps[job.content["command"]] = max(length, steps.get(job.content["command"], 0))
    return sorted(steps, key=lambda command: (steps[command], command))


class _Graph:
    """The crate's entities while they are put together; nothing is written before `write`."""

    def __init__(self, lineage: Lineage, folder: Path) -> None:
        self.lineage, self.store, self.folder = lineage, lineage.store, folder
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_terms.update({name: _TERMS + name for name in _NAMES})
        self.parameters = Parameters(self.crate)
        self.files = 0
        self._hasher = self.store.hasher()
        self._hashes: dict[str, str] = {}  # of files as they are now
        self._placed: dict[str, Path] = {}  # path in the crate → the file to copy, or folder to link

    def describe(self, jobs: list[Record], targets: list[str]) -> None:
        """Root, workflow, steps and every job."""
        tools = {command: self._tool(command) for command in _flow(self.lineage, jobs)}
        steps = {command: self._step(command, place, tool) for place, (command, tool) in enumerate(tools.items(), 1)}
        workflow = self._workflow(list(tools.values()), list(steps.values()))
        actions = [self._job(job, tools[job.content["command"]]) for job in jobs]
        run = self._run(jobs, targets, workflow)
        self._connect(jobs, targets, workflow)
        done = zip(jobs, actions, strict=True)
        controls = [self._control(job, steps[job.content["command"]], action) for job, action in done]
        engine = self._add(
            "#snakemake",
            "SoftwareApplication",
            name="Snakemake",
            url="https://snakemake.github.io",
            softwareVersion=", ".join(software(self.store, jobs, ["snakemake"]).get("snakemake", ["unknown"])),
        )
        whole = self._add(
            "#organize",
            "OrganizeAction",
            name="the workflow engine's run",
            instrument=engine,
            object=controls,
            result=run,
        )
        self._root(jobs, [run, whole, *actions])

    def write(self) -> None:
        """Write folder and metadata: everything, or nothing."""
        scratch = self.folder.with_name(f".{self.folder.name}.{os.getpid()}.tmp")
        try:
            for place, source in self._placed.items():
                target = scratch / place
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    target.symlink_to(os.path.relpath(source.resolve(), (self.folder / place).parent.resolve()))
                else:
                    shutil.copyfile(source, target)
            write_text(scratch / README, self._readme())
            write_json(scratch / METADATA, _without_singletons(self.crate.metadata.generate()))
            shutil.rmtree(self.folder, ignore_errors=True)
            scratch.rename(self.folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _root(self, jobs: list[Record], actions: list[ContextEntity]) -> None:
        studies = ", ".join(sorted({job.content["study"] for job in jobs} - {""}))
        profiles = [
            self._add(url, "CreativeWork", name=name, version=version) for url, (name, version) in _PROFILES.items()
        ]
        licence = self._add(
            _LICENCE,
            "CreativeWork",
            name="Apache License 2.0",
            description="Of the code and what it makes. Corpora that were fetched keep their own terms: receipt.json.",
        )
        root = self.crate.root_dataset
        root["name"] = f"Agent-FLAN, reproduced: study {studies}"
        root["description"] = (
            f"Tables and figures of the study {studies}, with every job that made them, down to the raw files."
        )
        root["datePublished"] = max(job.content["end"] for job in jobs)
        told = self._readme().encode()
        properties = {"name": README, "encodingFormat": "text/markdown", "about": root, "contentSize": str(len(told))}
        self.crate.add_file(dest_path=README, properties=properties | {"sha256": hashlib.sha256(told).hexdigest()})
        root["license"], root["conformsTo"], root["mentions"] = licence, profiles, actions

    def _readme(self) -> str:
        root = self.crate.root_dataset
        return (
            f"# {root['name']}\n\n{root['description']}\n\n"
            "A Workflow Run RO-Crate (Provenance Run Crate 0.5). "
            f"`{METADATA}` tells the run to programs, `runcrate report .` to people. "
            f"It was made from the records in `{RESULTS}/{FOLDER}/records`. "
            "Folders of studies may be links; `cp -rL` makes a copy that can be sent.\n"
        )

    def _workflow(self, tools: list[ContextEntity], steps: list[ContextEntity]) -> ContextEntity:
        self._placed[WORKFLOW] = self.store.root / WORKFLOW
        properties = {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "Agent-FLAN",
            "version": __version__,
            "sha256": file_sha256(self.store.root / WORKFLOW),
            "encodingFormat": "text/plain",
            "conformsTo": _BIOSCHEMAS,
            "hasPart": tools,
            "step": steps,
        }
        workflow = self.crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake", properties=properties)
        for path in sorted((self.store.root / "workflow" / "rules").glob("*.smk")):
            self._file(self.store.relative(path), file_sha256(path))
        return workflow

    def _tool(self, command: str) -> ContextEntity:
        more = {"name": f"agentflan {command}", "softwareVersion": __version__}
        lock = self.store.root / "uv.lock"
        if lock.is_file():
            more["buildInstructions"] = self._file("uv.lock", file_sha256(lock))
        return self._add(_tool_id(command), "SoftwareApplication", **more)

    def _step(self, command: str, position: int, tool: ContextEntity) -> ContextEntity:
        return self._add(_step_id(command), "HowToStep", name=command, position=str(position), workExample=tool)

    def _control(self, job: Record, step: ContextEntity, action: ContextEntity) -> ContextEntity:
        return self._add(f"#control-{job.content['attempt']}", "ControlAction", instrument=step, object=action)

    def _run(self, jobs: list[Record], targets: list[str], workflow: ContextEntity) -> ContextEntity:
        made = {entry["path"]: entry for job in jobs for entry in job.content["outputs"]}
        sources = {
            (each.path, each.sha256): None for job in jobs for each in self.lineage.read_by(job) if not each.producer
        }
        read = [{"kind": "file", "path": path, "sha256": sha256} for path, sha256 in sources]
        given = [made[path] for path in targets if path in made]
        return self._add(
            "#run",
            "CreateAction",
            name="the run of the workflow",
            description="All jobs that made the targets, whenever they ran: from the earliest start to the latest end.",
            instrument=workflow,
            object=[self._thing(entry, workflow, INPUT, entry["path"]) for entry in read],
            result=[self._thing(entry, workflow, OUTPUT, entry["path"]) for entry in given],
            startTime=min(job.content["start"] for job in jobs),
            endTime=max(job.content["end"] for job in jobs),
            actionStatus=_COMPLETED,
        )

    def _job(self, job: Record, tool: ContextEntity) -> ContextEntity:
        content = job.content
        parameters = [
            self._given(name, value, tool) for name, value in content["parameters"].items() if value is not None
        ]
        read = [self._thing(entry, tool, INPUT, entry["argument"]) for entry in content["inputs"]]
        written = [self._thing(entry, tool, OUTPUT, entry["argument"]) for entry in content["outputs"]]
        return self._add(
            f"#{content['attempt']}",
            "CreateAction",
            name=f"{content['command']} {content.get('wildcards', '')}".strip(),
            description=" ".join(["agentflan", content["command"], *content["argv"]]),
            instrument=tool,
            object=[*filter(None, read), *parameters],
            result=[*filter(None, written)],
            startTime=content["start"],
            endTime=content["end"],
            actionStatus=_COMPLETED,
            environment=[self._value(name, value) for name, value in _circumstances(content)],
            resourceUsage=[
                self._value(name, content[name], propertyID=f"#{name}", unitCode=unit)
                for name, unit in _MEASURED.items()
            ],
            subjectOf=self._file(self.store.relative(job.path), job.sha256),
        )

    def _connect(self, jobs: list[Record], targets: list[str], workflow: ContextEntity) -> None:
        """What feeds what: outputs or the workflow's inputs the steps, and steps the workflow's outputs."""
        for job in jobs:
            command = job.content["command"]
            for each in self.lineage.read_by(job):
                source = self._output(each.producer) or self.parameters.get(workflow, INPUT, each.path)
                target = self.parameters.get(self.crate.get(_tool_id(command)), INPUT, each.argument)
                self.parameters.connect(source, target, self.crate.get(_step_id(command)))
        for path in targets:
            self.parameters.connect(self._output(path), self.parameters.get(workflow, OUTPUT, path), workflow)

    def _output(self, path: str) -> ContextEntity | None:
        """The parameter of the command that made an artefact; None if no step did."""
        artefact = self.lineage.artefacts.get(path)
        if artefact is None:
            return None
        content = artefact.record.content
        argument = next(entry["argument"] for entry in content["outputs"] if entry["path"] == path)
        return self.parameters.get(self.crate.get(_tool_id(content["command"])), OUTPUT, argument)

    def _thing(self, entry: dict[str, Any], holder: ContextEntity, side: str, name: str) -> ContextEntity | None:
        """What a record says was read or written, an example of a parameter; None if it was not there."""
        if entry["kind"] == "missing":
            return None
        make, kind = (self._folder, DATASET) if entry["kind"] == "folder" else (self._file, FILE)
        found = make(entry["path"], entry["sha256"])
        self.parameters.add(holder, side, name, kind, found if isinstance(found, DataEntity) else None)
        return found

    def _given(self, name: str, value: Any, tool: ContextEntity) -> ContextEntity:
        """The value of an argument, an example of a parameter."""
        found = self._value(name, value)
        self.parameters.add(tool, VALUE, name, kind_of(value), found)
        return found

    def _file(self, path: str, sha256: str) -> ContextEntity:
        if not self._is_there(path, sha256):
            return self._gone(path, sha256)
        known = self.crate.get(path)
        if known is not None:
            return known
        self._place(path)
        self.files += 1
        suffix = Path(path).suffix
        return self.crate.add_file(
            dest_path=path,
            properties={
                "name": path,
                "sha256": sha256,
                "contentSize": str((self.store.root / path).stat().st_size),
                "encodingFormat": _FORMATS.get(suffix) or _TYPES.guess_type(path)[0] or "application/octet-stream",
            },
        )

    def _folder(self, path: str, sha256: str) -> ContextEntity:
        """A folder is its files; its hash is that of their listing, as `sha256sum` prints it."""
        files = self.lineage.listing(sha256)
        if not (self.store.root / path).is_dir() or not all(
            self._is_there(f"{path}/{name}", files[name]) for name in files
        ):
            return self._gone(path, sha256)
        known = self.crate.get(f"{path}/")
        if known is not None:
            return known
        self._place(path)
        parts = [self._file(f"{path}/{name}", digest) for name, digest in files.items()]
        return self.crate.add_dataset(dest_path=path, properties={"name": path, "sha256": sha256, "hasPart": parts})

    def _gone(self, path: str, sha256: str) -> ContextEntity:
        digest = hashlib.sha256(path.encode()).hexdigest()[:8]
        note = "not kept, or other bytes by now"
        return self._add(f"#{sha256}-{digest}", "CreativeWork", name=path, sha256=sha256, description=note)

    def _is_there(self, path: str, sha256: str) -> bool:
        if path not in self._hashes:
            file = self.store.root / path
            outside = Path(path).is_absolute()
            self._hashes[path] = self._hasher.file(file) if file.is_file() and not outside else ""
        return self._hashes[path] == sha256

    def _place(self, path: str) -> None:
        """A file of a study is reached by one link to its folder; the others are few and small, and copied."""
        parts = Path(path).parts
        place = Path(*parts[:2]) if parts[0] == RESULTS and len(parts) > 2 else Path(path)
        self._placed[place.as_posix()] = self.store.root / place

    def _value(self, name: str, value: Any, **more: str) -> ContextEntity:
        text = value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        digest = hashlib.sha256(json.dumps([name, text, more]).encode()).hexdigest()[:16]
        return self._add(f"#{name}-{digest}", "PropertyValue", name=name, value=text, **more)

    def _add(self, identifier: str, kind: str, **properties: Any) -> ContextEntity:
        known = self.crate.get(identifier)
        return known or self.crate.add(ContextEntity(self.crate, identifier, {"@type": kind, **properties}))


def _without_singletons(metadata: dict[str, Any]) -> dict[str, Any]:
    """RO-Crate metadata in which a list of one value is that value, as RO-Crate 1.1 wants it."""
    alone = [
        {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in entity.items()}
        for entity in metadata["@graph"]
    ]
    return metadata | {"@graph": alone}


def _tool_id(command: str) -> str:
    return f"#agentflan-{command}"


def _step_id(command: str) -> str:
    return f"#step-{command}"


def _circumstances(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """Where and with what a job ran: name and value."""
    machine = content["machine"]
    facts = {name: machine[name] for name in ("host", "system", "cpu", "cpus", "memory")}
    facts |= {f"gpu_{number}": gpu for number, gpu in enumerate(machine["gpus"])}
    facts |= {**machine["slurm"], **machine["variables"]}
    facts |= {
        name: content.get(name) for name in ("commit", "dirty", "code", "environment", "seeds", "rule", "wildcards")
    }
    return [(name, value) for name, value in facts.items() if value not in ("", None, {}, [])]
