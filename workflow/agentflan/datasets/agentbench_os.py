"""AgentBench's 144 OS tasks: what to do on a Linux machine, how to prepare it, and scripts that check the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import check, maybe
from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json

KIND = "tasks"
_TASKS = {  # group → its task files
    "1": "stock",
    "2": "environment",
    "3": "ac",
    "4": "N11 N225 N37 N4 N41 Q09 Q19 Q30 Q47 Q49",
    "5": "new",
    "6": "new",
    "7": "bootstrap",
}
_SCRIPTS = {  # group → what its tasks refer to
    "1": "check/integer-match.py check/string-match.py init/stock-log.sh",
    "2": "check/integer-match.py check/string-match.py init/nested_folders.sh",
    "3": "check/integer-match.py check/string-match.py",
    "4": "check/integer-match.py check/string-match.py",
    "5": "check/integer-match.py check/size-match.py checking/0.sh checking/1.sh checking/2.sh "
    "example/0.sh example/1.sh example/2.sh",
    "7": "check/integer-match.py",
}
SOURCE = Source(
    licence="Apache-2.0",
    url="https://raw.githubusercontent.com/THUDM/AgentBench/41e6807349f741e06428fae3e9e4d334e7002362"  # branch v0.2
    "/data/os_interaction",
    files=(
        *(SourceFile(f"data/{group}/{name}.json") for group, names in _TASKS.items() for name in names.split()),
        *(
            SourceFile(f"scripts/{group}/{name}", optional=True)
            for group, names in _SCRIPTS.items()
            for name in names.split()
        ),
        _harness.OS,
    ),
    rows=144,
)
OPTIONAL_FILES = ("prompt.json",)  # another instruction and demonstration than the harness's
LANGUAGES = ("bash", "python")


def _script(value: Any) -> Any:
    """What a script must be: a text, or an object with file or code."""
    return str if isinstance(value, str) else {"language?": set(LANGUAGES), "code?": str, "file?": str}


def _scripts(value: Any) -> Any:
    """What one script or a list of them must be; in a list, null stands for the example."""
    return [maybe(_script)] if isinstance(value, list) else maybe(_script)


def _match(value: Any) -> Any:
    """What the answer that is wanted must be: a text, or an object with answer or regex."""
    return str if isinstance(value, str) else {"answer?": str, "strip?": bool, "regex?": str}


def _create(value: Any) -> Any:
    """What prepares a machine. Upstream has one list; its harness takes no notice of it."""
    return object if isinstance(value, list) else maybe({"local?": str, "init?": _scripts})


_TASK = {
    "description": str,
    "create?": _create,
    "start?": _script,
    "evaluation": {"match?": maybe(_match), "check?": _scripts, "example?": _script},
}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks with id, group, image, description, init, start, match, check and example.

    A script is ``[language, code]``; ``None`` in `check` stands for the example. `match` holds "answer" (and "strip")
    or "regex"; a task has `match` or `check`, the other is None.

    Raises:
        FileError: there is no file of tasks, or a script that a task refers to is missing.
        RecordError: a field is missing or of another shape, or nothing tells whether the task is done.
    """
    paths = sorted(folder.glob("data/*/*.json"))
    if not paths:
        raise FileError(folder, "no data/<group>/*.json", "the task files of AgentBench's OS interaction")
    for path in paths:
        rows = read_json(path)
        for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
            yield _Reader(folder, path, number).task(row)


class _Reader:
    """Reads one task; scripts are looked up in the folder of its group."""

    def __init__(self, folder: Path, path: Path, number: int) -> None:
        self._group, self._path, self._number = path.parent.name, path, number
        self._scripts = folder / "scripts" / self._group

    def task(self, row: Any) -> dict[str, Any]:
        """The task of a row."""
        check(row, _TASK, self._path, self._number + 1)
        made, evaluation = row.get("create"), row["evaluation"]
        made = made if isinstance(made, dict) else {}
        match = evaluation.get("match")
        if match is None and "check" not in evaluation:
            raise self._error("evaluation", repr(evaluation)[:80], "an object with match or check")
        if isinstance(match, dict):
            self._check_match(match)
        return {
            "id": f"os_{self._group}_{self._path.stem}_{self._number}",
            "group": self._group,
            "image": made.get("local", "default"),
            "description": row["description"],
            "init": [self._script(script, "create.init") for script in _listed(made.get("init"))],
            "start": self._script(row["start"], "start")[1] if "start" in row else None,
            "match": {"answer": match, "strip": True} if isinstance(match, str) else match,
            "check": None if match is not None else self._checks(evaluation),
            "example": self._script(evaluation["example"], "evaluation.example") if "example" in evaluation else None,
        }

    def _check_match(self, match: dict[str, Any]) -> None:
        if not {"answer", "regex"} & set(match):
            raise self._error("evaluation.match", repr(match)[:80], "a text, or an object with answer or regex")
        try:
            re.compile(match.get("regex", ""))
        except re.error as error:
            raise self._error("evaluation.match.regex", f"a broken pattern ({error})", "a pattern of Python") from None

    def _checks(self, evaluation: dict[str, Any]) -> list[list[str] | None]:
        scripts = evaluation["check"]
        listed = scripts if isinstance(scripts, list) else [scripts]
        if None in listed and "example" not in evaluation:
            raise self._error("evaluation.example", "nothing", "the script that null stands for in check")
        return [None if script is None else self._script(script, "evaluation.check") for script in listed]

    def _script(self, script: Any, field: str) -> list[str]:
        if isinstance(script, str):
            return ["bash", script]
        if not isinstance(script, dict) or not {"file", "code"} & set(script):
            raise self._error(field, repr(script)[:80], "a text, or an object with file or code")
        language = script.get("language", "bash")
        if "file" not in script:
            return [language, script["code"]]
        path = self._scripts / script["file"]
        if not path.is_file():
            raise FileError(path, "no such file", f"the script that {self._path.name} refers to")
        return [language, path.read_text(encoding="utf-8")]

    def _error(self, field: str, found: str, expected: str) -> RecordError:
        return RecordError(self._path, self._number + 1, field, found, expected)


def _listed(scripts: Any) -> list[Any]:
    return scripts if isinstance(scripts, list) else [] if scripts is None else [scripts]
