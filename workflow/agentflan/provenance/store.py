"""The store of records: a folder of small files, each written once under a name of its own. No locks, no index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentflan.errors import FileError
from agentflan.files import atomic_write
from agentflan.provenance.hashing import Hasher, absolute

FOLDER = ".provenance"
RESULTS = "results"
_DIGITS = 16  # of a record's hash in its name


@dataclass(frozen=True)
class Record:
    """A record as it lies in the store.

    Attributes:
        path: its file.
        sha256: of its bytes.
        content: the JSON object; {} if it is broken.
        genuine: its bytes have the hash that its name tells.
    """

    path: Path
    sha256: str
    content: dict[str, Any]
    genuine: bool


@dataclass(frozen=True)
class Store:
    """The records of one tree of results.

    Attributes:
        folder: the ``.provenance`` folder.
    """

    folder: Path

    @property
    def root(self) -> Path:
        """The folder that the paths in records are relative to: the one that holds ``results``."""
        return self.folder.parent.parent if self.folder.parent.name == RESULTS else self.folder.parent

    def relative(self, path: Path | str) -> str:
        """A path as records write it: relative to `root` where it lies below, else absolute."""
        path = absolute(path)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def hasher(self, full: bool = False) -> Hasher:
        """A hasher that remembers large files in this store."""
        return Hasher(self.folder / "hashes", full)

    def start(self, attempt: str, content: dict[str, Any]) -> None:
        """Leave a note that a job has started; it stays if the job is killed."""
        _write(self.folder / "started" / f"{attempt}.json", _dump(content))

    def finish(self, attempt: str, content: dict[str, Any]) -> Path:
        """Write a job's record, then take the note of its start away."""
        data = _dump(content)
        path = self.folder / "records" / f"{attempt}.{hashlib.sha256(data).hexdigest()[:_DIGITS]}.json"
        _write(path, data)
        (self.folder / "started" / f"{attempt}.json").unlink(missing_ok=True)
        return path

    def put(self, data: bytes) -> str:
        """Keep an object under its SHA-256, which is returned."""
        name = hashlib.sha256(data).hexdigest()
        path = self.folder / "objects" / name
        if not path.exists():
            _write(path, data)
        return name

    def put_json(self, value: Any) -> str:
        """Keep a JSON value as an object."""
        return self.put(_dump(value))

    def get(self, name: str) -> bytes:
        """An object's bytes.

        Raises:
            FileError: it is missing, or its bytes are not those that its name tells.
        """
        path = self.folder / "objects" / name
        try:
            data = path.read_bytes()
        except OSError:
            raise FileError(path, "no such object", "what a record refers to") from None
        if hashlib.sha256(data).hexdigest() != name:
            raise FileError(path, "bytes of another hash", f"SHA-256 {name}")
        return data

    def records(self) -> Iterator[Record]:
        """All records of finished jobs, oldest first."""
        for path in sorted((self.folder / "records").glob("*.json")):
            yield read_record(path)

    def started(self) -> list[Record]:
        """Jobs that run now, or were killed."""
        paths = sorted((self.folder / "started").glob("*.json"))
        return [Record(path, "", _load(path.read_bytes()), True) for path in paths]


def store_for(path: Path | str) -> Store:
    """The store of an artefact: in the nearest folder above that has one or is called ``results``, else beside."""
    path = absolute(path)
    for folder in (path, *path.parents):
        if folder.name == RESULTS or (folder / FOLDER).is_dir():
            return Store(folder / FOLDER)
    return Store(path.parent / FOLDER)


def read_record(path: Path) -> Record:
    """Read and check one record; a broken one is not genuine."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    content = _load(data)
    genuine = bool(content) and path.name == f"{content.get('attempt')}.{digest[:_DIGITS]}.json"
    return Record(path, digest, content, genuine)


def _dump(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _load(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _write(path: Path, data: bytes) -> None:
    with atomic_write(path, "wb") as handle:
        handle.write(data)
