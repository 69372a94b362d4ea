"""HotpotQA by searching and reading: ReAct over a small set of actions (BOLAA's harness, as AgentTuning runs it).

Two protocols. `bolaa`: one raw text that grows; each step asks twice, for a thought and for an action, and cuts at the
end of the line. `chat`: each step is one reply with thought and action, the observation comes back as a user turn; a
variant of ours for models that only speak in turns. BOLAA's instruction and demonstrations are other people's text:
they are read from AgentTuning's code, or from a `prompt.json` beside the tasks ({"instruction": …, "demonstrations":
…}). Without either a short wording of ours is used, and the score says so.

Upstream asks OpenAI's models at temperature 1 with at most 128 tokens; here they are asked like the others, greedily
unless their block of the study says `temperature: 1` (for all benchmarks), and with `max_new_tokens`.

FireAct was trained on 44 of the 300 questions (their ids: ``_fireact_questions.json``). The score stays that of all
questions, as the paper's; beside it stands the score of the others.
"""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks._live_wiki import LiveWiki
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
from agentflan.benchmarks._wiki import Wiki
from agentflan.datasets.hotpotqa import read_prompt
from agentflan.errors import ConfigError
from agentflan.files import read_json
from agentflan.statistics import Group, estimate, percent

NAME = "hotpotqa"
TITLE = "HotpotQA"
DATA = "hotpotqa"
PREDICTION = str
PROTOCOL = (
    "{protocol}, {metric} averaged over levels, {wiki} pages, {max_steps} steps, replies of {max_new_tokens} tokens, "
    "API models asked as the others are, limit {limit} a level"
)
DEFAULTS: Settings = {
    "protocol": "bolaa",  # bolaa or chat
    "metric": "f1",  # f1 as in Table 1; em as behind the FireAct row
    "wiki": "frozen",  # the pages that come with the questions, or live: Wikipedia as upstream asks it
    "wiki_cache": "results/wikipedia.jsonl",  # what was seen of the live one
    "limit": None,  # questions of each level
    "max_steps": 10,
    "max_context_tokens": 1700,  # of the whole raw prompt, at four characters a token; bolaa only
    "max_new_tokens": 256,  # as upstream's local models; it gives OpenAI's 128
    "observation": "Observation: {text}",  # chat only
    "instruction": None,  # overrides prompt.json and our own wording
}

_INSTRUCTION = (
    "Answer the question. Think, then act; there are three actions: Search[title] shows the page of that title, "
    "Lookup[word] shows the next paragraph of the page that holds the word, Finish[answer] gives the answer."
)
_CHAT_FORM = "\nReply in two lines:\nThought: what to do next\nAction: one action"
_CHARACTERS_A_TOKEN = 4
_ACTION = re.compile(r"^(\w+)\[(.+)\]")
_CHAT_ACTION = re.compile(r"^\s*action\s*:\s*(.*)$", re.IGNORECASE | re.MULTILINE)
_YES_NO = ("yes", "no", "noanswer")
FIREACT_QUESTIONS = Path(__file__).with_name("_fireact_questions.json")


