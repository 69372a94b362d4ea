"""ScienceWorld: small experiments in a text world, played on the real simulator (AgentTuning's harness).

A reply is a thought, which is only acknowledged, or an action, which is mapped to the most similar possible one.
AgentTuning's demonstrations are other people's text: they are read from its own file, or from a `prompt.json` beside
the tasks, which holds for each task number ("0" … "29") the turns of a dialogue. Without either a short wording of ours
stands alone, and the score says so. Upstream cuts the dialogue by GPT-4's tokens; four characters are taken for one
here. Upstream's own oddities are kept, because they are in the published scores: they are told where they happen.
"""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _simulator
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
from agentflan.benchmarks._simulator import Place, Simulator, State
from agentflan.datasets.sciworld import read_prompt
from agentflan.errors import ConfigError
from agentflan.statistics import Group, estimate, percent

NAME = "sciworld"
TITLE = "SciWorld"
DATA = "sciworld"
MEMORY_MB = 8000  # eight simulators, each a Java machine of its own
PROTOCOL = (
    "real simulator, episodes {episodes}, simplification {simplification}, mean over tasks of the mean final score, "
    "{max_moves} moves, {max_turns} turns, limit {limit} a task"
)
DEFAULTS: Settings = {
    "episodes": "agenttuning",  # which set: AgentTuning's 270, or another one that the task file lists
    "limit": None,  # episodes of each task
    "simplification": "easy",
    "max_moves": 100,  # actions that take time in the world
    "max_turns": 200,
    "max_failures": 10,  # failed actions in a row
    "max_prompt_tokens": 4000,  # the last ones, as upstream's server cuts them
    "max_context_tokens": 4036,  # of the dialogue, at four characters a token
    "max_new_tokens": 256,
    "system": "You are a helpful, respectful and honest assistant.",
    "instruction": None,  # overrides prompt.json and our own wording
    "batch": 16,  # each episode has a simulator of about 0.5 GB
    "workers": 8,
}

