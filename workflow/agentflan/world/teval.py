"""T-Eval task files (v1 names and fields) with held-out tools and names: six abilities, two formats."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from agentflan.world.lexicon import TEST, Tool, name, query, thought, tools

Record = dict[str, Any]
_JSON_KEYS = {"thought": ("thought", "goal"), "action": ("action", "tool"), "args": ("args", "arguments")}


def _listing(offered: list[Tool]) -> str:
    lines = []
    for tool in offered:
        lines.append(f"- {tool.name}: {tool.description}")
        lines += [f"  {key} ({kind['type']})" for key, kind in tool.schema()["properties"].items()]
    return "\n".join(lines)


def _prompt(offered: list[Tool], asked: str, form: str) -> list[dict[str, str]]:
    system = f"You are a helpful assistant. You can use the following tools:\n{_listing(offered)}\n{form}"
    return [{"role": "system", "content": system}, {"role": "user", "content": asked}]


def _instruct(rng: random.Random, index: int) -> Record:
    tool, place, days = tools(rng, TEST, 1)[0], name(rng, TEST), rng.randint(2, 9)
    why, arguments = f"I need the {tool.topic} of {place}.", tool.arguments(place, days)
    told = " and ".join(f"{key} as {json.dumps(value)}" for key, value in arguments.items())
    asked = f"Your thought is: {why}\nUse {tool.name} with {told}."
    gold = {"action": tool.name, "args": arguments}
    if index % 2:
        keys = {part: rng.choice(names) for part, names in _JSON_KEYS.items()}
        form = (
            f'Reply in JSON: {{"{keys["thought"]}": "your thought", "{keys["action"]}": "tool name", '
            f'"{keys["args"]}": {{arguments}}}}'
        )
        template, kind = keys, "json"
    else:
        labels = {part: rng.choice(names).capitalize() for part, names in _JSON_KEYS.items()}
        form = (
            f"Reply in this format:\n{labels['thought']}: your thought\n{labels['action']}: tool name\n"
            f"{labels['args']}: JSON of the arguments"
        )
        template = {
            "thought_start": f"{labels['thought']}: ",
            "thought_end": "\n",
            "action_start": f"{labels['action']}: ",
            "action_end": "\n",
            "args_start": f"{labels['args']}: ",
            "args_end": "",
        }
        kind = "string"
    return {
        "template": template,
        "meta_data": {"response_format": kind},
        "ground_truth": gold,
        "origin_prompt": _prompt([tool], asked, form),
    }


def _plan(rng: random.Random, form: str, kind: str) -> Record:
    offered, place, days = tools(rng, TEST, 3), name(rng, TEST), rng.randint(2, 9)
    steps = offered[: rng.randint(1, 2)]
    asked = " ".join(query(tool, place, days) for tool in steps)
    plan = [{"id": number, "name": tool.name, "args": tool.arguments(place, days)} for number, tool in enumerate(steps)]
    rng.shuffle(offered)
    return {
        "meta": {"prompt_type": kind, "API_list": [tool.name for tool in offered]},
        "ground_truth": plan,
        "origin_prompt": _prompt(offered, asked, form),
    }


def _plan_json(rng: random.Random, index: int) -> Record:
    return _plan(rng, 'Write the plan in JSON: [{"id": 0, "name": "tool name", "args": {arguments}}]', "json")


def _plan_str(rng: random.Random, index: int) -> Record:
    return _plan(rng, "Write the plan: one line for each tool, with its arguments.", "str")


def _step(rng: random.Random, question: Callable[[Tool, str], str], form: str = "") -> tuple[Record, Tool, str]:
    offered, place, days = tools(rng, TEST, 3), name(rng, TEST), rng.randint(2, 9)
    tool = offered[0]
    asked = query(tool, place, days)
    rng.shuffle(offered)
    gold = {"thought": thought(tool, place), "name": tool.name, "args": tool.arguments(place, days)}
    record = {
        "meta_data": {"response_format": "json" if form else "string"},
        "ground_truth": gold,
        "origin_prompt": _prompt(offered, f"{asked}{question(tool, place)}", form),
    }
    return record, tool, place


def _reason_str(rng: random.Random, index: int) -> Record:
    return _step(rng, lambda tool, place: "\nWhat is your thought?")[0]


def _retrieve_str(rng: random.Random, index: int) -> Record:
    return _step(rng, lambda tool, place: "\nWhich tool do you need?")[0]


def _understand_str(rng: random.Random, index: int) -> Record:
    record, _, place = _step(rng, lambda tool, place: f"\nThe tool is {tool.name}.\nGive the value of place.")
    record["ground_truth"]["args"] = place
    return record


def _step_json(rng: random.Random, index: int) -> Record:
    form = 'Reply in JSON: {"thought": "your thought", "name": "tool name", "args": {arguments}}'
    return _step(rng, lambda tool, place: "", form)[0]


def _review(rng: random.Random, index: int) -> Record:
    """Whether a call was right: the tool, the argument, both, or neither."""
    right, wrong = tools(rng, TEST, 2)
    place, other = name(rng, TEST), name(rng, TEST)
    letter = "ABCD"[index % 4]
    used, given = (right if letter in "AC" else wrong), (place if letter in "AB" else other)
    asked = (
        f"What is the {right.topic} of {place}?\nThe call was {used.name} with {given}.\n"
        "A: all right B: wrong tool C: wrong argument D: both wrong E: no call\nWhich letter?"
    )
    return {
        "template": {},
        "meta_data": {"response_format": "string"},
        "ground_truth": {"answer": letter, "thought": ""},
        "origin_prompt": _prompt([right, wrong], asked, "Reply with one letter."),
    }


FILES: dict[str, Callable[[random.Random, int], Record]] = {
    "instruct": _instruct,
    "plan_json": _plan_json,
    "plan_str": _plan_str,
    "reason_str": _reason_str,
    "retrieve_str": _retrieve_str,
    "understand_str": _understand_str,
    "reason_retrieve_understand_json": _step_json,
    "review_str": _review,
}


def records(file: str, rng: random.Random, count: int) -> dict[str, Record]:
    """A task file: records by id."""
    return {f"query_{index}": FILES[file](rng, index) for index in range(count)}