@dataclass
class _Reading:
    """What the agent has open, and its answer."""

    wiki: Wiki | LiveWiki
    page: tuple[str, ...] | None = None
    keyword: str = ""
    hits: list[str] = field(default_factory=list)
    shown: int = 0
    answer: str | None = None
    invalid: int = 0


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The questions, at most `limit` of each level, each with the wiki of all questions and the prompt.

    Raises:
        ConfigError: no such protocol, metric or wiki.
    """
    choices = {"protocol": ("bolaa", "chat"), "metric": ("f1", "em"), "wiki": ("frozen", "live")}
    for key, known in choices.items():
        if settings[key] not in known:
            raise ConfigError(
                [f"settings of {NAME}: key {key}: found {settings[key]!r}; expected {' or '.join(known)}"]
            )
    rows = list(datasets.load(DATA).read(folder))
    prompt = read_prompt(folder)
    live = settings["wiki"] == "live"
    wiki = LiveWiki(Path(settings["wiki_cache"])) if live else Wiki.of(row["context"] for row in rows)
    by_level: dict[str, list[Task]] = {}
    for row in rows:
        by_level.setdefault(row["level"], []).append(_task(row, wiki, prompt, settings))
    return [
        task
        for level in sorted(by_level)
        for task in draw(by_level[level], settings["limit"], NAME, level, settings["seed"])
    ]


def episode(task: Task, settings: Settings) -> Episode:
    """Search, look up and finish until there is an answer or a limit is reached."""
    reading = _Reading(task["wiki"])
    play = _play_chat if settings["protocol"] == "chat" else _play_bolaa
    outcome = yield from play(task, reading, settings)
    return {
        "prediction": reading.answer or "",
        "outcome": outcome,
        "level": task["level"],
        "gold": task["answer"],
        "invalid_actions": reading.invalid,
    }


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """Search the supporting pages, then give the gold answer."""
    actions = [f"Search[{title}]" for title in task["support"]] + [f"Finish[{task['answer']}]"]
    actions = actions[-settings["max_steps"] :]
    if settings["protocol"] == "chat":
        return [f"Thought: go on\nAction: {action}" for action in actions]
    return [text for action in actions for text in ("go on", action)]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any action on any word that was shown."""
    action = f"{rng.choice(('Search', 'Lookup', 'Finish'))}[{random_words(request, rng, 1)}]"
    return f"Thought: go on\nAction: {action}" if request.messages else action


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The mean over levels of the mean reward, in percent; an unfinished question counts 0."""
    answers = {row["id"]: row.get("prediction", "") for row in rows}
    rewards = {
        name: {task["id"]: measure(answers[task["id"]], task["answer"]) for task in tasks} for name, measure in METRICS
    }
    by_level = _by_level(tasks, rewards[settings["metric"]])
    groups = [Group(1 / len(by_level), values) for values in by_level.values()]
    trained = set(read_json(FIREACT_QUESTIONS))
    others = _by_level([task for task in tasks if task["id"] not in trained], rewards[settings["metric"]])
    parts = {
        "levels": {level: percent(values) for level, values in by_level.items()},
        **{name: percent(list(values.values())) for name, values in rewards.items()},
        "fireact_questions": sum(task["id"] in trained for task in tasks),
        "without_fireact_questions": percent([sum(values) / len(values) for values in others.values()]),
        "finished": percent([row["outcome"] == "completed" for row in rows]),
        "invalid_actions": sum(row.get("invalid_actions", 0) for row in rows),
        "prompt": tasks[0]["prompt_source"],
        "pages": None if settings["wiki"] == "live" else len(tasks[0]["wiki"].pages),  # what was seen so far grows
        "errors": errors_of(rows),
    }
    return {**estimate(groups, settings["seed"], NAME)._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def _by_level(tasks: Sequence[Task], rewards: dict[str, float]) -> dict[str, list[float]]:
    levels = sorted({task["level"] for task in tasks})
    return {level: [rewards[task["id"]] for task in tasks if task["level"] == level] for level in levels}


def normalise_answer(text: str) -> str:
    """SQuAD's: lower case, no punctuation, no articles, single spaces."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(found: str, gold: str) -> float:
    """F1 of the words; yes, no and noanswer must be met exactly."""
    found, gold = normalise_answer(found), normalise_answer(gold)
    if found != gold and (found in _YES_NO or gold in _YES_NO):
        return 0.0
    shared = sum((Counter(found.split()) & Counter(gold.split())).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(found.split()), shared / len(gold.split())
    return 2 * precision * recall / (precision + recall)


def exact_match(found: str, gold: str) -> float:
    """1 if the answers are equal after normalising."""
    return float(bool(found) and normalise_answer(found) == normalise_answer(gold))


METRICS = (("f1", f1), ("em", exact_match))


def parse_action(text: str) -> tuple[str, str]:
    """Name and argument of an action, with a second try without outer dots; two empty texts if it is no action."""
    match = _ACTION.match(text.strip()) or _ACTION.match(text.strip(" ."))
    return (match[1], match[2]) if match else ("", "")


def _task(row: dict[str, Any], wiki: Wiki | LiveWiki, prompt: dict[str, str], settings: Settings) -> Task:
    facts = row["supporting_facts"]
    titles = facts["title"] if isinstance(facts, dict) else [title for title, _ in facts]
    source = (
        "settings" if settings["instruction"] else prompt["source"] if prompt else "our own wording, no demonstrations"
    )
    return {
        "id": str(row["id"]),
        "question": row["question"],
        "answer": row["answer"],
        "level": row["level"],
        "support": list(dict.fromkeys(titles)),
        "wiki": wiki,
        "instruction": settings["instruction"] or prompt.get("instruction", _INSTRUCTION),
        "demonstrations": prompt.get("demonstrations", ""),
        "prompt_source": source,
    }


def _play_bolaa(task: Task, reading: _Reading, settings: Settings) -> Any:
    """The raw protocol; returns the outcome."""
    parts = (task["instruction"], task["demonstrations"], f"Question: {task['question']}")
    text = "\n".join(part for part in parts if part)
    for step in range(1, settings["max_steps"] + 1):
        if len(text) / _CHARACTERS_A_TOKEN > settings["max_context_tokens"]:
            return "context_limit"
        for label in ("Thought", "Action"):
            text += f"\n{label} {step}:"
            reply = yield Request(prompt=text, stop=("\n",), max_new_tokens=settings["max_new_tokens"])
            reply = " ".join(reply.split())
            text += f" {reply}"
        observation = _act(*parse_action(reply), reading)
        if reading.answer is not None:
            return "completed"
        text += f"\nObservation {step}: {observation.strip().replace(chr(10), '')}"  # one line, as upstream's
    return "task_limit"


def _play_chat(task: Task, reading: _Reading, settings: Settings) -> Any:
    """The protocol in turns; returns the outcome."""
    form = "" if settings["instruction"] else _CHAT_FORM
    messages = [("system", task["instruction"] + form), ("user", f"Question: {task['question']}")]
    for _ in range(settings["max_steps"]):
        reply = yield Request(
            messages=tuple(messages), stop=("\nObservation",), max_new_tokens=settings["max_new_tokens"]
        )
        match = _CHAT_ACTION.search(reply)
        name, argument = parse_action(match[1] if match else "")
        observation = _act(name.capitalize(), argument, reading)  # models trained on FireAct write the names small
        if reading.answer is not None:
            return "completed"
        messages += [("assistant", reply), ("user", settings["observation"].replace("{text}", observation))]
    return "task_limit"


def _act(name: str, argument: str, reading: _Reading) -> str:
    """Do an action and say what is seen."""
    if name == "Search":
        return _search(argument, reading)
    if name == "Lookup":
        return _lookup(argument, reading)
    if name == "Finish":
        reading.answer = argument
        return ""
    reading.invalid += 1
    return "Invalid action. There are Search[title], Lookup[word] and Finish[answer]."


def _search(title: str, reading: _Reading) -> str:
    reading.page = reading.wiki.page(title) or None
    reading.keyword = ""
    if reading.page:
        return reading.page[0]
    return f"Could not find [{title}]. Similar: {reading.wiki.similar(title)}"


def _lookup(keyword: str, reading: _Reading) -> str:
    """The next paragraph of the page that holds the keyword."""
    if reading.page is None:
        return "No page is open, so there is nothing to look up. Search for a page first."
    if keyword.lower() != reading.keyword:
        reading.keyword, reading.shown = keyword.lower(), 0
        reading.hits = [paragraph for paragraph in reading.page if reading.keyword in paragraph.lower()]
    if not reading.hits:
        return "No Results"
    if reading.shown == len(reading.hits):
        return "No More Results"
    reading.shown += 1
    return f"(Result {reading.shown}/{len(reading.hits)}) {reading.hits[reading.shown - 1]}"
