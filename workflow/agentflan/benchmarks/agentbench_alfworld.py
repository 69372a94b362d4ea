"""ALFWorld (AgentBench, held-in): household tasks by text commands; the score is the share of tasks that are done.

`alfworld` plays the games of the package, which must be downloaded; `embedded` plays small households of our own, with
the same commands and kinds of tasks. A command that is not possible is taken for the most similar one that is. Upstream
drops games that raised an error from the denominator; here they count 0. Its demonstrations are one a category, under
the names that its file `alfworld_multiturn_react.json` gives them ("demonstrations" of a `prompt.json`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench, _textworld
from agentflan.benchmarks._bleu import most_similar
from agentflan.benchmarks._household import Household
from agentflan.benchmarks._protocol import (
    Episode,
    Request,
    Row,
    Settings,
    Task,
    count_outcomes,
    draw,
    errors_of,
    random_words,
)
from agentflan.errors import ConfigError
from agentflan.statistics import Group, estimate, percent

NAME = "agentbench_alfworld"
TITLE = "AlfWorld"
DATA = "agentbench_alfworld"
MEMORY_MB = 16_000  # ALFWorld leaks until it is restarted (AgentBench's README)
PROTOCOL = "AgentBench ALFWorld, success rate, {environment}, {max_steps} steps, limit {limit} a category"
ENVIRONMENTS = {"embedded": "our own households in place of ALFWorld's games", "alfworld": "ALFWorld's games"}
DEFAULTS: Settings = _agentbench.DEFAULTS | {
    "environment": "embedded",  # or alfworld
    "games": "",  # the folder that holds json_2.1.1; alfworld only
    "limit": None,  # games of each category
    "max_steps": 35,
}

_OWN_PROMPT = {
    "instruction": "You are in a household and have a task to do. Each turn, write what you think and one command:\n"
    "THOUGHT: what to do next\nACTION: one command\n"
    "or the ACTION alone. The commands are: go to, take … from, put … in/on, open, close, clean … with, heat … with, "
    "cool … with, use, examine, look, inventory. You are told what happens.",
    "acknowledgement": "OK. I'll follow your instructions and try my best to solve the task.",
    "demonstrations": {},
}
_DEMONSTRATIONS = {  # upstream's names
    "pick_and_place": "put",
    "pick_clean_then_place": "clean",
    "pick_heat_then_place": "heat",
    "pick_cool_then_place": "cool",
    "look_at_obj": "examine",
    "pick_two_obj": "puttwo",
}
_LEAST_SIMILAR = 0.01  # BLEU
_SAME = 3  # equal replies in a row that end an episode
_ACTION = re.compile(r"ACTION:(.*)")
_VERBS = ("go to", "take", "put", "open", "clean", "use", "examine")


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The games, at most `limit` of each category.

    Raises:
        ConfigError: no such environment, or it is not that of the games.
    """
    _agentbench.check_environment(NAME, settings, tuple(ENVIRONMENTS))
    prompt = _agentbench.read_prompt(folder, _OWN_PROMPT)
    by_category: dict[str, list[Task]] = {}
    for row in datasets.load(DATA).read(folder):
        if bool(row["household"]) != (settings["environment"] == "embedded"):
            needed = "alfworld" if settings["environment"] == "embedded" else "embedded"
            raise ConfigError([f"settings of {NAME}: key environment: the game {row['id']} needs {needed!r}"])
        by_category.setdefault(row["category"], []).append(row | {"prompt": prompt})
    return [
        task
        for category in by_category
        for task in draw(by_category[category], settings["limit"], NAME, category, settings["seed"])
    ]


def episode(task: Task, settings: Settings) -> Episode:
    """Do commands until the task is done, nothing changes any more, or the steps run out."""
    if task["household"]:
        return (yield from _play(task, Household(task["household"]), settings))
    with closing(_textworld.Game(Path(settings["games"]) / task["game"])) as game:
        return (yield from _play(task, game, settings))


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The solution that comes with the game."""
    game = Path(settings["games"]) / task["game"]
    commands = task["household"]["solution"] if task["household"] else _textworld.walkthrough(game)
    return [f"ACTION: {command}" for command in commands]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any verb with any words that were shown."""
    return f"ACTION: {rng.choice(_VERBS)} {random_words(request, rng, 2)}"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The share of the tasks that were done, in percent; a broken episode counts 0."""
    done = {row["id"]: float(row.get("prediction", False)) for row in rows}
    categories = dict.fromkeys(task["category"] for task in tasks)
    parts = {
        "categories": {
            category: percent([done[task["id"]] for task in tasks if task["category"] == category])
            for category in categories
        },
        "not_possible": sum(row.get("not_possible", 0) for row in rows),
        "environment": ENVIRONMENTS[settings["environment"]],
        "prompt": tasks[0]["prompt"]["source"],
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, [done[task["id"]] for task in tasks])], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def read_command(reply: str, possible: Sequence[str]) -> str:
    """The command that a reply means: what follows ACTION on its line, or its first line, or what is most like it."""
    match = _ACTION.search(reply)
    lines = (match[1] if match else reply).strip().lower().split("\n")
    return lines[0] if lines[0] in possible else most_similar(lines[0], possible, _LEAST_SIMILAR)


def _play(task: Task, home: Household | _textworld.Game, settings: Settings) -> Episode:
    messages = [*_opening(task), ("user", f"Here is your task. {home.observation}")]
    replies: list[str] = []
    not_possible = 0

    def end(outcome: str) -> Row:
        about = {"category": task["category"], "steps": len(replies), "not_possible": not_possible}
        return {"prediction": outcome == "completed", "outcome": outcome, **about}

    for _ in range(settings["max_steps"]):
        request = _agentbench.ask(messages, settings)
        if request is None:
            return end("context_limit")
        replies.append((yield request))
        command = read_command(replies[-1], home.commands)
        not_possible += command not in home.commands
        seen = home.step(command)
        messages += [("assistant", replies[-1]), ("user", seen)]
        if len(replies) > _SAME and len(set(replies[-_SAME:])) == 1:
            return end("invalid_action")  # before all else, as upstream
        if home.won:
            return end("completed")
    return end("task_limit")


def _opening(task: Task) -> list[tuple[str, str]]:
    prompt = task["prompt"]
    shown = list(prompt["demonstrations"].get(_DEMONSTRATIONS[task["category"]], []))
    if shown:
        shown[0] = f"Here is one example.\n{shown[0]}"
    return _agentbench.opening(prompt | {"demonstration": shown})
