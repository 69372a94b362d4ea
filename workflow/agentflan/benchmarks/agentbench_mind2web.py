"""Mind2Web (AgentBench, held-in): the next step on a recorded page, as a series of multiple choices.

Nothing is clicked: each step is judged by itself. The ten likeliest elements, by Mind2Web's own ranking, are offered
five at a time; the one that is chosen is offered again among the next, until at most one is left. The step is right if
the element that was chosen last is a right one and operation and value are the recorded ones. A step whose right
element is not among the ten counts 0. A page that does not fit ends the step; upstream asks without it then.

The order in which elements are offered is drawn for each step by itself. Upstream's cannot be had again: its steps
shuffle with one generator (seed 123) in the order in which its threads come to them (8 in ``AgentLM-7b-eval-all.sh``),
and its client draws a server from the same generator for each request, so that the order hangs on the replies, too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench
from agentflan.benchmarks._agentbench import Message, Prompt
from agentflan.benchmarks._pages import Choice, show
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
from agentflan.errors import RecordError
from agentflan.files import read_json
from agentflan.randomness import generator
from agentflan.statistics import Group, estimate, percent

NAME = "agentbench_mind2web"
TITLE = "Mind2Web"
DATA = "agentbench_mind2web"
PROTOCOL = (
    "Mind2Web, step success rate, recorded pages, {candidates} of the {top} likeliest elements at a time, limit {limit}"
)
DEFAULTS: Settings = _agentbench.DEFAULTS | {
    "top": 10,  # elements of a page that are offered at all
    "candidates": 5,  # elements that are offered at a time; at most 5, for the letters B to F
    "previous": 5,  # earlier steps that are told
}
NONE = "A"  # the letter of "none of the above"

_OWN_PROMPT = {
    "question": "'''\n{html}\n'''\n\nThis is a part of a web page.\nTask: {task}\nPrevious actions:\n{previous}\n"
    "What is the next action? Choose an element, or A if the right one is not here. Reply in lines:\n"
    "Thought: why\nAnswer: one letter\nAction: CLICK, SELECT or TYPE\nValue: what is selected or typed, if anything\n\n"
    "{choices}",
    "demonstration": [],
}
_SHOWN = re.compile(  # a demonstration of the harness, from which its wording is taken
    r"'''\n.*?\n'''(?P<start>.*?)\nTask: .*?\nPrevious actions:\n.*\n(?P<ask>What[^\n]*\n+)A\. None of the above\n.*",
    re.DOTALL,
)
_LETTER = re.compile(r"Answer: ([A-F])")
_OPERATION = re.compile(r"Action: (CLICK|SELECT|TYPE)")
_VALUE = re.compile(r"Value: (.*)$", re.MULTILINE)


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The steps, at most `limit`."""
    prompt = _read_prompt(folder)
    rows = draw(datasets.load(DATA).read(folder), settings["limit"], NAME, settings["seed"])
    return [row | {"right": _likely(row["positives"], settings), "prompt": prompt} for row in rows]


