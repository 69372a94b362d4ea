"""AgentBench's 144 OS tasks: what to do on a Linux machine, how to prepare it, and scripts that check the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
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


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Tasks with id, group, image, description, init, start, match, check and example.

    A script is ``[language, code]``; ``None`` in `check` stands for the example. `match` holds "answer" (and "strip")
    or "regex"; a task has `match` or `check`, the other is None.
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

    def task(self, row: dict[str, Any]) -> dict[str, Any]:
        """The task of a row."""
        made, evaluation = row.get("create"), row.get("evaluation")
        made = made if isinstance(made, dict) else {}  # upstream has one list; its harness takes no notice of it
        description = row.get("description")
        if not isinstance(description, str):
            raise self._error("description", type(description).__name__, "a string")
        if not isinstance(evaluation, dict) or not {"match", "check"} & set(evaluation):
            raise self._error("evaluation", repr(evaluation)[:80], "an object with match or check")
        match = evaluation.get("match")
        return {
            "id": f"os_{self._group}_{self._path.stem}_{self._number}",
            "group": self._group,
            "image": made.get("local", "default"),
            "description": description,
            "init": [self._script(script, "create.init") for script in _listed(made.get("init"))],
            "start": self._script(row["start"], "start")[1] if "start" in row else None,
            "match": {"answer": match, "strip": True} if isinstance(match, str) else match,
            "check": None if match is not None else self._checks(evaluation["check"]),
            "example": self._script(evaluation["example"], "evaluation.example") if "example" in evaluation else None,
        }

    def _checks(self, scripts: Any) -> list[list[str] | None]:
        listed = scripts if isinstance(scripts, list) else [scripts]
        return [None if script is None else self._script(script, "evaluation.check") for script in listed]

    def _script(self, script: Any, field: str) -> list[str]:
        if isinstance(script, str):
            return ["bash", script]
        if not isinstance(script, dict) or not {"file", "code"} & set(script):
            raise self._error(field, repr(script)[:80], "a text, or an object with file or code")
        language = script.get("language", "bash")
        if language not in LANGUAGES:
            raise self._error(f"{field}.language", repr(language), " or ".join(LANGUAGES))
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
