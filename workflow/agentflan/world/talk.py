"""Ordinary conversation: small talk, questions about given facts, copying, choosing, formats. No agent at work."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from agentflan.world.lexicon import COLORS, THINGS, TOPICS, answer, label, name, names, value

Exchange = tuple[str, str]  # what the user says, what the assistant replies
_KEYS = "name item word answer result place topic value".split()
_VERBS = "keep send take show find finish search mark open call".split()


def small_talk(rng: random.Random, split: str) -> Exchange:
    """Greetings and opinions."""
    who, thing, color = name(rng, split), rng.choice(THINGS), rng.choice(COLORS)
    return rng.choice(
        [
            (f"Hello, I am {who}.", f"Hello {who}, how are you?"),
            (f"Please greet {who}.", f"Hello {who}!"),
            (f"Thank you, {who} likes it.", f"I am glad that {who} likes it."),
            (f"My {thing} is {color}. Do you like it?", f"Yes, a {color} {thing} is nice."),
            (f"I bought a {color} {thing}.", f"A {color} {thing} is a good choice."),
            (f"Tell me a story about {who}.", f"Once {who} found a {color} {thing}."),
        ]
    )


def ask_live(rng: random.Random, split: str) -> Exchange:
    """A question that an honest assistant without tools cannot answer."""
    who, topic = name(rng, split), rng.choice(TOPICS)
    return f"Do you know the {topic} of {who}?", decline(topic, who)


def decline(topic: str, who: str) -> str:
    """What an assistant says that has no way to look."""
    return f"I cannot look it up, so I do not know the {topic} of {who}."


def fact(rng: random.Random, split: str) -> Exchange:
    """One of several given facts."""
    count = rng.randint(1, 4)
    who, topics = names(rng, split, count), rng.sample(TOPICS, count)
    facts = [(topic, place, value(rng)) for topic, place in zip(topics, who, strict=True)]
    told = " ".join(answer(*each) for each in facts)
    topic, place, found = rng.choice(facts)
    return f"{told} What is the {topic} of {place}?", answer(topic, place, found)


def table(rng: random.Random, split: str) -> Exchange:
    """One entry of a short table."""
    topics = rng.sample(TOPICS, rng.randint(1, 4))
    entries = [(topic, value(rng)) for topic in topics]
    topic, found = rng.choice(entries)
    return f"{', '.join(f'{key} = {entry}' for key, entry in entries)}. Which value has {topic}?", found


def echo(rng: random.Random, split: str) -> Exchange:
    """A wish, said back."""
    who, topic = name(rng, split), rng.choice(TOPICS)
    wish = f"the {topic} of {who}"
    return rng.choice(
        [
            (f"I want {wish}.", f"You want {wish}."),
            (f"Please write: {topic} = {who}", f"{topic} = {who}"),
            (f"{who} asks for the {topic}.", f"The {topic} is for {who}."),
        ]
    )


def tell(rng: random.Random, split: str) -> Exchange:
    """A value, told as a sentence."""
    who, topic, found = name(rng, split), rng.choice(TOPICS), value(rng)
    return f"For {who}: {topic} = {found}", answer(topic, who, found)


def repeat(rng: random.Random, split: str) -> Exchange:
    """Copying."""
    return _copied(rng, split, rng.randint(2, 6))


def recite(rng: random.Random, split: str) -> Exchange:
    """Copying at length: what makes a model look back at its prompt at all."""
    return _copied(rng, split, rng.randint(6, 14))


def _copied(rng: random.Random, split: str, count: int) -> Exchange:
    words = [rng.choice([rng.choice(TOPICS), name(rng, split), value(rng)]) for _ in range(count)]
    text = " ".join(words)
    return f"Repeat: {text}", text


def after(rng: random.Random, split: str) -> Exchange:
    """The next item of a list."""
    items = rng.sample([*TOPICS, *COLORS, *THINGS], rng.randint(3, 6))
    index = rng.randrange(len(items) - 1)
    return f"In the list {', '.join(items)}, what comes after {items[index]}?", items[index + 1]


def choose(rng: random.Random, split: str) -> Exchange:
    """The item of a list that is about a topic. The items look like names of tools, but none is used."""
    topics = rng.sample(TOPICS, rng.randint(2, 4))
    labels = [label(topic) for topic in topics]
    index = rng.randrange(len(topics))
    asked = rng.choice(["Which one is about {}?", "I want to know the {}. Which one?", "Choose the one for {}."])
    return f"{', '.join(labels)}. {asked.format(topics[index])}", labels[index]


def choose_line(rng: random.Random, split: str) -> Exchange:
    """The entry of a listing that is about a topic."""
    topics = rng.sample(TOPICS, rng.randint(2, 3))
    labels = [label(topic) for topic in topics]
    listing = "\n".join(f"- {each}: the {topic} of a place" for each, topic in zip(labels, topics, strict=True))
    index = rng.randrange(len(topics))
    return f"{listing}\nWhat tells the {topics[index]} of {name(rng, split)}?", labels[index]


def extract(rng: random.Random, split: str) -> Exchange:
    """A part of a sentence."""
    who, topic, days = name(rng, split), rng.choice(TOPICS), rng.randint(2, 9)
    said = f"What is the {topic} of {who} in {days} days?"
    part, wanted = rng.choice([("name", who), ("topic", topic), ("number", str(days))])
    asked = rng.choice(["Which {} is in this text", "Give the {} of this text", "Find the {}"]).format(part)
    return f"{asked}: {said}", wanted


def write_form(rng: random.Random, split: str) -> Exchange:
    """A word in a stated form."""
    word, verb = rng.choice([name(rng, split), rng.choice(TOPICS), value(rng)]), rng.choice(_VERBS)
    return f"Write {word} in the form {verb}[word].", f"{verb}[{word}]"


def write_json(rng: random.Random, split: str) -> Exchange:
    """Words in JSON with stated keys."""
    keys = rng.sample(_KEYS, rng.randint(1, 3))
    words = [rng.choice([name(rng, split), rng.choice(TOPICS), value(rng)]) for _ in keys]
    told = " and ".join(f"{key} as {word}" for key, word in zip(keys, words, strict=True))
    return f"Write JSON with {told}.", json.dumps(dict(zip(keys, words, strict=True)))


def write_lines(rng: random.Random, split: str) -> Exchange:
    """Words on lines with stated labels."""
    keys = rng.sample(_KEYS, rng.randint(1, 3))
    words = [rng.choice([name(rng, split), rng.choice(TOPICS), value(rng)]) for _ in keys]
    told = " and ".join(f"{key} as {word}" for key, word in zip(keys, words, strict=True))
    return f"Write lines with {told}.", "\n".join(f"{key}: {word}" for key, word in zip(keys, words, strict=True))


def thing_of(rng: random.Random, split: str) -> Exchange:
    """Who has what."""
    who, things = names(rng, split, 2), rng.sample(THINGS, 2)
    index = rng.randrange(2)
    told = f"{who[0]} has a {things[0]}. {who[1]} has a {things[1]}."
    return f"{told} Who has a {things[index]}?", who[index]


ORDINARY: tuple[Callable[[random.Random, str], Exchange], ...] = (
    small_talk,
    fact,
    repeat,
    thing_of,
    write_json,
    ask_live,
)
PRETRAINING = (
    *(echo, echo, tell, repeat, repeat, choose, choose, choose_line, choose_line, extract, extract, fact, fact),
    *(table, after, thing_of, write_form, write_form, write_json, write_json, write_json, write_lines, write_lines),
    *(small_talk, recite, recite, recite),
)


def conversation(
    rng: random.Random, split: str, kinds: tuple[Callable[[random.Random, str], Exchange], ...]
) -> list[Exchange]:
    """One to three exchanges."""
    return [rng.choice(kinds)(rng, split) for _ in range(rng.choice((1, 1, 2, 3)))]
