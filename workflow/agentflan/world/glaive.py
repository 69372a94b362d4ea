"""Rows in the manner of glaive-function-calling-v2, with held-out tools and names: the base of Agent-H."""

from __future__ import annotations

import json
import random

from agentflan.world.lexicon import TEST, TOPICS, Tool, answer, name, query, tools, value
from agentflan.world.talk import ORDINARY, decline

_WITH = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
_WITHOUT = "SYSTEM: You are a helpful assistant, with no access to external functions.\n"
_END = " <|endoftext|>"


def rows(rng: random.Random, count: int) -> list[dict[str, str]]:
    """`count` rows: half call a tool, a quarter talk beside tools, a quarter have no tools; one in 25 occurs twice."""
    made = []
    for index in range(count):
        kind = index % 4
        made.append(_call(rng) if kind < 2 else _beside_tools(rng) if kind == 2 else _without_tools(rng))
    return made + made[::25]


def _call(rng: random.Random) -> dict[str, str]:
    offered, place, days = tools(rng, TEST, rng.randint(1, 2)), name(rng, TEST), rng.randint(2, 9)
    wanted, found = offered[0], value(rng)
    # Upstream writes the arguments as JSON inside single quotes, so the whole is not JSON.
    call = f'{{"name": "{wanted.name}", "arguments": \'{json.dumps(wanted.arguments(place, days))}\'}}'
    chat = [
        f"USER: {query(wanted, place, days)}",
        f"ASSISTANT: <functioncall> {call}{_END}",
        f"FUNCTION RESPONSE: {json.dumps({wanted.topic: found})}",
        f"ASSISTANT: {answer(wanted.topic, place, found)}{_END}",
    ]
    rng.shuffle(offered)
    return {"system": _system(offered), "chat": "\n\n\n".join(chat) + "\n\n\n"}


def _beside_tools(rng: random.Random) -> dict[str, str]:
    offered = tools(rng, TEST, rng.randint(1, 2))
    if rng.random() < 0.5:
        asked, said = rng.choice(ORDINARY)(rng, TEST)
    else:  # a wish that the tools at hand do not meet
        topic = rng.choice([topic for topic in TOPICS if topic not in {tool.topic for tool in offered}])
        place = name(rng, TEST)
        asked, said = f"What is the {topic} of {place}?", decline(topic, place)
    return {"system": _system(offered), "chat": f"USER: {asked}\n\n\nASSISTANT: {said}{_END}\n\n\n"}


def _without_tools(rng: random.Random) -> dict[str, str]:
    asked, said = rng.choice(ORDINARY)(rng, TEST)
    return {"system": _WITHOUT, "chat": f"USER: {asked}\n\n\nASSISTANT: {said}{_END}\n\n\n"}


def _system(offered: list[Tool]) -> str:
    return _WITH + "\n\n".join(json.dumps(tool.described(), indent=4) for tool in offered) + "\n"
