"""Tasks in WebArena's form on a shop and a forum of our own, with the same browser, agent and evaluators.

It shows that all of that works, and stands in a column of its own: these pages are a hundred times smaller than
WebArena's, and a score here says nothing about a score there.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _web_agent, _web_judge, webarena
from agentflan.benchmarks._browser import visit
from agentflan.benchmarks._protocol import Episode, Request, Row, Settings, Task, draw
from agentflan.benchmarks._web_actions import Action
from agentflan.benchmarks._web_sites import serve

NAME = "webarena_embedded"
TITLE = "Own web sites"
DATA = "webarena_embedded"
PROTOCOL = (
    "tasks of our own on a shop and a forum of our own, not WebArena's, in Chromium, success rate, accessibility tree "
    "of the window, {max_steps} steps, fuzzy answers judged by {judge}, limit {limit}"
)
DEFAULTS: Settings = _web_agent.DEFAULTS | {
    "max_steps": 10,
    "temperature": 0.0,
    "judge": _web_judge.CONTAINMENT,
    "judge_api": {},
    "judge_prompt": None,
    "settle": 0.0,
    "action_seconds": 120.0,  # these sites always answer; a busy machine must not change a score
    "batch": 16,  # windows that are open at once
    "workers": 2,
}


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The tasks, at most `limit`, each with the sites' content.

    Raises:
        RecordError: a task names a function that is not known.
    """
    prompt = _web_agent.read_prompt(folder)
    tasks = list(datasets.load(DATA).read(folder))
    webarena.check_functions(tasks, folder)
    return draw([task | {"prompt": prompt} for task in tasks], settings["limit"], NAME, settings["seed"])


def episode(task: Task, settings: Settings) -> Episode:
    """Browse fresh sites until the agent stops or is stopped."""
    with serve(task["content"]) as hosts:
        return (yield from webarena.play(task, hosts, settings))


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The task's solution, with the ids that its elements have on the pages on the way.

    Raises:
        NotAvailable: there is no browser.
        BrowserDied: the browser ended.
    """
    parts = (task["id"], task["start_url"], task["solution"], task["content"])
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    if key not in _GOLD:
        _GOLD[key] = _follow(task, settings)
    return _GOLD[key]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any action with any element or words that were shown."""
    return _web_agent.random_reply(task, request, rng)


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The share of solved tasks, in percent; a broken episode counts 0."""
    return webarena.score(tasks, rows, settings)


_GOLD: dict[str, list[str]] = {}  # replies by task and content of the sites


def _follow(task: Task, settings: Settings) -> list[str]:
    """Play a solution, and note each of its steps as a reply."""
    replies = []
    with (
        serve(task["content"]) as hosts,
        visit(settings["browser"], hosts.allowed, _web_agent.limits(settings)) as window,
    ):
        _web_agent.start(task, window, hosts)
        for step in task["solution"]:
            elements = window.observe().elements
            wanted = step.get("on")
            number = next((n for n, element in elements.items() if wanted and element.text.startswith(wanted)), 0)
            action = Action(step["do"], number, step.get("text", ""), step.get("enter", False))
            replies.append(f"Go on. ```{action}```")
            window.act(action, elements.get(number))
    return replies
