"""The words of the world: topics, names, tools, and which combinations are held out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from agentflan.randomness import unit

TRAIN, TEST = "train", "test"

TOPICS = (
    "rain wind snow heat price stock rent tax size weight height speed age score rank taste smell sound "
    "power fuel water food bread milk wood stone gold paper"
).split()
COLORS = "red blue green black white brown grey pink".split()
THINGS = "lamp chair cup plate shirt hat shoe bag clock book ring knife".split()
FURNITURE = "desk shelf drawer cabinet sofa fridge bed stove".split()

_FIRST_SYLLABLES = "ba be bo da de do ka ke ko la le lo ma me mo na ne no".split()
_LAST_SYLLABLES = "ra re ri sa se si ta te ti va ve vi".split()
FIRST_NAMES = tuple(f"{a}{b}".capitalize() for a in _FIRST_SYLLABLES[:6] for b in _LAST_SYLLABLES[:4])
LAST_NAMES = tuple(f"{a}{b}".capitalize() for a in _LAST_SYLLABLES[:6] for b in _FIRST_SYLLABLES[6:10])
VALUES = tuple(str(number) for number in range(11, 100, 3))
_HELD_OUT_SHARE = 0.25


@dataclass(frozen=True)
class Tool:
    """A tool that tells one topic of a place, some of them so many days ahead."""

    topic: str

    @property
    def name(self) -> str:
        """``rainFinder``: the topic of the query is the way to the tool."""
        return label(self.topic)

    @property
    def ahead(self) -> bool:
        """Whether the tool wants a number of days; three topics in ten do."""
        return unit("ahead", self.topic) < 0.3

    @property
    def description(self) -> str:
        """One short line."""
        return f"the {self.topic} of a place"

    def schema(self) -> dict[str, Any]:
        """Parameters as a JSON schema."""
        properties: dict[str, Any] = {"place": {"type": "string"}}
        if self.ahead:
            properties["days"] = {"type": "integer"}
        return {"properties": properties, "required": list(properties)}

    def described(self) -> dict[str, Any]:
        """Name, description and parameters."""
        return {"name": self.name, "description": self.description, "parameters": self.schema()}

    def arguments(self, place: str, days: int) -> dict[str, Any]:
        """The arguments of a call."""
        return {"place": place} | ({"days": days} if self.ahead else {})


def label(topic: str) -> str:
    """The name of the tool for a topic."""
    return f"{topic}Finder"


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


def tools(rng: random.Random, split: str, count: int) -> list[Tool]:
    """Tools for different topics; the topics of the two splits are disjoint."""
    topics = [topic for topic in TOPICS if _split_of("tool", topic) == split]
    return [Tool(topic) for topic in rng.sample(topics, count)]


def value(rng: random.Random) -> str:
    """A number of two digits."""
    return rng.choice(VALUES)


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
