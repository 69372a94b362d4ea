"""SHA-256 of files and folders at disk speed; large files only when they changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentflan.files import atomic_write

_NO_CONTENT = re.compile(r"\..*\.tmp|\.snakemake_timestamp")
REMEMBERED_SIZE = 16 << 20  # bytes; below it, reading is as quick as looking up


@dataclass(frozen=True)
class Hasher:
    """Hashes files; those over `REMEMBERED_SIZE` are remembered in one small file each, so no lock is needed.

    Attributes:
        folder: where hashes are remembered; None remembers nothing.
        full: read everything again.
    """

    folder: Path | None = None
    full: bool = False

    def file(self, path: Path) -> str:
        """SHA-256 of a file, in hex."""
        status = path.stat()
        if self.folder is None or status.st_size < REMEMBERED_SIZE:
            return file_sha256(path)
        memory = self.folder / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
        identity = identity_of(status)
        if not self.full and (known := _recall(memory, identity)):
            return known
        found = file_sha256(path)
        if identity_of(path.stat()) == identity:
            with atomic_write(memory) as handle:
                json.dump({"identity": identity, "sha256": found}, handle)
        return found

    def tree(self, folder: Path) -> dict[str, str]:
        """SHA-256 of every file of a folder by its path below it, in the order of the paths."""
        return {path.relative_to(folder).as_posix(): self.file(path) for path in files_below(folder)}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex; always read."""
    with path.open("rb", buffering=0) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def absolute(path: Path | str) -> Path:
    """The path from the root, with links as they are: results/ may be a link to another disk."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def identity_of(status: os.stat_result) -> list[int]:
    """What changes when a file is written to: size, modification and change time (ns), inode.

    The modification time can be set back by anybody, the change time cannot.
    """
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder sorted by path, without temporary files of a writer and Snakemake's time stamps."""
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    kept = (path for path in found if not _NO_CONTENT.fullmatch(path.name))
    return iter(sorted(kept, key=lambda path: path.relative_to(folder).as_posix()))


def listing(hashes: dict[str, str]) -> bytes:
    """A folder's files as `sha256sum` prints and checks them; the folder's hash is that of this text."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items())).encode()


def read_listing(text: bytes) -> dict[str, str]:
    """The inverse of `listing`."""
    lines = (line.split("  ", 1) for line in text.decode().splitlines())
    return {name: digest for digest, name in lines}


def _recall(memory: Path, identity: list[int]) -> str:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return ""
    return known["sha256"] if known.get("identity") == identity else ""
