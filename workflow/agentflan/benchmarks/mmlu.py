"""MMLU (paper Table 4): which of four answers is right, in 57 subjects; the share of right ones over all questions.

The paper names no harness. Played as lm-eval does it: the five examples of the subject, the question, and the letter
that the model finds likeliest behind "Answer:". The protocol `agenttuning` asks in chat turns and keeps the last 2,048
tokens of a prompt, as AgentTuning's script does; the other leaves its beginning out only where the model's context is
full. A model that can only generate (an API) writes a free reply in both; the first letter that it names
counts then.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench, _lm_eval
from agentflan.benchmarks._protocol import Episode, Request, Row, Settings, Task, count_outcomes, draw, errors_of
from agentflan.datasets.mmlu import LETTERS
from agentflan.errors import ConfigError, FileError
from agentflan.statistics import Group, estimate, percent

NAME = "mmlu"
TITLE = "MMLU"
DATA = "mmlu"
PREDICTION = str
PROTOCOL = (
    "{protocol}, {shots}-shot, likeliest letter, prompts cut at the model's context (agenttuning: at 2,048 tokens), "
    "mean over all questions, limit {limit}"
)
PROTOCOLS = ("lm_eval", "agenttuning")
DEFAULTS: Settings = {
    "protocol": "lm_eval",  # or agenttuning, the same questions as chat turns
    "shots": 5,  # examples of the subject
    "max_new_tokens": 16,  # of a free reply
}
_CUT = 2048  # tokens of a prompt, of the protocol agenttuning
CHANCE = 100 / len(LETTERS)

TASK: _lm_eval.Config = {
    "task": "mmlu",
    "description": "The following are multiple choice questions (with answers) about "
    '{{subject|replace("_", " ")}}.\n\n',
    "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\n"
    "Answer:",
    "doc_to_target": f"{{{{'{LETTERS}'[answer]}}}}",
}
_OWN_PROMPT = {"system": "You are asked about {subject}. One of the answers A, B, C and D is right: name its letter."}
_PREFIX = "Answer:"  # of a reply in chat turns
_FREE = (  # where a free reply names its letter; an article at the beginning is none
    re.compile(rf"^\W*([{LETTERS}])(?:\W*$|[.):,\n])"),
    re.compile(rf"[Aa]nswer(?: is)?\W*([{LETTERS}])\b"),
    re.compile(rf"\b([B-{LETTERS[-1]}])\b"),
)


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The questions, at most `limit`, each with the examples of its subject.

    Raises:
        ConfigError: no such protocol.
        FileError: a subject has fewer examples than `shots`.
    """
    if settings["protocol"] not in PROTOCOLS:
        raise ConfigError([f"settings of {NAME}: key protocol: found {settings['protocol']!r}; expected {PROTOCOLS}"])
    prompt = _agentbench.read_prompt(folder, _OWN_PROMPT)
    examples: dict[str, list[dict[str, Any]]] = {}
    questions = []
    for row in datasets.load(DATA).read(folder):
        if row["split"] == "dev":
            examples.setdefault(row["subject"], []).append(row)
        else:
            questions.append(row)
    tasks = draw(questions, settings["limit"], NAME, settings["seed"])
    for subject in {task["subject"] for task in tasks}:
        found = len(examples.get(subject, []))
        if found < settings["shots"]:
            raise FileError(folder, f"{found} examples of {subject}", f"{settings['shots']} (setting shots)")
    shots = {subject: rows[: settings["shots"]] for subject, rows in examples.items()}
    return [task | {"shots": shots.get(task["subject"], []), "prompt": prompt} for task in tasks]


def episode(task: Task, settings: Settings) -> Episode:
    """One question, one letter."""
    limits = {"choices": _choices(), "max_new_tokens": settings["max_new_tokens"]}
    if settings["protocol"] == "agenttuning":
        request = Request(tuple(_chat(task)), prefix=_PREFIX, max_prompt_tokens=_CUT, **limits)
    else:
        request = Request(prompt=_lm_eval.prompt(TASK, task["shots"], task), **limits)
    reply = yield request
    return {"prediction": reply, "outcome": "completed" if read_letter(reply) else "invalid_action"}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The letter of the right answer."""
    return [f" {LETTERS[task['answer']]}"]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any letter."""
    return rng.choice(request.choices)


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """Accuracy over all questions, in percent, and that of each subject; a broken episode counts 0."""
    replies = {row["id"]: row.get("prediction", "") for row in rows}
    right = {task["id"]: float(read_letter(replies[task["id"]]) == LETTERS[task["answer"]]) for task in tasks}
    subjects = {
        subject: percent([right[task["id"]] for task in tasks if task["subject"] == subject])
        for subject in sorted({task["subject"] for task in tasks})
    }
    parts = {
        "subjects": subjects,
        "mean_of_subjects": percent([value / 100 for value in subjects.values()]),
        "free_replies": sum(bool(reply) and reply not in _choices() for reply in replies.values()),
        "harness": _lm_eval.harness(),
        "prompt": tasks[0]["prompt"]["source"] if settings["protocol"] == "agenttuning" else "lm-eval's",
        "errors": errors_of(rows),
    }
    result = estimate([Group(1.0, list(right.values()))], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def read_letter(reply: str) -> str:
    """The letter that a reply names; "" if it names none."""
    for pattern in _FREE:
        found = pattern.search(reply)
        if found:
            return found[1]
    return ""


def _choices() -> tuple[str, ...]:
    """What may stand behind "Answer:"."""
    return tuple(f" {letter}" for letter in LETTERS)


def _chat(task: Task) -> list[tuple[str, str]]:
    """The subject as the system's words, the examples as turns, the question."""
    messages = [("system", task["prompt"]["system"].replace("{subject}", task["subject"].replace("_", " ")))]
    for shot in task["shots"]:
        messages += [("user", _ask(shot)), ("assistant", f"{_PREFIX} {LETTERS[shot['answer']]}")]
    return [*messages, ("user", _ask(task))]


def _ask(row: dict[str, Any]) -> str:
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, row["choices"], strict=True))
    return f"Question: {row['question']}\n{listed}"
