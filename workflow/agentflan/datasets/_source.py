"""Where a dataset comes from: pinned files with their hashes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceFile:
    """One upstream file.

    Attributes:
        name: path inside the source, kept under ``raw/<dataset>/``.
        sha256: hex digest, or None where upstream publishes none that could be checked.
        size: bytes, or None.
        optional: whether a folder that is given in place of the source may lack it.
        url: base address of a file that lies elsewhere than its source, or "". A folder that is given may lack it: it
            is fetched from here then.
    """

    name: str
    sha256: str | None = None
    size: int | None = None
    optional: bool = False
    url: str = ""


@dataclass(frozen=True)
class Source:
    """The pinned origin of a dataset.

    Attributes:
        repo: hub dataset id (``owner/name``), or "" when `url` is used.
        revision: full commit of the hub repository.
        url: base address of files outside the hub, or "".
        licence: as declared upstream; "none declared" is a fact too.
        files: the files that are read, nothing else; none where a package of the lock holds the tasks.
        rows: records expected over all files, or None where unknown.
    """

    licence: str
    files: tuple[SourceFile, ...]
    repo: str = ""
    revision: str = ""
    url: str = ""
    rows: int | None = None
