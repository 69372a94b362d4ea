"""Writes the record of one job attempt: hashes, code, environment, machine, times. Called by the runner.

The artefacts are not touched. Of several processes of one job only the first one records.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentflan.arguments import InputFolder, InputName, InputPath, MeasuredPath, OutputFolder, OutputPath, UpdatedPath
from agentflan.provenance.code import code_of_this_process
from agentflan.provenance.environment import environment, imported
from agentflan.provenance.hashing import absolute, identity_of, listing
from agentflan.provenance.machine import machine, usage
from agentflan.provenance.opened import OpenedFiles
from agentflan.provenance.redact import Redactor
from agentflan.provenance.store import RESULTS, Store, store_for

FORMAT = 1
SWITCH = "AGENTFLAN_PROVENANCE"  # "off": no record; the audit will miss it
ATTEMPT = "AGENTFLAN_ATTEMPT"  # the attempt that a launcher's processes go on with

log = logging.getLogger(__name__)

_Entry = dict[str, Any]
_WHOLE_INPUTS = (InputPath, InputName, UpdatedPath)
_DECLARED = (InputPath, InputFolder, InputName, OutputPath, OutputFolder, UpdatedPath)
_RUNNERS_OWN = ("command_line",)  # the runner puts it among the arguments; `argv` says the same
_STARTED_NS = time.time_ns()


@contextmanager
def recorded(command: str, argv: list[str], arguments: Namespace) -> Iterator[None]:
    """Record what happens inside the block, if the command declares an output.

    Args:
        command: its name.
        argv: its words, without the name.
        arguments: the same, parsed.
    """
    outputs = [path for _, path in declared(arguments, (OutputPath, OutputFolder, UpdatedPath))]
    if not outputs or os.environ.get(SWITCH) == "off" or os.environ.get("RANK", "0") != "0":
        yield
        return
    attempt = _Attempt(store_for(outputs[0]), command, argv, arguments)
    attempt.start()
    try:
        yield
    except BaseException as error:
        try:
            attempt.finish(error)
        except OSError as problem:  # a full disk, say: what went wrong first is what must be told
            log.warning(f"this failed attempt has no record: {problem}")
        raise
    attempt.finish(None)


class _Attempt:
    def __init__(self, store: Store, command: str, argv: list[str], arguments: Namespace) -> None:
        self.store, self.command, self.argv, self.arguments = store, command, argv, arguments
        self.hasher, self.redactor = store.hasher(), Redactor()
        self.begin = time.time()
        when = datetime.fromtimestamp(self.begin, UTC).strftime("%Y%m%dT%H%M%S")
        going_on = os.environ.get(ATTEMPT) if "RANK" in os.environ else None
        self.name = going_on or f"{when}-{command}-{uuid.uuid4().hex[:12]}"
        self.head: _Entry = {}
        self.inputs: list[_Entry] = []
        self.seen: dict[str, list[int]] = {}
        folders = [path for _, path in declared(arguments, (InputFolder, OutputFolder))]
        self.opened = OpenedFiles(folders)

    def start(self) -> None:
        """Hash the inputs and leave the note of the start. A launcher that this process becomes passes its name on."""
        os.environ[ATTEMPT] = self.name
        self.inputs = [
            self._entry(name, Path(path))
            for name, path in declared(self.arguments, _WHOLE_INPUTS)
            if not isinstance(path, InputName | UpdatedPath) or Path(path).exists()
        ]
        parameters, log = parameters_of(self.arguments, self.redactor), _log(self.store)
        self.head = {
            "format": FORMAT,
            "attempt": self.name,
            "command": self.command,
            "study": self._study(),
            "argv": self.redactor.command_line(self.argv),
            "parameters": parameters,
            "seeds": _seeds(parameters),
            "folder": self.store.relative(Path.cwd()),
            "log": log,
            **_rule(log),
            "machine": machine(),
            "start": _iso(self.begin),
        }
        self.store.start(self.name, self.head | {"state": "started", "pid": os.getpid(), "inputs": self.inputs})
        self.opened.watch()
        self.ready = time.time()

    def finish(self, error: BaseException | None) -> None:
        """Hash the outputs and write the record."""
        done, used = time.time(), usage()
        os.environ.pop(ATTEMPT, None)
        read, written = self.opened.stop()
        read = [path for path in read if not absolute(path).is_relative_to(self.store.folder)]  # records are no input
        known = {entry["path"] for entry in self.inputs}
        self.inputs += [
            self._entry("", path)
            for path in read
            if path.is_file() and path not in written and self.store.relative(path) not in known
        ]
        self._mark_changed_inputs()
        outputs = [] if error else self._outputs(written)
        code = code_of_this_process(_STARTED_NS)
        self.store.finish(
            self.name,
            self.head
            | {
                "state": "failed" if error else "done",
                "exit": _exit_code(error),
                "error": type(error).__name__ if error else "",
                "end": _iso(done),
                "seconds": round(done - self.ready, 3),
                "seconds_recording": round(time.time() - done + self.ready - self.begin, 3),
                **used,
                "commit": code["commit"],
                "dirty": bool(code["dirty"]),
                "code": self.store.put_json(code),
                "environment": self.store.put_json(environment()),
                "imported": imported(),
                "inputs": self.inputs,
                "outputs": outputs,
            },
        )

    def _outputs(self, written: list[Path]) -> list[_Entry]:
        whole = [(name, Path(path)) for name, path in declared(self.arguments, (OutputPath, UpdatedPath))]
        measured = {self.store.relative(path) for _, path in declared(self.arguments, (MeasuredPath,))}
        found = [self._entry(name, path) for name, path in whole] + [self._entry("", path) for path in written]
        found = [entry | {"measured": True} if entry["path"] in measured else entry for entry in found]
        updated = {self.store.relative(path) for _, path in declared(self.arguments, (UpdatedPath,))}
        before = [(entry["path"], entry.get("sha256")) for entry in self.inputs if entry["path"] not in updated]
        return [entry for entry in found if (entry["path"], entry.get("sha256")) not in before]

    def _entry(self, name: str, path: Path) -> _Entry:
        entry: _Entry = {"argument": name, "path": self.store.relative(path)}
        if path.is_dir():
            hashes = self.hasher.tree(path)
            return entry | {"kind": "folder", "sha256": self.store.put(listing(hashes)), "files": len(hashes)}
        if path.is_file():
            self.seen[entry["path"]] = identity_of(path.stat())
            return entry | {"kind": "file", "sha256": self.hasher.file(path), "size": path.stat().st_size}
        return entry | {"kind": "missing"}

    def _mark_changed_inputs(self) -> None:
        """An input that changed under a running job is not what the record says it read."""
        updated = {self.store.relative(path) for _, path in declared(self.arguments, (UpdatedPath,))}
        for entry in self.inputs:
            path = self.store.root / entry["path"]
            before = self.seen.get(entry["path"])
            if before and entry["path"] not in updated and (not path.exists() or identity_of(path.stat()) != before):
                entry["changed_while_running"] = True

    def _study(self) -> str:
        """The folder below ``results`` that the files lie in."""
        for _, path in declared(self.arguments, _DECLARED):
            parts = Path(self.store.relative(path)).parts
            if len(parts) > 1 and parts[0] == RESULTS and (self.store.root / RESULTS / parts[1]).is_dir():
                return parts[1]
        return ""


def parameters_of(arguments: Namespace, redactor: Redactor) -> dict[str, Any]:
    """All arguments that are no paths, by name, without secrets."""
    plain = {name: value for name, value in vars(arguments).items() if name not in _RUNNERS_OWN and _is_plain(value)}
    return redactor.value({name: _unfold(value) for name, value in plain.items()})


def declared(arguments: Namespace, kinds: tuple[type, ...]) -> list[tuple[str, Any]]:
    """(argument, value) of all arguments of some declared kinds, lists taken apart."""
    found = []
    for name, value in vars(arguments).items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, kinds):
                found.append((name, each))
    return found


def _is_plain(value: Any) -> bool:
    """Whether a value is a parameter: no declared path, though it may be a name that turned out to be no file."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value)) and bool(value)
    if isinstance(value, InputName):
        return not Path(value).exists()
    return not isinstance(value, _DECLARED)


