"""ScienceWorld's episodes: a task of the simulator and one of its variations. The simulator brings everything else.

Without a file they are AgentTuning's 270: of each task's test split at most ten, shuffled with seed 1. Otherwise
``episodes.jsonl`` lists them, one a line: ``{"id", "set", "task", "variation"}``. AgentTuning's instruction and its
demonstrations are fetched beside them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentflan.datasets import _harness
from agentflan.datasets._records import read_object, records
from agentflan.datasets._source import Source
from agentflan.errors import RecordError

KIND = "tasks"
SOURCE = Source(  # the episodes are those of the package `scienceworld`
    licence="Apache-2.0 (simulator); none declared for AgentTuning's texts",
    files=(_harness.SCIWORLD, _harness.SCIWORLD_SHOWN),
    rows=270,
)
OPTIONAL_FILES = ("episodes.jsonl", "prompt.json")
PROTOCOL_SET = "agenttuning"

_AT_MOST, _FEWER = 10, {25: 5, 15: 9}  # variations of a task, by its number
# The tasks in the simulator's order, each with the first and the number of its test variations.
TEST_SPLITS = {
    "boil": (21, 9),
    "change-the-state-of-matter-of": (21, 9),
    "chemistry-mix": (24, 8),
    "chemistry-mix-paint-secondary-color": (27, 9),
    "chemistry-mix-paint-tertiary-color": (27, 9),
    "find-animal": (225, 75),
    "find-living-thing": (225, 75),
    "find-non-living-thing": (225, 75),
    "find-plant": (225, 75),
    "freeze": (21, 9),
    "grow-fruit": (93, 33),
    "grow-plant": (93, 33),
    "identify-life-stages-1": (9, 5),
    "identify-life-stages-2": (6, 4),
    "inclined-plane-determine-angle": (126, 42),
    "inclined-plane-friction-named-surfaces": (1038, 348),
    "inclined-plane-friction-unnamed-surfaces": (120, 42),
    "lifespan-longest-lived": (93, 32),
    "lifespan-longest-lived-then-shortest-lived": (93, 32),
    "lifespan-shortest-lived": (93, 32),
    "measure-melting-point-known-substance": (327, 109),
    "measure-melting-point-unknown-substance": (225, 75),
    "melt": (21, 9),
    "mendelian-genetics-known-plant": (90, 30),
    "mendelian-genetics-unknown-plant": (360, 120),
    "power-component": (15, 5),
    "power-component-renewable-vs-nonrenewable-energy": (15, 5),
    "test-conductivity": (675, 225),
    "test-conductivity-of-unknown-substances": (450, 150),
    "use-thermometer": (405, 135),
}
_NUMBERS = {task: number for number, task in enumerate(TEST_SPLITS)}
_FIELDS = {"id": str, "set": str, "task": set(TEST_SPLITS), "variation": int}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, set, task, number of the task, and variation.

    Raises:
        RecordError: a field is missing or of another type, or no task of the simulator is named.
    """
    path = folder / "episodes.jsonl"
    listed = (row for _, _, row in records([path], _FIELDS, ("id",), distinct=False))  # sets may share episodes
    rows = listed if path.exists() else protocol_episodes()
    for row in rows:
        yield row | {"number": _NUMBERS[row["task"]]}


def read_prompt(folder: Path) -> dict[str, Any]:
    """What an episode begins with: "instruction", the turns of a dialogue by task number ("0" … "29"), and "source".

    From ``prompt.json``, else from AgentTuning's files; empty without them.

    Raises:
        FileError: AgentTuning's code has another form.
        RecordError: a dialogue is no list of texts that ends in the agent's turn.
    """
    own, code = folder / "prompt.json", folder / _harness.SCIWORLD.name
    if own.exists():
        return _dialogues(own) | {"source": own.name}
    if code.exists():
        shown = _dialogues(folder / _harness.SCIWORLD_SHOWN.name)
        return shown | {
            "instruction": _harness.Code(code).literal("INIT_PROMPT"),
            "source": _harness.SCIWORLD_SHOWN.name,
        }
    return {}


def protocol_episodes() -> Iterator[dict[str, Any]]:
    """AgentTuning's 270 episodes."""
    for task, (first, count) in TEST_SPLITS.items():
        variations = list(range(first, first + count))
        random.Random(1).shuffle(variations)
        for variation in variations[: _FEWER.get(_NUMBERS[task], _AT_MOST)]:
            yield {"id": f"{task}_{variation}", "set": PROTOCOL_SET, "task": task, "variation": variation}


def _dialogues(path: Path) -> dict[str, Any]:
    found = read_object(path, {})
    for key, turns in found.items():
        good = isinstance(turns, list) and all(isinstance(turn, str) for turn in turns) and len(turns) % 2 == 0
        if not good and not (key == "instruction" and isinstance(turns, str)):
            raise RecordError(path, 1, key, type(turns).__name__, "an even number of texts: user, assistant, …")
    return found
