"""The words of the world: topics, names, tools, and which combinations are held out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from agentflan.randomness import unit

TRAIN, TEST = "train", "test"

TOPICS = (
    "rain wind snow sun heat price stock rent tax fee size weight height speed age score rank grade taste smell "
    "sound light power fuel water food bread milk rice fish fruit wood stone iron gold silver paper cloth wool "
    "salt oil gas traffic noise mood luck news mail"
).split()
SUFFIXES = "report guide list finder meter table watch index".split()
PARAMETERS = "place city town name".split()
COLORS = "red blue green black white brown grey pink".split()
THINGS = "lamp chair cup plate shirt hat shoe bag clock book ring knife".split()
FURNITURE = "desk shelf drawer cabinet sofa fridge bed stove".split()

_FIRST_SYLLABLES = "ba be bo da de do ka ke ko la le lo ma me mo na ne no".split()
_LAST_SYLLABLES = "ra re ri sa se si ta te ti va ve vi".split()
FIRST_NAMES = tuple(f"{a}{b}".capitalize() for a in _FIRST_SYLLABLES[:8] for b in _LAST_SYLLABLES[:5])
LAST_NAMES = tuple(f"{a}{b}".capitalize() for a in _LAST_SYLLABLES[:8] for b in _FIRST_SYLLABLES[6:11])
_HELD_OUT_SHARE = 0.2


@dataclass(frozen=True)
class Tool:
    """A tool that tells one topic of one place, some of them so many days ahead."""

    topic: str
    suffix: str
    parameter: str
    ahead: bool

    @property
    def name(self) -> str:
        """``rain_report``: the topic first, so that the right tool shares its beginning with the query."""
        return f"{self.topic}_{self.suffix}"

    @property
    def description(self) -> str:
        """One short line."""
        return f"the {self.topic} of a {self.parameter}"

    def schema(self) -> dict[str, Any]:
        """Parameters as a JSON schema."""
        properties: dict[str, Any] = {self.parameter: {"type": "string"}}
        if self.ahead:
            properties["days"] = {"type": "integer"}
        return {"type": "object", "properties": properties, "required": list(properties)}

    def described(self) -> dict[str, Any]:
        """Name, description and parameters."""
        return {"name": self.name, "description": self.description, "parameters": self.schema()}

    def arguments(self, place: str, days: int) -> dict[str, Any]:
        """The arguments of a call."""
        return {self.parameter: place} | ({"days": days} if self.ahead else {})


def name(rng: random.Random, split: str) -> str:
    """A name of two words; the combinations of the two splits are disjoint."""
    while True:
        found = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
        if _split_of("name", found) == split:
            return found


def names(rng: random.Random, split: str, count: int) -> list[str]:
    """Different names."""
    found: list[str] = []
    while len(found) < count:
        new = name(rng, split)
        if new not in found:
            found.append(new)
    return found


def tool(rng: random.Random, split: str, topic: str) -> Tool:
    """A tool for a topic; the (topic, suffix) combinations of the two splits are disjoint."""
    known = [suffix for suffix in SUFFIXES if _split_of("tool", f"{topic}_{suffix}") == split]
    suffix = rng.choice(known or list(SUFFIXES[:1] if split == TRAIN else SUFFIXES[-1:]))
    key = f"{topic}_{suffix}"
    parameter = PARAMETERS[int(unit("parameter", key) * len(PARAMETERS))]
    return Tool(topic, suffix, parameter, unit("ahead", key) < 0.3)


def tools(rng: random.Random, split: str, count: int) -> list[Tool]:
    """Tools for different topics."""
    return [tool(rng, split, topic) for topic in rng.sample(TOPICS, count)]


def value(rng: random.Random) -> str:
    """A number of two digits."""
    return str(rng.randint(10, 99))


def query(tool: Tool, place: str, days: int) -> str:
    """The question that a tool answers."""
    ahead = f" in {days} days" if tool.ahead else ""
    return f"What is the {tool.topic} of {place}{ahead}?"


def thought(tool: Tool, place: str) -> str:
    """Why a tool is used."""
    return f"I need the {tool.topic} of {place}, so I will use {tool.name}."


def answer(topic: str, place: str, found: str) -> str:
    """A fact as a sentence."""
    return f"The {topic} of {place} is {found}."


def _split_of(kind: str, key: str) -> str:
    return TEST if unit("split", kind, key) < _HELD_OUT_SHARE else TRAIN