def _unfold(value: Any) -> Any:
    """A value as JSON: text that holds a JSON object is the object."""
    if isinstance(value, list | tuple):
        return [_unfold(each) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return str(value)
    return value if isinstance(value, int | float | bool | None) else str(value)


def _seeds(parameters: Any, place: str = "") -> dict[str, Any]:
    """Every value that is called a seed, by its place among the parameters."""
    found = {}
    for name, value in parameters.items():
        if isinstance(value, dict):
            found |= _seeds(value, f"{place}{name}.")
        elif name == "seed" or name.endswith("_seed"):
            found[f"{place}{name}"] = value
    return found


def _log(store: Store) -> str:
    """The file that standard output goes to. Snakemake's log files are named after rule and wildcards."""
    try:
        path = Path(f"/proc/self/fd/{sys.stdout.fileno()}").readlink()
    except (OSError, ValueError, AttributeError):
        return ""
    return store.relative(path) if path.suffix == ".log" else ""


def _rule(log: str) -> dict[str, str]:
    """The rule and its wildcards, as the log's name tells them: ``…/logs/RULE/WILDCARDS.log``; "" outside a rule."""
    _, found, name = log.removesuffix(".log").rpartition("/logs/")
    rule, _, wildcards = name.partition("/") if found else ("", "", "")
    return {"rule": rule, "wildcards": wildcards}


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
