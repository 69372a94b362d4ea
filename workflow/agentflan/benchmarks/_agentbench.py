"""What the held-in tasks of AgentBench share, as AgentTuning plays them: a dialogue that starts with the instruction.

Upstream's instructions and demonstrations are other people's text: they are read from the harness's own files beside
the tasks (`agentflan.datasets._harness`), or from a ``prompt.json``, which stands before these (``{"instruction": …,
"acknowledgement": …, "demonstration": [user, assistant, …]}``, and texts of the single benchmark). Without them a short
wording of ours is used, and the score says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan.benchmarks._protocol import Request, Settings
from agentflan.datasets import _harness, _records
from agentflan.errors import ConfigError, RecordError

DEFAULTS: Settings = {
    "max_new_tokens": 128,  # of one reply, in all tasks
    "max_prompt_tokens": 4096 - 128,  # of a dialogue, the last ones, as upstream's server cuts them
    "max_segments": 3500,  # of the whole dialogue; see `count_segments`
}
OWN_WORDING = "our own wording, no demonstration"

_SHAPES: dict[type, Any] = {str: str, list: [str], dict: {str: [str]}}  # of a text, by the kind of our own
_WORD_PIECE = 7
_SEGMENT = re.compile(rf"[^\W\d_]{{1,{_WORD_PIECE}}}|[^ \n]")

Message = tuple[str, str]  # role, content
Prompt = dict[str, Any]


def read_prompt(folder: Path, own: Prompt) -> Prompt:
    """The texts that an episode begins with, and under "source" where they come from.

    Args:
        folder: the benchmark's raw folder.
        own: our own wording; `prompt.json`, else the harness's files, replace what they name.

    Raises:
        FileError: a file of the harness has another form, or `prompt.json` is damaged.
        RecordError: a text that the benchmark does not know, or of another shape; a demonstration that ends in a
            user's turn, which no reply would follow.
    """
    path = folder / "prompt.json"
    if not path.exists():
        return own | (_harness.read_prompt(folder) or {"source": OWN_WORDING})
    found = _records.read_prompt(folder, {name: _SHAPES[type(text)] for name, text in own.items()})
    turns = len(found.get("demonstration", []))
    if turns % 2:
        raise RecordError(path, 1, "demonstration", f"{turns} turns", "an even number: user, assistant, …")
    return own | found | {"source": path.name}


def opening(prompt: Prompt) -> list[Message]:
    """The turns before the task: the instruction, its acknowledgement, the demonstration."""
    return dialogue([prompt["instruction"], prompt["acknowledgement"], *prompt["demonstration"]])


def dialogue(texts: Sequence[str]) -> list[Message]:
    """Turns of the user and the agent by turns."""
    return [(("user", "assistant")[index % 2], text) for index, text in enumerate(texts)]


def count_segments(text: str) -> int:
    """The harness's measure of length: runs of letters by sevens, and every other character but spaces and newlines."""
    return len(_SEGMENT.findall(text))


def prune(messages: Sequence[Message], limit: int) -> list[Message]:
    """The first message and the newest ones that fit; the first one says how many are left out.

    Returns:
        No messages if not even the newest one fits. (Upstream sends the first one alone then; here the episode ends.)
    """
    start, segments = len(messages), count_segments(messages[0][1])
    while start > 1 and (segments := segments + count_segments(messages[start - 1][1])) < limit:
        start -= 1
    if start < len(messages) and messages[start][0] == "user":
        start += 1
    if start == len(messages) > 1:
        return []
    role, instruction = messages[0]
    notice = f"\n\n[NOTICE] {start - 1} messages are omitted." if start > 1 else ""
    return [(role, instruction + notice), *messages[start:]]


def ask(messages: Sequence[Message], settings: Settings) -> Request | None:
    """The request for the next reply; None if the dialogue has grown too long."""
    shown = prune(messages, settings["max_segments"])
    limits = {key: settings[key] for key in ("max_new_tokens", "max_prompt_tokens")}
    return Request(messages=tuple(shown), **limits) if shown else None


def check_environment(name: str, settings: Settings, known: Sequence[str]) -> None:
    """Refuse an environment that the benchmark does not have.

    Raises:
        ConfigError: it is none of the known ones.
    """
    if settings["environment"] not in known:
        found = settings["environment"]
        raise ConfigError([f"settings of {name}: key environment: found {found!r}; expected {' or '.join(known)}"])
