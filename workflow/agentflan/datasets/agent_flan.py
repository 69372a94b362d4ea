"""The released Agent-FLAN dataset: seven JSON-lines files with different keys, so each is read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets._source import Source, SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_jsonl
from agentflan.records import ROLES, Trajectory, Turn

KIND = "released"
_STREAMS = {
    "agent_instruct_react": "react",
    "agent_instruct_tflan": "chat",
    "toolbench_instruct_j1s1_3k": "instruction",
    "toolbench_negative": "negative",
    "toolbench_react_10p": "react",
    "toolbench_tflan_60p_r10r5u7": "chat",
    "toolbench_tflan_cot_30p": "cot",
}
_SHA256 = {
    "toolbench_react_10p": "25a13e3baec935a3a8dbe82a9acabd38c544e9abf70bb7b5972bb4048d6d06c0",
    "toolbench_tflan_60p_r10r5u7": "99f9995a4f0e95e2c5d32c8a521dad634c4ac72a4ef45a945d0f7e3454b2ff7d",
    "toolbench_tflan_cot_30p": "20063a8e94f56483b5bdc64a2d3fe8a585e74e5d916338ae312067c4fb9bddcc",
}
SOURCE = Source(
    licence="Apache-2.0",
    repo="internlm/Agent-FLAN",
    revision="8b25999e795a58b264fcb51e8746edb2faee9161",
    files=tuple(SourceFile(f"data/{name}.jsonl", _SHA256.get(name)) for name in _STREAMS),
    rows=34_442,
)


def read(folder: Path) -> Iterator[Trajectory]:
    """Conversations with the stream that the file's name tells; `loss` may be a truth value or a number, or absent."""
    paths = sorted(folder.rglob("*.jsonl"))
    if not paths:
        raise FileError(folder, "no JSON-lines file", ", ".join(_STREAMS))
    for path in paths:
        for number, row in enumerate(read_jsonl(path), 1):
            yield _conversation(row, path, number)


def _conversation(row: dict[str, Any], path: Path, number: int) -> Trajectory:
    name = "conversation" if "conversation" in row else "conversations"
    turns = row.get(name)
    if not isinstance(turns, list):
        raise RecordError(path, number, name, type(turns).__name__, "a list of turns")
    made = tuple(_turn(turn, path, number, f"{name}[{index}]") for index, turn in enumerate(turns))
    identity = str(row.get("id", f"{path.stem}_{number}"))
    return Trajectory(identity, "agent_flan", made, _STREAMS.get(path.stem, ""))


def _turn(turn: Any, path: Path, number: int, place: str) -> Turn:
    if not isinstance(turn, dict) or turn.get("role") not in ROLES:
        raise RecordError(path, number, f"{place}.role", repr(turn)[:60], f"one of {', '.join(ROLES)}")
    if not isinstance(turn.get("content"), str):
        raise RecordError(path, number, f"{place}.content", type(turn.get("content")).__name__, "a string")
    is_reply = turn["role"] == "assistant"
    return Turn(turn["role"], turn["content"], is_reply and bool(turn.get("loss", True)))
