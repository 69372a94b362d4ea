"""Files: atomic writes, JSON lines, hashes. Nothing half-written is ever seen under its final name."""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import orjson

from agentflan.errors import FileError, RecordError

_CHUNK = 1 << 20
_CUT_OFF = (EOFError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error)  # what damaged bytes raise

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what writing raises, without a name


@contextmanager
def atomic_write(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; give it its name only when the block ends without an error.

    Args:
        path: the final name; its folder is made.
        mode: "w" (UTF-8 text, "\\n" line ends) or "wb".

    Raises:
        OSError: it cannot be written; the error's `filename` is `path` or a folder above it.
    """
    path = Path(path)
    if path.is_dir():  # said before the block works for what could not be kept
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")  # other machines have the same process ids
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(temporary, mode, **text) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # it may never have been made
            temporary.unlink()
        if isinstance(error, OSError) and (
            error.filename == str(temporary) or (error.filename is None and error.errno in _FULL)
        ):
            error.filename, error.filename2 = str(path), None  # the name that the user knows
        raise


def write_text(path: Path | str, text: str) -> None:
    """Write a whole text file at once."""
    with atomic_write(path) as handle:
        handle.write(text)


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON, keys in the order given, a newline at the end."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a whole JSON file (``.gz`` too).

    Raises:
        FileError: the file is missing or is not JSON.
    """
    path = Path(path)
    try:
        with _open_text(path) as handle:
            return json.load(handle)
    except FileNotFoundError:
        raise FileError(path, "no such file", "a JSON file") from None
    except (ValueError, RecursionError, *_CUT_OFF) as error:  # also of numbers and nestings without end
        raise FileError(path, f"broken JSON ({error})", "a whole JSON document", "Is the file cut off?") from None


def write_jsonl(path: Path | str, rows: Iterable[dict[str, Any]]) -> int:
    """Write one compact JSON object a line and return how many."""
    count = 0
    with atomic_write(path) as handle:
        for row in rows:
            handle.write(dump_line(row))
            count += 1
    return count


def dump_line(row: dict[str, Any]) -> str:
    """One JSON object as a line, the same bytes for the same object."""
    try:
        return orjson.dumps(row).decode() + "\n"
    except TypeError:  # what orjson does not know, such as an integer over 64 bits
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def read_jsonl(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file (``.gz`` too), one at a time.

    Raises:
        FileError: no such file, or its bytes are damaged or cut off.
        RecordError: a line is not a JSON object; the line is named.
    """
    path = Path(path)
    try:
        handle = _open_text(path)
    except FileNotFoundError:
        raise FileError(path, "no such file", "a JSON-lines file") from None
    with handle:
        for number, line in enumerate(_lines(handle, path), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:  # also of numbers and nestings without end
                raise RecordError(
                    path, number, "", f"a line that is not JSON ({error})", "one JSON object a line"
                ) from None
            if not isinstance(row, dict):
                raise RecordError(path, number, "", f"a JSON {type(row).__name__}", "a JSON object")
            yield row


def write_csv(path: Path | str, rows: Sequence[dict[str, Any]]) -> None:
    """Write objects with the same keys as lines below a line of the keys."""
    with atomic_write(path) as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _lines(handle: IO[str], path: Path) -> Iterator[str]:
    try:
        yield from handle
    except _CUT_OFF as error:
        raise FileError(path, f"damaged bytes ({error})", "a whole JSON-lines file", "Is the file cut off?") from None


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")
