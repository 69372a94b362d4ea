"""Episodes of the real simulator for tiny models: easy tasks, variations of their training split.

Tasks that the simulator's own solution solves through the harness's mapping of actions, and luck alone does not. The
solution of `power-component` takes eleven actions, that of the others up to sixty.
"""

from __future__ import annotations

from typing import Any

_SETS = {
    "easy": (
        "power-component",
        "test-conductivity",
        "test-conductivity-of-unknown-substances",
        "inclined-plane-friction-named-surfaces",
        "inclined-plane-determine-angle",
    ),
    "short": ("power-component",),
}


def episodes(count: int) -> list[dict[str, Any]]:
    """The first variations of each task of each set; the training splits hold at least ten."""
    return [
        {"id": f"{task}_{variation}", "set": name, "task": task, "variation": variation}
        for name, tasks in _SETS.items()
        for task in tasks
        for variation in range(count)
    ]
