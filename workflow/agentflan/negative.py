"""Negative samples: requests that must be answered in plain words, with or without tools (paper §4.3, App. C, Fig. 6).

Three kinds. `plain`: no tools, the query wants one. `irrelevant`: tools that do not help, the query still wants one
(App. C and Fig. 11). `conversation`: tools, and ordinary conversation (§4.3, type 2). The paper's two texts disagree on
what goes with `plain`; the reading is the caller's choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from heapq import nsmallest
from itertools import islice
from typing import Any, NamedTuple

from agentflan.elicit import to_json_text
from agentflan.errors import AgentFlanError
from agentflan.randomness import generator, unit
from agentflan.records import CONVERSATION, Trajectory, Turn, turn_of
from agentflan.tools import FINAL_ACTIONS, PLAIN_SYSTEM, system_text

READINGS = ("appendix", "section", "both")
PLAIN, IRRELEVANT, TALK = "plain", "irrelevant", "conversation"
_WORD = re.compile(r"[^\W\d_]{3,}")
_SAYING_LITTLE = frozenset(
    {"all", "and", "any", "can", "for", "from", "get", "how", "list", "search", "the", "with", "you"}
)

Tool = dict[str, Any]
Answer = Callable[[list[list[dict[str, str]]]], list[str]]


class Query(NamedTuple):
    """What a user asks, and the tools that were offered for it."""

    id: str
    dataset: str
    text: str
    offered: frozenset[str]
    reply: str = ""  # the source's own; "" where a model has to be asked


class Plan(NamedTuple):
    """How many samples of each kind."""

    plain: int
    irrelevant: int
    conversation: int


def plan_kinds(count: int, with_tools: float, reading: str) -> Plan:
    """Split `count` samples; the share `with_tools` carries tools, as `reading` says ("both": half and half)."""
    tooled = round(count * with_tools)
    conversation = {"appendix": 0, "section": tooled, "both": tooled // 2}[reading]
    return Plan(count - tooled, tooled - conversation, conversation)


def build_negatives(
    queries: Iterable[Query], talks: Iterable[Query], pool: list[Tool], plan: Plan, answer: Answer, seed: int
) -> list[Trajectory]:
    """The negative samples, ordered by the id of their sources.

    Args:
        queries: requests that want tools; as many as the plan asks for are drawn, or all there are.
        talks: ordinary conversations with their replies.
        pool: tools to take irrelevant ones from.
        plan: samples of each kind; with too few queries, both kinds shrink alike.
        answer: gives a model's replies to conversations, in order.
        seed: draws queries, talks and tools.
    """
    asked = draw(queries, plan.plain + plan.irrelevant, seed)
    replies = answer([request(query) for query in asked])
    plain = round(len(asked) * plan.plain / max(1, plan.plain + plan.irrelevant))
    kinds = [PLAIN] * plain + [IRRELEVANT] * (len(asked) - plain)
    samples = [
        _sample(query._replace(reply=reply), kind, pool, seed)
        for query, reply, kind in zip(asked, replies, kinds, strict=True)
    ]
    samples += [_sample(talk, TALK, pool, seed) for talk in draw(talks, plan.conversation, seed)]
    return sorted(samples, key=lambda sample: (sample.dataset, sample.id))


def request(query: Query) -> list[dict[str, str]]:
    """What the model that replies is sent: the query without any tool (App. C)."""
    return [{"role": "system", "content": PLAIN_SYSTEM}, {"role": "user", "content": query.text}]


def read_queries(trajectories: Iterable[Trajectory]) -> Iterable[Query]:
    """The distinct first requests of agent trajectories; of equal ones the first by id."""
    found: dict[str, Query] = {}
    for trajectory in trajectories:
        text = _first_request(trajectory)
        query = Query(trajectory.id, trajectory.dataset, text, frozenset(tool["name"] for tool in trajectory.tools))
        if text and (text not in found or query.id < found[text].id):
            found[text] = query
    return found.values()


def read_talks(trajectories: Iterable[Trajectory]) -> Iterator[Query]:
    """The first exchanges of ordinary conversations, where the user speaks first and is answered."""
    for trajectory in trajectories:
        first = trajectory.turns[:2]
        if [turn.role for turn in first] == ["user", "assistant"] and first[1].content:
            yield Query(trajectory.id, trajectory.dataset, first[0].content, frozenset(), first[1].content)


def read_tools(trajectories: Iterable[Trajectory]) -> list[Tool]:
    """The tools of trajectories, one a name, in an order in which neighbours have nothing in common.

    Of several descriptions under one name the first in the order of their JSON counts.
    """
    pool: dict[str, Tool] = {}
    for trajectory in trajectories:
        for tool in trajectory.tools:
            known = pool.get(tool["name"])
            if known is None or (known != tool and to_json_text(tool) < to_json_text(known)):
                pool[tool["name"]] = tool
    return [pool[name] for name in sorted(pool, key=lambda name: unit("tool", name)) if name not in FINAL_ACTIONS]


def draw(queries: Iterable[Query], count: int, seed: int) -> list[Query]:
    """`count` of the queries, or all; which ones, and in which order, hangs on their texts alone."""
    return nsmallest(count, queries, key=lambda query: (unit("negative", seed, query.text), query.text, query.id))


def irrelevant_tools(query: Query, pool: list[Tool], seed: int, most: int = 3) -> list[Tool]:
    """One to `most` tools that the query does not ask for.

    A tool may help if it was offered with the query or has a word of its name in it. Tools of a service of which one
    was offered (ToolBench names end in ``_for_<service>``) are taken only where there are no others.

    Raises:
        AgentFlanError: every tool of the pool may help.
    """
    rng = generator("irrelevant tools", seed, query.text)
    wanted = rng.randint(1, most)
    start = rng.randrange(max(1, len(pool)))
    turned = [*pool[start:], *pool[:start]]
    services = {_service(name) for name in query.offered}
    strangers = (tool for tool in _helpless(query, turned) if _service(tool["name"]) not in services)
    chosen = list(islice(strangers, wanted)) or list(islice(_helpless(query, turned), wanted))
    if not chosen:
        raise AgentFlanError(f"{query.id}: each of {len(pool)} tools may help with the query; give more with --tools")
    return chosen


def _helpless(query: Query, pool: list[Tool]) -> Iterator[Tool]:
    words = _words(query.text)
    return (tool for tool in pool if tool["name"] not in query.offered and not words & _words(tool["name"]))


def _sample(query: Query, kind: str, pool: list[Tool], seed: int) -> Trajectory:
    tools = irrelevant_tools(query, pool, seed) if kind != PLAIN else []
    turns = (
        Turn("system", system_text(tools)),
        Turn("user", query.text),
        turn_of("assistant", [(query.reply, CONVERSATION, False)]),
    )
    return Trajectory(f"{query.id}.{kind}", query.dataset, turns, "negative", tuple(tools))


def _first_request(trajectory: Trajectory) -> str:
    """The first user turn, without ToolBench's ``Begin!``."""
    first = next((turn.content for turn in trajectory.turns if turn.role == "user"), "")
    return first.strip().removesuffix("Begin!").strip()


def _service(name: str) -> str:
    """The service of a ToolBench function; other names stand for themselves."""
    return name.rpartition("_for_")[2]


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} - _SAYING_LITTLE
