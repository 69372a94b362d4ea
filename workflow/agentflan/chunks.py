"""The finished chunks of a long run, in a file beside its output: a run that was killed goes on behind them.

The first line tells what the rows depend on. Each chunk is its rows and a line with its number and their SHA-256; one
that was cut off or changed is done again, and so are those behind it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan.files import atomic_write, dump_line

Row = dict[str, Any]


class Chunks:
    """The chunks of one run, to be used with `with`.

    Args:
        path: the file.
        identity: what the rows depend on; chunks of another one are not used.
        sizes: how many rows each chunk of the whole run has.

    Attributes:
        done: how many chunks are finished.
        rows: theirs.
    """

    def __init__(self, path: Path, identity: str, sizes: Sequence[int]) -> None:
        self.done, self.rows = 0, []
        self._path, head = path, dump_line({"identity": identity}).encode()
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        place = 1
        while lines[:1] == [head] and self.done < len(sizes):
            end = place + sizes[self.done]
            if lines[end : end + 1] != [_seal(self.done, lines[place:end])]:
                break
            self.rows += map(json.loads, lines[place:end])
            self.done, place = self.done + 1, end + 1
        with atomic_write(path, "wb") as handle:
            handle.writelines(lines[:place] if self.done else [head])
        self._handle = path.open("ab")

    def __enter__(self) -> Chunks:
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Keep a finished chunk; it is on the disk when this returns."""
        lines = [dump_line(row).encode() for row in rows]
        self._handle.writelines([*lines, _seal(self.done, lines)])
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self.done += 1
        self.rows += rows

    def remove(self) -> None:
        """Remove the file: the output is written."""
        self._path.unlink(missing_ok=True)


def _seal(chunk: int, lines: Sequence[bytes]) -> bytes:
    return dump_line({"chunk": chunk, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}).encode()
