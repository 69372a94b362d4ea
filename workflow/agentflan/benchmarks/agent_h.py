"""Agent-H (paper §4.3, Fig. 6, Eq. 1): does the model talk like an agent where a plain answer is wanted?

The paper's 1,845 samples are not released, so they are rebuilt from glaive-function-calling-v2: the first user turn and
the reply to it. Four circumstances: (a) no tools, ordinary query; (b) tools, ordinary query; (c) no tools, the query
wants one; (d) tools, the query wants one. Glaive hardly holds (c): a named half of its call samples becomes (c) by
taking the tools away. The metric looks only at samples that want a plain answer: a, b and c. Because an agent that
never calls would score 100, the share of (d) in which a call is made stands beside it.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks._protocol import Episode, Request, Row, Settings, Task, count_outcomes, draw, errors_of
from agentflan.formulas import h_score
from agentflan.randomness import unit
from agentflan.statistics import Group, estimate, percent
from agentflan.tools import system_text

NAME = "agent_h"
TITLE = "Agent-H"
DATA = "glaive"
PREDICTION = str
PROTOCOL = "H_Score (Eq. 1); first turns of glaive v2 in four circumstances, limit {limit}"
DEFAULTS: Settings = {
    "limit": 1845,  # §4.3
    "shares": {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25},  # of the limit; the paper does not say
    "react_keywords": ["Thought:", "Action:", "Action Input:", "Observation:"],  # case counts
    "general_keywords": [  # case does not count; the paper gives the first two as examples
        "i will use",
        "i need to call",
        "i will call",
        "i need to use",
        "i should use",
        "i should call",
        "let me use",
        "let me call",
    ],
    "max_new_tokens": 512,
}

_PARTS = {"H_ReAct": "react", "H_General": "general"}  # of Eq. 1, each with its sign of calling
_BOTH = [*_PARTS.values()]  # a broken episode counts as both, so that it scores 0
_DERIVED_SHARE = 0.5  # of the call samples, for circumstance (c)
_TAG = "<functioncall>"
_REFUSAL = "I am sorry, but I have no tool that could do this."
_OTHER_CALL = re.compile(r'<functioncall>|"name"\s*:\s*"[^"]*"\s*,\s*"(arguments|parameters|args)"')


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The samples of all circumstances, distinct in system text and query, drawn with the seed in each circumstance."""
    by_circumstance: dict[str, list[Task]] = {name: [] for name in settings["shares"]}
    for task in _distinct(_task(row) for row in datasets.load(DATA).read(folder)):
        by_circumstance[task["circumstance"]].append(task)
    quotas = _quotas(settings["limit"], settings["shares"])
    return [
        task for name, tasks in by_circumstance.items() for task in draw(tasks, quotas[name], NAME, settings["seed"])
    ]


