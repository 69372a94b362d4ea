"""The chain of artefacts, by content: which step made the bytes that another one read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agentflan.errors import FileError
from agentflan.provenance.hashing import read_listing
from agentflan.provenance.store import Record, Store

COPIES = ("export_crate",)  # commands that copy what others made: nothing comes from there
_EMPTY = hashlib.sha256().hexdigest()  # an empty file tells nothing about where it comes from


@dataclass(frozen=True)
class Artefact:
    """A file or folder that a step made, as its newest record says.

    Attributes:
        path: relative to the store's root.
        kind: "file", "folder" or "missing".
        files: SHA-256 by path relative to the store's root; one entry for a file.
        record: of the attempt that made it.
        problem: what is wrong with the record's own parts; "" if nothing is.
        measured: it tells times of that very run, so another run gives other bytes.
    """

    path: str
    kind: str
    files: dict[str, str]
    record: Record
    problem: str = ""
    measured: bool = False


@dataclass(frozen=True)
class Input:
    """A file that a step read, and the artefact that holds these very bytes.

    Attributes:
        path: relative to the store's root.
        sha256: at job time.
        producer: path of the artefact whose step made these bytes; "" if no record tells.
        changed_while_running: it changed between the job's start and end.
        argument: of the command that named it; "" for a file that the step opened in a shared folder.
    """

    path: str
    sha256: str
    producer: str
    changed_while_running: bool = False
    argument: str = ""


@dataclass
class Lineage:
    """All records of a store, joined.

    Attributes:
        store: where they lie.
        records: all of them, oldest first.
    """

    store: Store
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = self.records or list(self.store.records())

    @cached_property
    def artefacts(self) -> dict[str, Artefact]:
        """Path → what its newest finished attempt made."""
        found = {}
        for record in sorted(self.records, key=lambda record: str(record.content.get("end", ""))):
            for artefact in self._made_by(record):
                found[artefact.path] = artefact
        return found

    def inputs(self, artefact: Artefact) -> list[Input]:
        """Every file that the artefact's step read, with its producer."""
        return self.read_by(artefact.record)

    def read_by(self, record: Record) -> list[Input]:
        """Every file that an attempt read, with its producer.

        Raises:
            FileError: the record or an object that it names is damaged.
        """
        found = []
        for entry in record.content.get("inputs", []):
            for path, sha256 in self._files(entry).items():
                changed = bool(entry.get("changed_while_running"))
                found.append(Input(path, sha256, self.producer(path, sha256), changed, entry.get("argument", "")))
        return found

    def producer(self, path: str, sha256: str) -> str:
        """The artefact that holds bytes of this hash: at this path if any step made them there, else anywhere."""
        makers = self._makers.get(sha256, {})
        elsewhere = "" if sha256 == _EMPTY else next(iter(makers.values()), "")
        return makers.get(path) or elsewhere

    def holder(self, path: str) -> Artefact | None:
        """The artefact that is this path or, as a folder, holds it."""
        parts = path.split("/")
        for length in range(len(parts), 0, -1):
            artefact = self.artefacts.get("/".join(parts[:length]))
            if artefact and (artefact.path == path or path in artefact.files or artefact.kind == "folder"):
                return artefact
        return None

    def listing(self, name: str) -> dict[str, str]:
        """SHA-256 of each file of a folder, by its path below it, as a record's object of this name tells.

        Raises:
            FileError: the object is missing or damaged.
        """
        if name not in self._listings:
            self._listings[name] = read_listing(self.store.get(name))
        return self._listings[name]

    @cached_property
    def _makers(self) -> dict[str, dict[str, str]]:
        """SHA-256 → {path of the file: path of its artefact}, over all finished attempts, also superseded ones."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for record in (each for each in self.records if each.content.get("command") not in COPIES):
            for artefact in self._made_by(record):
                for path, sha256 in artefact.files.items():
                    found[sha256][path] = artefact.path
        return found

    def _made_by(self, record: Record) -> list[Artefact]:
        if record.content.get("state") != "done":
            return []
        made = []
        for entry in record.content.get("outputs", []):
            try:
                files, problem = self._files(entry), ""
            except FileError as error:
                files, problem = {}, str(error)
            if "path" in entry:  # else nobody knows what it was about: the altered record is told as such
                kind, measured = entry.get("kind", "missing"), entry.get("measured", False)
                made.append(Artefact(entry["path"], kind, files, record, problem, measured))
        return made

    def _files(self, entry: dict[str, Any]) -> dict[str, str]:
        """SHA-256 of each file of a record's entry by its path.

        Raises:
            FileError: the entry lacks a part, or the folder's listing is missing or damaged.
        """
        try:
            if entry["kind"] == "file":
                return {entry["path"]: entry["sha256"]}
            if entry["kind"] == "folder":
                return {f"{entry['path']}/{name}": digest for name, digest in self.listing(entry["sha256"]).items()}
        except KeyError as error:
            raise FileError(entry.get("path", "an entry"), f"no {error}", "path, kind and hash") from None
        return {}

    @cached_property
    def _listings(self) -> dict[str, dict[str, str]]:
        return {}
