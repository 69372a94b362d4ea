"""Questions over short pages: HotpotQA tasks on held-out names, FireAct-like trajectories on training names."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from agentflan.randomness import generator, unit
from agentflan.world.lexicon import COLORS, TEST, TRAIN, name

_KINDS = {"book": "author", "song": "singer", "film": "maker", "game": "owner"}
_PERSON_RELATIONS = ("home", "friend", "teacher")


class Page(NamedTuple):
    """A page: what it is about, and the relation it tells."""

    title: str
    kind: str
    relation: str
    target: str
    color: str

    def sentences(self) -> list[str]:
        """The page's text."""
        return [
            f"{self.title} is a {self.kind}.",
            f" The {self.relation} of {self.title} is {self.target}.",
            f" The color of {self.title} is {self.color}.",
        ]


class Question(NamedTuple):
    """A question with the pages that answer it, in reading order, and pages beside them."""

    text: str
    answer: str
    type: str
    support: tuple[Page, ...]
    others: tuple[Page, ...]


def ask(rng: random.Random, split: str, level: str) -> Question:
    """One hop for easy questions, two for the others; one in five compares two pages."""
    work = page(_draw(rng, split, work=True), split)
    maker = page(work.target, split)
    others = tuple(page(_draw(rng, split, work=wanted), split) for wanted in (True, False))
    if rng.random() < 0.2:
        other = page(_draw(rng, split, work=True), split)
        same = "yes" if work.kind == other.kind else "no"
        text = f"Are {work.title} and {other.title} both a {work.kind}?"
        return Question(text, same, "comparison", (work, other), others)
    if level == "easy":
        text = f"What is the {work.relation} of {work.title}?"
        return Question(text, work.target, "bridge", (work,), others)
    text = f"What is the {maker.relation} of the {work.relation} of {work.title}?"
    return Question(text, maker.target, "bridge", (work, maker), others)


def page(title: str, split: str) -> Page:
    """The page of a title: the same in every question. Half of the names are works, half are people."""
    rng = generator("page", title)
    if _is_work(title):
        kind = rng.choice(list(_KINDS))
        return Page(title, kind, _KINDS[kind], _draw(rng, split, work=False), rng.choice(COLORS))
    target = _draw(rng, split, work=False, but=title)
    return Page(title, "person", rng.choice(_PERSON_RELATIONS), target, rng.choice(COLORS))


def hotpot_row(rng: random.Random, level: str, index: int) -> dict[str, Any]:
    """A row of the evaluation set."""
    question = ask(rng, TEST, level)
    pages = [*question.support, *question.others]
    rng.shuffle(pages)
    facts = [[page.title, number] for page in question.support for number in (0, 1)]
    return {
        "id": f"{level}{index:03d}",
        "question": question.text,
        "answer": question.answer,
        "type": question.type,
        "level": level,
        "supporting_facts": facts,
        "context": [[page.title, page.sentences()] for page in pages],
    }


def fireact_row(rng: random.Random) -> dict[str, str]:
    """A trajectory in FireAct's alpaca form."""
    question = ask(rng, TRAIN, rng.choice(("easy", "medium", "hard")))
    lines = []
    for step, page in enumerate(question.support):
        lines.append(f"Thought: {_thought(question, step)}\nAction: search[{page.title}]")
        lines.append(f"Observation: {''.join(page.sentences())}")
    lines.append(f"Thought: {_last_thought(question)}\nAction: finish[{question.answer}]")
    lines.append("Observation: Episode finished, reward = True")
    return {"instruction": question.text, "input": "", "output": "\n".join(lines)}


def prompt() -> dict[str, str]:
    """The instruction and one demonstration for the agent."""
    demonstration = Question(
        "What is the home of the singer of Dase Vame?",
        "Tavi Rela",
        "bridge",
        (
            Page("Dase Vame", "song", "singer", "Bote Sima", "red"),
            Page("Bote Sima", "person", "home", "Tavi Rela", "blue"),
        ),
        (),
    )
    lines = [f"Question: {demonstration.text}"]
    for step, page in enumerate(demonstration.support):
        lines.append(f"Thought {step + 1}: {_thought(demonstration, step)}\nAction {step + 1}: search[{page.title}]")
        lines.append(f"Observation {step + 1}: {''.join(page.sentences())}")
    lines.append(f"Thought 3: {_last_thought(demonstration)}\nAction 3: finish[{demonstration.answer}]")
    instruction = "Answer the question by steps. The actions are search[title] and finish[answer]."
    return {"instruction": instruction, "demonstrations": "\n".join(lines)}


def _is_work(title: str) -> bool:
    return unit("work", title) < 0.5


def _draw(rng: random.Random, split: str, work: bool, but: str = "") -> str:
    while True:
        title = name(rng, split)
        if _is_work(title) == work and title != but:
            return title


def _thought(question: Question, step: int) -> str:
    page = question.support[step]
    if question.type == "comparison":
        return f"I need to know what {page.title} is."
    return f"I need the {page.relation} of {page.title}."


def _last_thought(question: Question) -> str:
    last = question.support[-1]
    if question.type == "comparison":
        return f"{' and '.join(f'{page.title} is a {page.kind}' for page in question.support)}."
    return f"The {last.relation} of {last.title} is {last.target}."
