"""Held-in tool use in ToolBench's manner (paper Fig. 9): pick tools, fill in arguments, finish with an answer.

Tool replies are replayed from the gold run, so no server is asked. An episode passes if the calls of the gold run that
worked were made, in that order and with those arguments, and it ended with a final answer. Calls of tools that do not
exist and replies out of the format are counted: they are the two hallucinations of Fig. 4.

This is no pass rate of ToolEval, which asks live servers and lets ChatGPT judge: other calls than those of the gold run
may solve a real task, too, and fail here. `right_tools`, the share of runs with the right tools whatever their
arguments, stands beside the score.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
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
from agentflan.elicit import to_json_text
from agentflan.statistics import Group, estimate, percent
from agentflan.tools import PLAIN_SYSTEM, REACT_FORM, list_tools

NAME = "toolbench_eval"
TITLE = "ToolBench (held-in tool use)"
DATA = "toolbench_eval"
PROTOCOL = "pass rate by rule, replayed tool replies, {max_steps} steps, limit {limit}"
DEFAULTS: Settings = {
    "limit": None,
    "max_steps": 6,  # upstream's single_chain_max_step: 12
    "system": "{plain}\nAnswer the following questions as best you can. "
    "You have access to the following tools:\n{tools}\n{format}",  # Fig. 9
    "format": REACT_FORM,
    "observation": "Observation: {text}",
    "max_new_tokens": 256,
}

FINISH = "Finish"
_FINISH_TOOL = {  # ToolBench lists it last among the tools
    "name": FINISH,
    "description": "Ends the task with an answer",
    "parameters": {
        "properties": {"return_type": {"type": "string"}, "final_answer": {"type": "string"}},
        "required": ["return_type", "final_answer"],
    },
}
# What can be wrong with a reply: it is out of the format, its tool does not exist, its call is not in the gold run.
FAULTS = ("format", "tool", "arguments")
_REPLY = re.compile(r"Action:[ \t]*(?P<action>[^\n]*)\nAction Input:\s*(?P<arguments>.*)", re.DOTALL)


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The tasks, at most `limit`."""
    return draw(datasets.load(DATA).read(folder), settings["limit"], NAME, settings["seed"])


def episode(task: Task, settings: Settings) -> Episode:
    """Call tools until the agent finishes or the steps run out."""
    messages = [("system", _system(task, settings)), ("user", task["query"])]
    steps, answer, outcome = [], "", "task_limit"
    for _ in range(settings["max_steps"]):
        reply = yield Request(
            messages=tuple(messages), stop=("\nObservation",), max_new_tokens=settings["max_new_tokens"]
        )
        step = _read_step(reply, task)
        steps.append(step)
        if step["action"] == FINISH and not step["fault"]:
            answer, outcome = _answer(step["arguments"]), "completed"
            break
        seen = settings["observation"].replace("{text}", _observe(step, task))
        messages += [("assistant", reply), ("user", seen)]
    return {"prediction": answer, "outcome": outcome, "steps": steps, "passed": passes(steps, answer, task)}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The gold calls and the gold answer."""
    finish = {"return_type": "give_answer", "final_answer": task["answer"]}
    calls = [(step["action"], step["arguments"]) for step in task["steps"]] + [(FINISH, finish)]
    return [f"Thought: go on\nAction: {name}\nAction Input: {to_json_text(arguments)}" for name, arguments in calls]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any tool with any words as arguments, or an answer of any words."""
    tool = rng.choice([*task["tools"], {"name": FINISH}])
    if tool["name"] == FINISH:
        arguments = {"return_type": "give_answer", "final_answer": random_words(request, rng, 2)}
    else:
        names = tool.get("parameters", {}).get("properties", {})
        arguments = {name: random_words(request, rng, 1) for name in names}
    return f"Thought: go on\nAction: {tool['name']}\nAction Input: {to_json_text(arguments)}"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """Pass rate in percent, the shares of right tools and arguments, and the hallucinations."""
    by_id = {row["id"]: row for row in rows}
    played = [(task, by_id[task["id"]].get("steps", []), by_id[task["id"]].get("prediction", "")) for task in tasks]
    passed = [float(passes(steps, answer, task)) for task, steps, answer in played]
    every_step = [step for _, steps, _ in played for step in steps]
    faults = {fault: [step["fault"] == fault for step in every_step] for fault in FAULTS}
    parts = {
        "right_tools": percent([_holds_in_order(_names(steps), _names(_wanted(task))) for task, steps, _ in played]),
        "right_calls": percent([_holds_in_order(_calls(steps), _calls(_wanted(task))) for task, steps, _ in played]),
        "finished": percent([row["outcome"] == "completed" for row in rows]),
        "gold_answer": percent([_same_text(answer, task["answer"]) for task, _, answer in played]),
        "steps": len(every_step),
        "faults": {fault: sum(found) for fault, found in faults.items()},
        "fault_rates": {fault: percent(found) for fault, found in faults.items()},
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, passed)], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def passes(steps: Sequence[dict[str, Any]], answer: str, task: Task) -> bool:
    """The rule: all gold calls that worked, in order, and a final answer."""
    return bool(answer.strip()) and _holds_in_order(_calls(steps), _calls(_wanted(task)))


