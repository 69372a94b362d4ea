"""ToolBench-like trajectories: solutions with their prefixes, runs that gave up, second tries of the tree search."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from agentflan.world.lexicon import TRAIN, Tool, answer, name, query, thought, tools, value

_FINISH = {
    "name": "Finish",
    "description": "Ends the task with an answer",
    "parameters": {
        "properties": {"return_type": {"type": "string"}, "final_answer": {"type": "string"}},
        "required": ["return_type", "final_answer"],
    },
}
_SYSTEM = (
    "You are an agent. Reply with Thought, Action, Action Input.\nSpecifically, you have access to the following APIs: "
)
SECOND_TRY = "This is not the first time you try this task, all previous trails failed."


class Solution(NamedTuple):
    """A query and what solves it."""

    query: str
    tools: tuple[Tool, ...]
    calls: tuple[tuple[Tool, dict[str, Any], str], ...]  # tool, arguments, the tool's reply
    place: str
    answer: str


def solve(rng: random.Random, split: str, steps: int) -> Solution:
    """A query about one place that takes `steps` calls, with one or two tools more than it needs."""
    offered = tools(rng, split, steps + rng.choice((0, 1, 1)))
    wanted, place, days = offered[:steps], name(rng, split), rng.randint(2, 9)
    calls = tuple((tool, tool.arguments(place, days), value(rng)) for tool in wanted)
    if steps == 1:
        asked = query(wanted[0], place, days)
    else:
        ahead = f" in {days} days" if any(tool.ahead for tool in wanted) else ""
        asked = f"What is the {wanted[0].topic} and the {wanted[1].topic} of {place}{ahead}?"
    said = " ".join(answer(tool.topic, place, found) for tool, _, found in calls)
    rng.shuffle(offered)
    return Solution(asked, tuple(offered), calls, place, said)


def observe(tool: Tool, found: str) -> str:
    """What a tool replies."""
    return f"{tool.topic} = {found}"


def records(rng: random.Random, kept: int, dropped: int) -> list[dict[str, Any]]:
    """`kept` records that the paper's filter keeps and `dropped` of the kinds that it drops, in no order."""
    rows = [_record(solution, _finish(solution)) for solution in _solutions(rng, kept)]
    for index, solution in enumerate(_solutions(rng, dropped)):
        kind = index % 4
        if kind == 0:
            rows.append(_prefix(solution))
        elif kind == 1:
            rows.append(_record(solution, ("I cannot find it.", {"return_type": "give_up_and_restart"})))
        else:
            rows.append(_second_try(_record(solution, _finish(solution)), inside=kind == 3))
    rng.shuffle(rows)
    return rows


def tree(rng: random.Random) -> dict[str, Any]:
    """An answer tree of the depth-first search with one try that failed and one that was right."""
    solution = solve(rng, TRAIN, 1)
    record = _record(solution, _finish(solution))
    messages = [_message(turn) for turn in record["conversations"]]
    ends = [index + 1 for index, turn in enumerate(messages) if turn["role"] == "assistant"]
    tool, arguments, found = solution.calls[0]
    node = {"node_type": "Action Input", "description": json.dumps(arguments), "observation": observe(tool, found)}
    return {
        "win": True,
        "tree": {"size": 1, "max_length": 1, "tree": {"node_type": "Action Input", "children": [node]}},
        "forward_args": {},
        "compare_candidates": [],
        "answer_generation": {
            "valid_data": True,
            "query_count": 1,
            "total_tokens": 0,
            "final_answer": json.dumps(_finish(solution)[1]),
            "function": _functions(solution),
            "chain": [],
            "train_messages": [messages[:end] for end in ends],
            "query": solution.query,
            "finish_type": "give_answer",
        },
    }


def _solutions(rng: random.Random, count: int) -> list[Solution]:
    return [solve(rng, TRAIN, 1 if rng.random() < 0.65 else 2) for _ in range(count)]


def _record(solution: Solution, finish: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    turns = [("system", _SYSTEM + repr(_functions(solution))), ("user", f"\n{solution.query}\nBegin!\n")]
    for tool, arguments, found in solution.calls:
        turns.append(("assistant", _reply(thought(tool, solution.place), tool.name, arguments)))
        turns.append(("function", json.dumps({"error": "", "response": observe(tool, found)})))
    turns.append(("assistant", _reply(finish[0], "Finish", finish[1])))
    return _row(solution.query, turns)


def _prefix(solution: Solution) -> dict[str, Any]:
    whole = _record(solution, _finish(solution))
    turns = [(turn["from"], turn["value"]) for turn in whole["conversations"][:3]]
    return _row(solution.query, turns)


def _second_try(record: dict[str, Any], inside: bool) -> dict[str, Any]:
    turns = [(turn["from"], turn["value"]) for turn in record["conversations"]]
    turns.insert(4 if inside else 2, ("user", SECOND_TRY))
    return _row(record["id"].split(": ", 1)[1], turns)


def _row(asked: str, turns: list[tuple[str, str]]) -> dict[str, Any]:
    conversations = [{"from": role, "value": text} for role, text in turns]
    return {"id": f"Step {len(turns) - 1}: {asked}", "conversations": conversations}


def _finish(solution: Solution) -> tuple[str, dict[str, Any]]:
    return "I know the answer.", {"return_type": "give_answer", "final_answer": solution.answer}


def _reply(why: str, action: str, arguments: dict[str, Any]) -> str:
    return f"\nThought: {why}\nAction: {action}\nAction Input: {json.dumps(arguments)}"


def _functions(solution: Solution) -> list[dict[str, Any]]:
    described = [tool.described() for tool in solution.tools]
    return [*described, _FINISH]


def _message(turn: dict[str, str]) -> dict[str, Any]:
    if turn["from"] != "assistant":
        return {"role": turn["from"], "content": turn["value"]}
    why, rest = turn["value"].split("\nAction: ")
    action, arguments = rest.split("\nAction Input: ")
    call = {"name": action, "arguments": arguments}
    return {"role": "assistant", "content": why.removeprefix("\nThought: "), "function_call": call}
