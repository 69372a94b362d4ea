"""The errors that a user can meet. Each message says where, what was found, what was expected and what to do."""

from __future__ import annotations

from pathlib import Path


class AgentFlanError(Exception):
    """Base of every error that the command line prints as one sentence, with its exit code."""

    exit_code = 1


class RecordError(AgentFlanError):
    """A record of a data file is broken.

    Args:
        path: the file.
        record: number of the record in the file (from 1), its id, or both.
        field: the field inside the record, dotted (``conversations[3].value``); "" for the whole record.
        found: what stands there.
        expected: what should stand there.
    """

    def __init__(self, path: Path | str, record: int | str, field: str, found: str, expected: str) -> None:
        self.path, self.record, self.field = str(path), str(record), field
        place = f"{path}: record {record}" + (f", field {field}" if field else "")
        super().__init__(f"{place}: found {found}; expected {expected}")


class FileError(AgentFlanError):
    """A file is missing, truncated, or has other bytes than it should."""

    def __init__(self, path: Path | str, found: str, expected: str, advice: str = "") -> None:
        self.path = str(path)
        super().__init__(f"{path}: found {found}; expected {expected}" + (f". {advice}" if advice else ""))


class ConfigError(AgentFlanError):
    """One or more configuration keys are wrong; all of them are listed.

    Args:
        problems: one line each: file, key path, value found, what was expected, nearest valid name.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class NotAvailable(AgentFlanError):
    """Something outside this program is missing (a key, a package, a server): the caller may write "not run"."""


class SandboxUnavailable(NotAvailable):
    """No sandbox can be made on this host: nothing that a model wrote is run without one."""