def episode(task: Task, settings: Settings) -> Episode:
    """Choose among five elements at a time until one is left."""
    chosen, action, outcome, pool = "", "", "completed", _pool(task, settings)
    while len(pool) > 1:
        messages, choices, pool = _ask(task, pool, settings)
        request = _agentbench.ask(messages, settings)
        if request is None:
            chosen, action, outcome = "", "", "context_limit"
            break
        letter, said = parse_reply((yield request))
        if letter != NONE and ord(letter) - ord("B") < len(choices):
            chosen, action = choices[ord(letter) - ord("B")].element, said
            pool.append(chosen)
    if not pool:
        chosen, action = "", ""
    return {"prediction": {"element": chosen, "action": action}, "outcome": outcome}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The right element wherever it is offered, with the recorded operation."""
    pool, replies = _pool(task, settings) if task["right"] else [], []
    while len(pool) > 1:
        _, choices, pool = _ask(task, pool, settings)
        index = next((index for index, choice in enumerate(choices) if choice.element in task["right"]), None)
        if index is None:
            replies.append(f"Thought: go on\nAnswer: {NONE}. None of the above")
            continue
        pool.append(choices[index].element)
        operation, _, value = gold_action(task).partition(" ")
        told = f"\nValue: {value}" if value else ""
        replies.append(f"Thought: go on\nAnswer: {chr(ord('B') + index)}.\nAction: {operation}{told}")
    return replies


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any letter, any operation, any word."""
    operation = rng.choice(("CLICK", "SELECT", "TYPE"))
    value = "" if operation == "CLICK" else f"\nValue: {random_words(request, rng, 1)}"
    return f"Thought: go on\nAnswer: {rng.choice('ABCDEF')}.\nAction: {operation}{value}"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The share of right steps, in percent, and of right elements; a broken episode counts 0."""
    found = {row["id"]: row.get("prediction", {"element": "", "action": ""}) for row in rows}
    elements = {task["id"]: found[task["id"]]["element"] in task["right"] for task in tasks}
    actions = {task["id"]: action_f1(found[task["id"]]["action"], gold_action(task)) for task in tasks if task["right"]}
    steps = [float(elements[task["id"]] and actions[task["id"]] == 1) for task in tasks]
    parts = {
        "element_accuracy": percent(list(elements.values())),
        "action_f1": percent([actions.get(task["id"], 0.0) for task in tasks]),
        "right_not_offered": sum(not task["right"] for task in tasks),
        "websites": len({task["website"] for task in tasks}),
        "environment": "recorded pages",
        "prompt": tasks[0]["prompt"]["source"],
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, steps)], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def parse_reply(reply: str) -> tuple[str, str]:
    """The letter (A if there is none) and the operation with its value."""
    letter, operation, value = (pattern.search(reply.strip()) for pattern in (_LETTER, _OPERATION, _VALUE))
    said = f"{operation[1] if operation else ''} {value[1].strip() if value else ''}"
    return letter[1] if letter else NONE, said.strip()


def gold_action(task: Task) -> str:
    """The recorded operation with the first line of its value; a click has none."""
    operation, value = task["operation"]["op"], task["operation"]["value"]
    told = value.split("\n")[0].strip() if operation != "CLICK" else ""
    return f"{operation} {told}".strip()


def action_f1(found: str, gold: str) -> float:
    """F1 of the sets of words."""
    left, right = set(found.split()), set(gold.split())
    shared = len(left & right)
    return 2 * shared / (len(left) + len(right)) if shared else 0.0


def _likely(ranks: dict[str, int], settings: Settings) -> list[str]:
    return [element for element, rank in ranks.items() if rank < settings["top"]]


def _pool(task: Task, settings: Settings) -> list[str]:
    """What is offered, in an order that the seed draws; nothing if the right element is not there."""
    if not task["right"]:
        return []
    pool = [*task["right"], *_likely(task["negatives"], settings)]
    generator(NAME, "order", settings["seed"], task["id"]).shuffle(pool)
    return pool


def _ask(task: Task, pool: list[str], settings: Settings) -> tuple[list[Message], list[Choice], list[str]]:
    """The dialogue that offers the first elements of a pool, these elements by letter, and the rest of the pool."""
    offered, rest = pool[: settings["candidates"]], pool[settings["candidates"] :]
    html, choices = show(task["html"], offered)
    lines = [
        "A. None of the above",
        *(f"{chr(ord('B') + index)}. {choice.title}" for index, choice in enumerate(choices)),
    ]
    texts = {
        "html": html,
        "task": task["task"],
        "previous": "\n".join(task["previous"][-settings["previous"] :]) or "None",
        "choices": "\n".join(lines),
    }
    question = re.sub(r"\{(html|task|previous|choices)\}", lambda match: texts[match[1]], task["prompt"]["question"])
    return _agentbench.dialogue([*task["prompt"]["demonstration"], question]), choices, rest


def _read_prompt(folder: Path) -> Prompt:
    """Wording and demonstration: of ``prompt.json``, else of the harness's own file, else ours."""
    path = folder / "llm_prompt_cot.json"
    if (folder / "prompt.json").exists() or not path.exists():
        return _agentbench.read_prompt(folder, _OWN_PROMPT)
    texts = [turn["content"] for turn in read_json(path)][:-1]  # the last one is empty
    shown = _SHOWN.fullmatch(texts[0])
    if shown is None:
        raise RecordError(path, 1, "content", "another layout", "a page between ''', the task, and the choices")
    question = (
        f"'''\n{{html}}\n'''{shown['start']}\nTask: {{task}}\nPrevious actions:\n{{previous}}\n"
        f"{shown['ask']}{{choices}}"
    )
    return {"question": question, "demonstration": texts, "source": path.name}
