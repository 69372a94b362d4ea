"""GSM8K (paper Table 4): word problems of grade-school arithmetic, solved step by step; the share of right results.

The paper names no harness. Played as lm-eval does it: solved problems, then one more, continued by the model; the
result is the number behind "####". Examples are the first of the training problems (lm-eval draws others for each
problem). The protocol `agenttuning` asks in chat turns, as AgentTuning's script does: with its eight solved problems,
which are other people's text and are read from `prompt.json` beside the tasks, with 512 tokens a reply, and with the
filter `last-digits`, which takes the last row of digits as the result: "20,800" is 800 then, and a sign or a fraction
is lost.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _agentbench, _lm_eval
from agentflan.benchmarks._protocol import Episode, Request, Row, Settings, Task, count_outcomes, draw, errors_of
from agentflan.errors import ConfigError, FileError
from agentflan.statistics import Group, estimate, percent

NAME = "gsm8k"
TITLE = "GSM8K"
DATA = "gsm8k"
PREDICTION = str
PROTOCOL = "{protocol}, {shots}-shot, exact match of the result, filter {filter}, limit {limit}"
PROTOCOLS = ("lm_eval", "agenttuning")
FILTERS = ("strict-match", "flexible-extract", "last-digits")
DEFAULTS: Settings = {
    "protocol": "lm_eval",  # or agenttuning, problems and solutions as chat turns
    "shots": 5,  # solved problems that are shown; AgentTuning: 8
    "filter": "strict-match",  # how the result is found that counts; agenttuning: last-digits
    "max_new_tokens": 256,  # AgentTuning: 512
}

TASK: _lm_eval.Config = {
    "task": "gsm8k",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"]},
    "filter_list": [
        {
            "name": "strict-match",
            "filter": [
                {"function": "regex", "regex_pattern": r"#### (\-?[0-9\.\,]+)"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "flexible-extract",
            "filter": [
                {"function": "regex", "group_select": -1, "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                {"function": "take_first"},
            ],
        },
    ],
    "metric_list": [
        {
            "metric": "exact_match",
            "ignore_case": True,
            "ignore_punctuation": False,
            "regexes_to_ignore": [",", r"\$", "(?s).*#### ", r"\.$"],
        }
    ],
}
_OWN_PROMPT = {
    "system": "You are a helpful, respectful and honest assistant.",  # AgentTuning's for all its models
    "instruction": "Solve each problem step by step. Write the result last.",
    "acknowledgement": "Ok.",
    "demonstration": [],  # problem, solution, …; the training problems if empty
}


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The problems, at most `limit`, with the solved ones that are shown.

    Raises:
        ConfigError: no such protocol or filter.
        FileError: there are fewer solved problems than `shots`.
    """
    for key, known in (("protocol", PROTOCOLS), ("filter", FILTERS)):
        if settings[key] not in known:
            raise ConfigError(
                [f"settings of {NAME}: key {key}: found {settings[key]!r}; expected {' or '.join(known)}"]
            )
    prompt = _agentbench.read_prompt(folder, _OWN_PROMPT)
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for row in datasets.load(DATA).read(folder):
        rows[row["split"]].append(row)
    told = prompt["demonstration"] if settings["protocol"] == "agenttuning" else []
    solved = [{"question": q, "answer": a} for q, a in zip(told[::2], told[1::2], strict=True)] or rows["train"]
    if len(solved) < settings["shots"]:
        raise FileError(folder, f"{len(solved)} solved problems", f"{settings['shots']} (setting shots)")
    shots = solved[: settings["shots"]]
    tasks = draw(rows["test"], settings["limit"], NAME, settings["seed"])
    return [task | {"shots": shots, "prompt": prompt} for task in tasks]


def episode(task: Task, settings: Settings) -> Episode:
    """One problem, one solution."""
    asked = {"stop": _lm_eval.stops(TASK), "max_new_tokens": settings["max_new_tokens"]}
    if settings["protocol"] == "agenttuning":
        reply = yield Request(tuple(_chat(task)), **asked)
    else:
        reply = yield Request(prompt=_lm_eval.prompt(TASK, task["shots"], task), **asked)
    return {"prediction": reply, "outcome": "completed"}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The solution; its result once more, without commas, where the last digits count."""
    if settings["filter"] == "last-digits":
        return [f" {task['answer']}\nThe answer is {_result(task):g}"]
    return [f" {task['answer']}"]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Any number below a hundred."""
    return f" #### {rng.randrange(100)}"


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The share of right results by the filter that counts, in percent, and by the others; broken episodes count 0."""
    replies = {row["id"]: row.get("prediction", "") for row in rows}
    found = {task["id"]: _judge(task, replies[task["id"]]) for task in tasks}
    parts = {
        "filters": {name: percent([float(right[name]) for right in found.values()]) for name in FILTERS},
        "harness": _lm_eval.harness(),
        "prompt": tasks[0]["prompt"]["source"] if settings["protocol"] == "agenttuning" else "lm-eval's",
        "errors": errors_of(rows),
    }
    values = [float(right[settings["filter"]]) for right in found.values()]
    result = estimate([Group(1.0, values)], settings["seed"], NAME)
    return {**result._asdict(), "parts": parts, "outcomes": count_outcomes(rows)}


def _judge(task: Task, reply: str) -> dict[str, bool]:
    """Name of each filter → whether it finds the right result."""
    digits = re.findall(r"\d+", reply)
    last = bool(digits) and Decimal(digits[-1]) == _result(task)  # int refuses rows of over 4,300 digits
    return _lm_eval.judge(TASK, task, reply) | {"last-digits": last}


def _result(task: Task) -> float:
    return float(task["answer"].rpartition("#### ")[2].strip().replace(",", ""))


def _chat(task: Task) -> list[tuple[str, str]]:
    """System's words, the instruction and its acknowledgement, the examples as turns, the problem."""
    prompt = task["prompt"]
    messages = [("system", prompt["system"])]
    messages += [("user", prompt["instruction"]), ("assistant", prompt["acknowledgement"])]
    for shot in task["shots"]:
        messages += [("user", f"Question: {shot['question']}"), ("assistant", shot["answer"])]
    return [*messages, ("user", f"\nQuestion: {task['question']}")]
