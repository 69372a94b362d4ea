"""Export: a training set in the schema and the file names of the released Agent-FLAN dataset."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agentflan.files import write_jsonl
from agentflan.records import Trajectory

# The released names tell shares and counts of the release; the middle part of ours stays, so that readers find them.
FILES = {
    ("agent_instruct", "react"): "agent_instruct_react",
    ("agent_instruct", "chat"): "agent_instruct_tflan",
    ("toolbench", "instruction"): "toolbench_instruct_j1s1",
    ("toolbench", "negative"): "toolbench_negative",
    ("toolbench", "react"): "toolbench_react",
    ("toolbench", "chat"): "toolbench_tflan",
    ("toolbench", "cot"): "toolbench_tflan_cot",
}


def export(conversations: Iterable[Trajectory], folder: Path) -> dict[str, int]:
    """Write the seven files; general conversation is not part of the release and is left out.

    Returns:
        Conversations by file name.
    """
    rows: dict[str, list[dict[str, Any]]] = {f"{name}.jsonl": [] for name in FILES.values()}
    for conversation in conversations:
        name = _file(conversation)
        if name:
            rows[name].append(_row(conversation))
    return {name: write_jsonl(folder / name, found) for name, found in rows.items()}


def _file(conversation: Trajectory) -> str | None:
    """Where a conversation belongs; the release has one file of pairs, of negatives and of thought-and-call."""
    if conversation.stream in ("instruction", "negative", "cot"):
        group = "toolbench"
    else:
        group = "toolbench" if conversation.dataset == "toolbench" else "agent_instruct"
    name = FILES.get((group, conversation.stream))
    return f"{name}.jsonl" if name else None


def _row(conversation: Trajectory) -> dict[str, Any]:
    turns = [{"role": turn.role, "content": turn.content, "loss": turn.loss} for turn in conversation.turns]
    return {"conversation": turns, "id": f"{conversation.dataset}/{conversation.id}"}
