"""Which files below some folders this process opens: for folders that several steps share.

Python's audit events tell; files that a library opens past Python are not seen, so whole inputs are declared as such.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agentflan.provenance.hashing import absolute


class OpenedFiles:
    """Watches folders (or, for a stem ``results/figure1``, the files ``results/figure1.*``)."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._prefixes = tuple(f"{absolute(folder)}{sign}" for folder in folders for sign in "/.")
        self._read: set[str] = set()
        self._written: set[str] = set()
        self._watching = False

    def watch(self) -> None:
        """Begin, if there is anything to watch: a hook cannot be taken off again, so none is set without need."""
        if self._prefixes:
            self._watching = True
            sys.addaudithook(self._hear)

    def stop(self) -> tuple[list[Path], list[Path]]:
        """End, and return the files that were read, and those that were written and are there."""
        self._watching = False
        written = sorted(path for path in map(Path, self._written) if path.is_file())
        return sorted(map(Path, self._read)), written

    def _hear(self, event: str, details: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, _, flags = details
            if isinstance(path, str | bytes | os.PathLike):
                writes = flags & (os.O_WRONLY | os.O_RDWR)
                self._note(path, self._written if writes else self._read)
        elif event == "os.rename":
            self._note(details[1], self._written)

    def _note(self, path: Any, seen: set[str]) -> None:
        name = str(absolute(os.fsdecode(path)))
        if name.startswith(self._prefixes):
            seen.add(name)