ROOMS = (
    "hallway",
    "greenhouse",
    "green house",
    "kitchen",
    "bathroom",
    "outside",
    "workshop",
    "art studio",
    "foundry",
    "bedroom",
    "living room",
)
_INSTRUCTION = (
    "You act in a small world to solve a task. Each turn is one line: either 'Think: ' with what you consider, or "
    "'Action: ' with one action, such as 'Action: go to kitchen' or 'Action: focus on apple'."
)
_NEXT_TASK = "The preceding task has ended. Now, I will start a new task."
_CHARACTERS_A_TOKEN = 4
_LOOP = 5  # so many pairs of action and observation with two values only are a loop
_NO_MATCH = "No known action matches that input."
_FOCUS_WORDS = re.compile(r"\b(?:focus|on|in|to)\b", re.IGNORECASE)
_VERBS = ("go to", "pick up", "open", "look at", "activate", "pour", "move", "use", "examine", "mix", "focus on")


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The episodes of the set, at most `limit` of each task.

    Raises:
        ConfigError: there is no such set.
    """
    rows = list(datasets.load(DATA).read(folder))
    chosen = [row for row in rows if row["set"] == settings["episodes"]]
    if not chosen:
        sets = ", ".join(sorted({row["set"] for row in rows}))
        raise ConfigError([f"settings of {NAME}: key episodes: found {settings['episodes']!r}; there are: {sets}"])
    prompt = read_prompt(folder)
    by_task: dict[str, list[Task]] = {}
    for row in chosen:
        by_task.setdefault(row["task"], []).append(_task(row, prompt, settings))
    return [
        task
        for name in sorted(by_task)
        for task in draw(by_task[name], settings["limit"], NAME, name, settings["seed"])
    ]


def episode(task: Task, settings: Settings) -> Episode:
    """Think and act until the task is over, nothing works any more, or a limit is reached."""
    with _simulator.play(_place(task, settings)) as simulator:
        outcome, points = yield from _talk(task, simulator, settings)
        return {
            "prediction": points,
            "outcome": outcome,
            "task": task["task"],
            "variation": task["variation"],
            "actions": simulator.actions,
            "simulator": _simulator.version(),
        }


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The simulator's own solution."""
    return [f"Action: {action}" for action in _simulator.gold_actions(_place(task, settings))]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any verb with any words that were shown."""
    return f"Action: {rng.choice(_VERBS)} {random_words(request, rng, 2)}"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The mean over tasks of the mean final score, in percent; a broken episode counts 0."""
    found = {row["id"]: row.get("prediction", 0) / 100 for row in rows}
    by_task: dict[str, list[float]] = {}
    for task in tasks:
        by_task.setdefault(task["task"], []).append(found[task["id"]])
    groups = [Group(1 / len(by_task), values) for values in by_task.values()]
    parts = {
        "tasks": {name: percent(values) for name, values in by_task.items()},
        "episodes": settings["episodes"],
        "solved": percent([value == 1 for value in found.values()]),
        "simulator": sorted({row["simulator"] for row in rows if "simulator" in row}),
        "simulators_that_died": sum(len(row.get("crashes", [])) for row in rows),
        "prompt": tasks[0]["prompt_source"],
        "errors": errors_of(rows),
    }
    return {**estimate(groups, settings["seed"], NAME)._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def map_action(text: str, possible: set[str], recent: Sequence[str]) -> str:
    """The possible action that a text means.

    A text that is one is taken as it is. Else the one that shares most words is, the shortest first, without its signs;
    a text that shares none stays.

    Args:
        text: what the agent wants to do.
        possible: what `possible_actions` gives.
        recent: earlier actions; the last three cannot be meant (upstream compares with action and observation in one
            text, so that only the first action is ever shut out).
    """
    valid = possible - set(recent[-3:])
    wanted = text.replace("green house", "greenhouse").strip()
    if wanted in valid:
        return wanted
    words = set(text.split(" "))
    best = max(sorted(valid, key=lambda action: (len(action), action)), key=lambda action: _shared(words, action))
    return re.sub(r"[^A-Za-z0-9 ]+", "", best if _shared(words, best) else text)


def possible_actions(state: State, valid: Sequence[str]) -> set[str]:
    """The simulator's `valid` actions, doors opened between any rooms, without what upstream holds to be useless."""
    absurd = {f"focus on {thing}" for thing in ("agent", "air", *ROOMS)}
    actions = {*valid, *(f"open door to {room}" for room in ROOMS)} - absurd
    seen = f"{state.look} {state.inventory.lower()}"
    return {action for action in actions if not _other_door(action) and _in_sight(action, seen)}


def is_failure(observation: str) -> bool:
    """Whether upstream holds an action to have failed: "nothing" counts too, because it holds "not"."""
    return observation == _NO_MATCH or any(sign in observation for sign in ("can't", "not", "doesn't"))


def is_loop(recent: Sequence[str]) -> bool:
    """Whether the last five turns had exactly two values; one alone is no loop for upstream."""
    return len(recent) >= _LOOP and len(set(recent[-_LOOP:])) == 2


def _task(row: dict[str, Any], prompt: dict[str, Any], settings: Settings) -> Task:
    demonstration = prompt.get(str(row["number"]), [])
    own = "settings" if settings["instruction"] else "our own wording"
    return {
        **row,
        "instruction": settings["instruction"] or prompt.get("instruction", _INSTRUCTION),
        "demonstration": demonstration,
        "prompt_source": prompt["source"] if demonstration else f"{own}, no demonstrations",
    }


def _place(task: Task, settings: Settings) -> Place:
    return Place(task["task"], task["variation"], settings["simplification"])


def _talk(task: Task, simulator: Simulator, settings: Settings) -> Generator[Request, str, tuple[str, int]]:
    """Outcome and final score."""
    turns, recent, points, failures = _opening(task, simulator), ["look around"], 0, 0
    for _ in range(settings["max_turns"]):
        turns = _fit(turns, settings["max_context_tokens"])
        messages = (("system", settings["system"]), *turns)
        limits = {key: settings[key] for key in ("max_new_tokens", "max_prompt_tokens")}
        reply = yield Request(messages=messages, stop=("[INST]",), **limits)
        reply = reply.strip()
        action, observation, over = reply, "OK.", False
        if not reply.startswith("Think:"):
            possible = possible_actions(simulator.state, simulator.valid_actions())
            action = map_action(reply.replace("Action:", "").strip(), possible, recent)
            state = simulator.step(action)
            failures = failures + 1 if is_failure(state.observation) else 0
            if failures >= settings["max_failures"]:
                return "invalid_action", points
            points = state.score if state.score >= 0 else points
            over = state.complete or state.score < 0
            observation = _one_line(state.observation)
        if over:
            return "completed", points
        turns += [("assistant", reply), ("user", observation)]
        recent.append(f"({action}, {observation})")
        if simulator.state.moves > settings["max_moves"] or is_loop(recent):
            return "task_limit", points
    return "task_limit", points


def _opening(task: Task, simulator: Simulator) -> list[tuple[str, str]]:
    """Instruction, demonstration and the new task."""
    roles = ("user", "assistant")
    shown = [(roles[place % 2], text) for place, text in enumerate(task["demonstration"])]
    new = f"{_NEXT_TASK}\n{_one_line(simulator.state.observation)}\n{simulator.description()}"
    return [("user", task["instruction"]), ("assistant", "Ok."), *shown, ("user", new.strip())]


def _fit(turns: list[tuple[str, str]], tokens: int) -> list[tuple[str, str]]:
    """The dialogue without its oldest pairs: those of the demonstration but the first, then that, then those after."""
    turns = list(turns)
    while sum(len(text) for _, text in turns) > tokens * _CHARACTERS_A_TOKEN and len(turns) > 5:
        del turns[4:6]
        if turns[4][1].startswith(_NEXT_TASK):
            del turns[2:4]
    return turns


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ")


def _shared(words: set[str], action: str) -> int:
    return len(words & set(action.split(" ")))


def _other_door(action: str) -> bool:
    return "door" in action and "open" not in action


def _in_sight(action: str, seen: str) -> bool:
    """Whether the words of a focus are seen or held; other actions may be about anything."""
    return not action.startswith("focus on") or all(word in seen for word in _FOCUS_WORDS.sub("", action).split(" "))