def parse_reply(reply: str) -> tuple[str, dict[str, Any]] | None:
    """Action and arguments of a reply in ReAct form; None if it is out of the format."""
    match = _REPLY.search(reply)
    if match is None:
        return None
    try:
        arguments, _ = json.JSONDecoder().raw_decode(match["arguments"].strip())
    except json.JSONDecodeError:
        return None
    return (match["action"].strip(), arguments) if isinstance(arguments, dict) else None


def _system(task: Task, settings: Settings) -> str:
    texts = {"plain": PLAIN_SYSTEM, "tools": list_tools([*task["tools"], _FINISH_TOOL]), "format": settings["format"]}
    return re.sub(r"\{(plain|tools|format)\}", lambda match: texts[match[1]], settings["system"])


def _read_step(reply: str, task: Task) -> dict[str, Any]:
    """Action, arguments, and the fault of a reply ("" if it has none)."""
    found = parse_reply(reply)
    if found is None:
        return {"action": "", "arguments": {}, "fault": "format"}
    action, arguments = found
    return {"action": action, "arguments": arguments, "fault": _fault_of(action, arguments, task)}


def _answer(arguments: dict[str, Any]) -> str:
    """What a finish says; nothing if it gives up."""
    gives_up = str(arguments.get("return_type", "")).startswith("give_up")
    return "" if gives_up else str(arguments.get("final_answer", ""))


def _fault_of(action: str, arguments: dict[str, Any], task: Task) -> str:
    if action == FINISH:
        return ""
    if action not in {tool["name"] for tool in task["tools"]}:
        return "tool"
    return "" if _replayed(action, arguments, task) else "arguments"


def _observe(step: dict[str, Any], task: Task) -> str:
    """What the agent sees after a step: the gold run's reply to this call, or what was wrong."""
    if step["fault"] == "format":
        return "the reply holds no action with arguments in JSON"
    if step["fault"] == "tool":
        return f"there is no tool {step['action']}"
    gold = _replayed(step["action"], step["arguments"], task)
    return gold["observation"] if gold else "nothing found"


def _replayed(action: str, arguments: dict[str, Any], task: Task) -> dict[str, Any] | None:
    """The gold step with this call."""
    wanted = _call_key(action, arguments)
    return next((step for step in task["steps"] if _call_key(step["action"], step["arguments"]) == wanted), None)


def _wanted(task: Task) -> list[dict[str, Any]]:
    """The gold steps that an agent must make; nobody needs to repeat a call that failed."""
    return [step for step in task["steps"] if not step.get("failed")]


def _call_key(action: str, arguments: dict[str, Any]) -> str:
    return f"{action} {json.dumps(arguments, sort_keys=True, ensure_ascii=False)}"


def _names(steps: Iterable[dict[str, Any]]) -> list[str]:
    return [step["action"] for step in steps]


def _calls(steps: Iterable[dict[str, Any]]) -> list[str]:
    return [_call_key(step["action"], step["arguments"]) for step in steps]


def _holds_in_order(found: list[str], wanted: list[str]) -> bool:
    """Whether all wanted items occur in the same order, others between them or not."""
    rest = iter(found)
    return all(item in rest for item in wanted)


def _same_text(left: str, right: str) -> bool:
    return " ".join(left.lower().split()) == " ".join(right.lower().split())
