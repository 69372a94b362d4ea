"""Export: a training set in the schema of the released Agent-FLAN dataset.

The released names tell what is in the files, and so do ours: `toolbench_tflan_60p_r10r5u7` holds 60 % of the ToolBench
trajectories, and of these dialogues 10, 5 and 7 tenths train reasoning, retrieval and understanding. All shares are
counted in the training set itself.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agentflan.files import atomic_write, dump_line
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING, Trajectory, read_trajectories

_LETTERS = {REASONING: "r", RETRIEVAL: "r", UNDERSTANDING: "u"}  # as in r10r5u7


def export(path: Path, folder: Path) -> dict[str, int]:
    """Write the seven files, without those that would be empty, because `datasets` cannot read them.

    General conversation is not part of the release and is left out. The trajectories of other corpora than ToolBench go
    with those of AgentInstruct; the release has a single file of pairs, of negatives and of thought-and-call.

    Args:
        path: a training set; it is read twice, so that it need not fit in memory.
        folder: where the files go.

    Returns:
        Conversations by file name.
    """
    names = file_names(path)
    counts = dict.fromkeys(names.values(), 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context(atomic_write(folder / name)) for name in counts}
        for conversation in read_trajectories(path):
            name = names.get(_part(conversation))
            if name:
                files[name].write(dump_line(_row(conversation)))
                counts[name] += 1
    return counts


def file_names(path: Path) -> dict[tuple[str, str], str]:
    """The names of the files that a training set needs, by corpus and stream."""
    parts: Counter[tuple[str, str]] = Counter()
    forms: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    for conversation in read_trajectories(path):
        parts[_part(conversation)] += 1
        if conversation.dataset == "toolbench":
            forms[conversation.stream] += 1
            trained.update(_trained(conversation))
    names = {
        ("agent_instruct", "react"): "agent_instruct_react",
        ("agent_instruct", "chat"): "agent_instruct_tflan",
        ("toolbench", "instruction"): f"toolbench_instruct_j1s1_{_thousands(parts['toolbench', 'instruction'])}",
        ("toolbench", "negative"): "toolbench_negative",
        ("toolbench", "react"): f"toolbench_react_{_percent(forms, 'react')}",
        ("toolbench", "chat"): f"toolbench_tflan_{_percent(forms, 'chat')}_{_weights(trained, forms['chat'])}",
        ("toolbench", "cot"): f"toolbench_tflan_cot_{_percent(forms, 'cot')}",
    }
    return {part: f"{name}.jsonl" for part, name in names.items() if parts[part]}


def _part(conversation: Trajectory) -> tuple[str, str]:
    together = conversation.stream in ("instruction", "negative", "cot") or conversation.dataset == "toolbench"
    return "toolbench" if together else "agent_instruct", conversation.stream


def _trained(conversation: Trajectory) -> set[str]:
    """The capabilities that a dialogue trains."""
    if conversation.stream != "chat":
        return set()
    return {span.capability for turn in conversation.turns if turn.loss for span in turn.spans}


def _thousands(count: int) -> str:
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)


def _percent(forms: Counter[str], stream: str) -> str:
    trajectories = sum(forms[form] for form in ("chat", "react", "cot"))
    return f"{round(100 * forms[stream] / max(trajectories, 1))}p"


def _weights(trained: Counter[str], dialogues: int) -> str:
    """Tenths to the nearest half, so that a drawn share of 0.2489 reads 2.5."""
    shares = {view: round(20 * trained[view] / max(dialogues, 1)) / 2 for view in _LETTERS}
    return "".join(f"{letter}{shares[view]:g}" for view, letter in _LETTERS.items())


def _row(conversation: Trajectory) -> dict[str, Any]:
    turns = [{"role": turn.role, "content": turn.content, "loss": turn.loss} for turn in conversation.turns]
    return {"conversation": turns, "id": f"{conversation.dataset}/{conversation.id}"}