def episode(task: Task, settings: Settings) -> Episode:
    """One request, one reply."""
    messages = (("system", system_text(task["tools"])), ("user", task["query"]))
    reply = yield Request(messages=messages, max_new_tokens=settings["max_new_tokens"])
    return {
        "prediction": reply,
        "outcome": "completed",
        "circumstance": task["circumstance"],
        "wants_call": task["call"] is not None,
        "signs": signs_of_calling(reply, settings),
    }


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The reply in glaive; a refusal of our own where the tools were taken away."""
    return [task["gold"]]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """A call of some tool in both manners of speaking, whatever was asked."""
    names = [tool["name"] for tool in task["tools"]] or ["search"]
    tool = rng.choice(names)
    return f"Thought: I will use {tool}.\nAction: {tool}\nAction Input: {{}}"


def signs_of_calling(reply: str, settings: Settings) -> list[str]:
    """Which of "react" and "general" a reply shows."""
    signs = []
    if any(keyword in reply for keyword in settings["react_keywords"]):
        signs.append("react")
    if any(keyword.lower() in reply.lower() for keyword in settings["general_keywords"]):
        signs.append("general")
    return signs


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """H_Score in percent (Eq. 1), its two parts by circumstance, call recall, and the list of samples."""
    broken = errors_of(rows)
    replies = {row["id"]: row.get("prediction", "") for row in rows}
    signs = {key: _BOTH if key in broken else signs_of_calling(reply, settings) for key, reply in replies.items()}
    plain = [task for task in tasks if task["call"] is None]
    result = estimate([Group(1.0, [1 - 0.5 * len(signs[task["id"]]) for task in plain])], settings["seed"], NAME)
    parts = _rates([signs[task["id"]] for task in plain])
    parts |= {
        "call_recall": percent([_calls(replies[task["id"]], task, settings) for task in tasks if task["call"]]),
        "other_syntax": percent([bool(_OTHER_CALL.search(replies[task["id"]])) for task in plain]),
        "gold_floor": _rates([signs_of_calling(task["gold"], settings) for task in plain if not task["derived"]]),
        "circumstances": {
            name: _rates([signs[task["id"]] for task in tasks if task["circumstance"] == name])
            for name in sorted(settings["shares"])
        },
        "derived": sum(task["derived"] for task in tasks),
        "samples": {task["id"]: _fingerprint(task) for task in tasks},
        "errors": broken,
    }
    samples = {
        part: [Group(1.0, [float(kind in signs[task["id"]]) for task in plain])._asdict()]
        for part, kind in _PARTS.items()
    }
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows), "part_samples": samples}


def _task(row: dict[str, Any]) -> Task | None:
    """A sample from a glaive row; None when it does not begin with a query and its reply."""
    turns = [turn for turn in row["turns"] if turn["role"] != "system"]
    if len(turns) < 2 or (turns[0]["role"], turns[1]["role"]) != ("user", "assistant"):
        return None
    call, tools = turns[1].get("call"), list(row["tools"])
    if call is None and _TAG in turns[1]["content"]:
        call = {"name": "", "arguments": {}}  # a call that cannot be read is a call all the same
    derived = call is not None and (not tools or unit(NAME, "derived", row["id"]) < _DERIVED_SHARE)
    if derived:
        call, tools = None, []
    return {
        "id": str(row["id"]),
        "circumstance": _circumstance(bool(tools), derived or call is not None),
        "tools": tools,
        "query": turns[0]["content"],
        "call": call,
        "gold": _REFUSAL if derived else turns[1]["content"],
        "derived": derived,
    }


def _circumstance(tools: bool, wants_tool: bool) -> str:
    return {(False, False): "a", (True, False): "b", (False, True): "c", (True, True): "d"}[tools, wants_tool]


def _distinct(tasks: Iterable[Task | None]) -> Iterator[Task]:
    """The first of samples that show the model the same text, up to case and spaces."""
    seen = set()
    for task in tasks:
        if task is None:
            continue
        shown = " ".join(f"{system_text(task['tools'])} {task['query']}".lower().split())
        if shown not in seen:
            seen.add(shown)
            yield task


def _quotas(limit: int | None, shares: dict[str, float]) -> dict[str, int | None]:
    """Samples of each circumstance; rounded so that they add up to the limit."""
    if limit is None:
        return dict.fromkeys(shares)
    ends = [round(limit * total) for total in accumulate(shares.values(), initial=0.0)]
    return {name: end - start for name, (start, end) in zip(shares, pairwise(ends), strict=True)}


def _rates(signs: list[list[str]]) -> dict[str, Any]:
    """H_ReAct, H_General and H_Score of replies that should all be plain; None without replies."""
    rates = {part: percent([kind in found for found in signs]) for part, kind in _PARTS.items()}
    return {"n": len(signs), **rates, "H_Score": h_score(*rates.values()) if signs else None}


def _calls(reply: str, task: Task, settings: Settings) -> bool:
    """Whether a reply that should call shows it in any manner."""
    name = task["call"]["name"]
    return bool(name and name in reply) or bool(signs_of_calling(reply, settings)) or bool(_OTHER_CALL.search(reply))


def _fingerprint(task: Task) -> str:
    shown = json.dumps([task["tools"], task["query"], task["call"] is None], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(shown.encode()).hexdigest()[:16]
