"""General benchmarks in their raw formats: multiple choice (MMLU), word problems (GSM8K), functions (HumanEval)."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from agentflan.world.lexicon import COLORS, TEST, THINGS, TOPICS, TRAIN, VALUES, answer, name, names

Row = dict[str, Any]

_EXAMPLES = 5  # of each subject
_SOLVED = 8  # problems that may be shown
_COUNTED = [thing for thing in THINGS if not thing.endswith("fe")]  # an "s" makes a plural


def mmlu_files(rng: random.Random, count: int) -> dict[str, list[Row]]:
    """Split → rows with question, subject, choices and answer (0–3); five examples of each subject."""
    kinds = (_read_fact, _read_table, _read_list, _read_owner)
    examples = [kind(rng) for kind in kinds for _ in range(_EXAMPLES)]
    return {"dev": examples, "test": [kinds[index % len(kinds)](rng) for index in range(count)]}


def gsm8k_files(rng: random.Random, count: int) -> dict[str, list[Row]]:
    """Split → problems of one or two steps, with their solutions."""
    return {
        "train": [_problem(rng, TRAIN, 1 + index % 2) for index in range(_SOLVED)],
        "test": [_problem(rng, TEST, 1 + index % 2) for index in range(count)],
    }


def humaneval_file(rng: random.Random, count: int) -> bytes:
    """The functions as ``HumanEval.jsonl.gz``."""
    kinds = (_add, _count, _last, _label)
    rows = [{"task_id": f"World/{index}"} | kinds[index % len(kinds)](rng) for index in range(count)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    return gzip.compress(lines.encode(), mtime=0)  # the same bytes at any time


def _read_fact(rng: random.Random) -> Row:
    topic, who, values = rng.choice(TOPICS), names(rng, TEST, 4), rng.sample(VALUES, 4)
    told = " ".join(answer(topic, place, found) for place, found in zip(who, values, strict=True))
    index = rng.randrange(4)
    return _choice(rng, "facts", f"{told} What is the {topic} of {who[index]}?", values, index)


def _read_table(rng: random.Random) -> Row:
    topics, values = rng.sample(TOPICS, 4), rng.sample(VALUES, 4)
    told = ", ".join(f"{topic} = {found}" for topic, found in zip(topics, values, strict=True))
    index = rng.randrange(4)
    return _choice(rng, "tables", f"{told}. Which value has {topics[index]}?", values, index)


def _read_list(rng: random.Random) -> Row:
    items = rng.sample([*TOPICS, *COLORS, *THINGS], 5)
    index = rng.randrange(4)
    asked = f"In the list {', '.join(items)}, what comes after {items[index]}?"
    return _choice(rng, "word_lists", asked, items[1:], index)


def _read_owner(rng: random.Random) -> Row:
    who, things = names(rng, TEST, 4), rng.sample(THINGS, 4)
    told = " ".join(f"{owner} has a {thing}." for owner, thing in zip(who, things, strict=True))
    index = rng.randrange(4)
    return _choice(rng, "owners", f"{told} Who has a {things[index]}?", who, index)


def _choice(rng: random.Random, subject: str, question: str, answers: list[str], right: int) -> Row:
    """A row whose answers are in any order."""
    order = rng.sample(range(4), 4)
    return {
        "question": question,
        "subject": subject,
        "choices": [answers[place] for place in order],
        "answer": order.index(right),
    }


def _problem(rng: random.Random, split: str, steps: int) -> Row:
    who, things, total = name(rng, split), f"{rng.choice(_COUNTED)}s", rng.randint(11, 30)
    told, solution = f"{who} has {total} {things}.", []
    for _ in range(steps):
        change = rng.randint(2, 9)
        sign, does = rng.choice((("+", "finds"), ("-", "sells")))
        after = total + change if sign == "+" else total - change
        told += f" {who} {does} {change} {things}."
        solution.append(f"{total} {sign} {change} = <<{total}{sign}{change}={after}>>{after}")
        total = after
    lines = "\n".join(f"{who} has {step} {things}." for step in solution)
    return {"question": f"{told} How many {things} has {who}?", "answer": f"{lines}\n#### {total}"}


def _add(rng: random.Random) -> Row:
    topic, more = rng.choice(TOPICS), rng.randint(2, 99)
    return _function(
        f"add_{topic}(value)",
        f"Return value plus {more}.",
        f"value + {more}",
        lambda value: value + more,
        [rng.randint(1, 99) for _ in range(3)],
    )


def _count(rng: random.Random) -> Row:
    thing, others = rng.choice(THINGS), rng.sample(COLORS, 3)
    return _function(
        f"count_{thing}(words)",
        f"Return how many words are {thing}.",
        f"words.count({thing!r})",
        lambda words: words.count(thing),
        [[*[thing] * times, *others[:times]] for times in (0, 1, 3)],
    )


def _last(rng: random.Random) -> Row:
    color, number = rng.choice(COLORS), rng.randint(2, 4)
    return _function(
        f"last_{color}(items)",
        f"Return the last {number} items.",
        f"items[-{number}:]",
        lambda items: items[-number:],
        [rng.sample(range(10, 99), number + more) for more in (1, 2, 4)],
    )


def _label(rng: random.Random) -> Row:
    topic = rng.choice(TOPICS)
    return _function(
        f"label_{topic}(place)",
        f"Return the text {topic} of place.",
        f"f'{topic} of {{place}}'",
        lambda place: f"{topic} of {place}",
        names(rng, TEST, 3),
    )


def _function(head: str, says: str, result: str, solution: Callable[[Any], Any], inputs: list[Any]) -> Row:
    """A row in upstream's form, the tests made with the solution."""
    asserts = "".join(f"    assert candidate({given!r}) == {solution(given)!r}\n" for given in inputs)
    return {
        "prompt": f'def {head}:\n    """{says}"""\n',
        "entry_point": head.partition("(")[0],
        "canonical_solution": f"    return {result}\n",
        "test": f"def check(candidate):\n{asserts}",
    }
