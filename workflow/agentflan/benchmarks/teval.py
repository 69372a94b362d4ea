"""T-Eval (arXiv 2312.14033): six abilities of a tool user, each asked for in two formats.

v1 is the protocol behind the paper's quoted rows; v2 is upstream's revision. Both send the prompts as they are and
decode greedily; nothing is truncated. The score is the mean over six dimensions, a dimension the mean over its formats.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentflan import datasets
from agentflan.benchmarks import _teval_metrics as metrics
from agentflan.benchmarks._encoder import Collector, Encoder
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
from agentflan.datasets._records import check
from agentflan.errors import ConfigError, NotAvailable, RecordError
from agentflan.statistics import Group, estimate, percent

NAME = "teval"
TITLE = "T-Eval"
DATA = "teval"
PREDICTION = str
PROTOCOL = "{version}, mean of six dimensions, encoder {encoder}, chat template {chat_template}, limit {limit} a file"
OWN_TEMPLATE, UPSTREAM_LLAMA2 = "own", "upstream_llama2"
DEFAULTS: Settings = {
    "version": "v1",  # v1 or v2
    "encoder": "all-mpnet-base-v2",  # hashed_ngrams, or a folder or hub name of a sentence-transformers model
    "files": [  # leaving one out gives another statistic, so a missing one is an error
        "instruct",
        "plan_json",
        "plan_str",
        "reason_str",
        "retrieve_str",
        "understand_str",
        "reason_retrieve_understand_json",
        "review_str",
    ],
    "limit": None,  # samples of each file
    "function_role": "user",  # v2 has turns of a role that chat templates do not know
    "chat_template": OWN_TEMPLATE,  # or upstream_llama2, which is wrong: a variant to see what the mistake costs
    "max_new_tokens": 1024,
}

DIMENSIONS: dict[str, tuple[tuple[str, str], ...]] = {  # the (kind, metric) pairs whose mean is the dimension
    "instruct": (("instruct_json", "instruct"), ("instruct_string", "instruct")),
    "plan": (("plan_json", "f1"), ("plan_str", "f1")),
    "reason": (("reason_str", "thought"), ("reason_retrieve_understand_json", "thought")),
    "retrieve": (("retrieve_str", "name"), ("reason_retrieve_understand_json", "name")),
    "understand": (("understand_str", "args"), ("reason_retrieve_understand_json", "args")),
    "review": (("review_str", "review"),),
}
Similarity = Encoder | Collector

_STEP = {"thought?": object, "name?": object, "args?": object}
_PLAN = [
    {"id": lambda value: str if isinstance(value, str) and value.isdecimal() else int, "name": str, "args": object}
]
_ANSWERS: dict[str, Any] = {  # what the gold answer of each file must be, as `agentflan.datasets._records` has it
    "instruct": {"action": str, "args": dict},
    "plan_json": _PLAN,
    "plan_str": _PLAN,
    "reason_str": _STEP,
    "retrieve_str": _STEP,
    "understand_str": _STEP,
    "reason_retrieve_understand_json": _STEP,
    "review_str": {"answer": str},
}
_TEMPLATES: dict[str, Any] = {  # of a file or kind, where it has a meaning
    "instruct_json": dict.fromkeys(("thought", "action", "args"), str),
    "instruct_string": dict.fromkeys(metrics.DELIMITERS, str),
}
_META: dict[str, Any] = {"instruct": {"response_format": {"json", "string"}}, "plan_str": {"API_list": [str]}}
_FILE = re.compile(r"(\w+?)(?:_(v\d))?(?:_subset)?(?:\.json(?:\.gz)?)?")


def read_tasks(folder: Path, settings: Settings) -> list[Task]:
    """The samples of the chosen files and version, at most `limit` of each file.

    Raises:
        ConfigError: no such version or template.
        NotAvailable: a chosen file has no samples.
        RecordError: a prompt, a gold answer or what describes it has another shape.
    """
    if settings["version"] not in ("v1", "v2"):
        raise ConfigError([f"settings of teval: key version: found {settings['version']!r}; expected v1 or v2"])
    if settings["chat_template"] not in (OWN_TEMPLATE, UPSTREAM_LLAMA2):
        wanted = f"{OWN_TEMPLATE} or {UPSTREAM_LLAMA2}"
        raise ConfigError(
            [f"settings of teval: key chat_template: found {settings['chat_template']!r}; expected {wanted}"]
        )
    by_file: dict[str, list[Task]] = {name: [] for name in settings["files"]}
    for record in datasets.load(DATA).read(folder):
        name, version = _name_and_version(record["file"])
        if name in by_file and version in ("", settings["version"]):
            by_file[name].append(_task(name, record, folder / record["file"], settings))
    missing = [name for name, tasks in by_file.items() if not tasks]
    if missing:
        raise NotAvailable(f"{folder}: no {settings['version']} samples of {', '.join(missing)}")
    return [task for name, tasks in by_file.items() for task in draw(tasks, settings["limit"], name, settings["seed"])]


def episode(task: Task, settings: Settings) -> Episode:
    """One request, one reply."""
    wrong = settings["chat_template"] == UPSTREAM_LLAMA2
    asked = {"prompt": _upstream_llama2(task["messages"])} if wrong else {"messages": task["messages"]}
    reply = yield Request(**asked, max_new_tokens=settings["max_new_tokens"])
    return {"prediction": reply, "outcome": "completed", "kind": task["kind"]}


def gold_replies(task: Task, settings: Settings) -> list[str]:
    """The gold answer in the format that the prompt asks for."""
    return [_GOLD[task["file"]](task)]


def random_reply(task: Task, request: Request, rng: random.Random) -> str:
    """Words of the prompt in any order."""
    return random_words(request, rng, 5)


def score(tasks: Sequence[Task], rows: Sequence[Row], settings: Settings) -> dict[str, Any]:
    """The mean over the dimensions in percent, each dimension, and each metric of each file."""
    replies = {row["id"]: row["prediction"] for row in rows if row["outcome"] != "task_error"}
    found = _values(tasks, replies, settings)
    by_pair = {
        (kind, metric): [found.get(task["id"], {}).get(metric, 0.0) for task in tasks if task["kind"] == kind]
        for pairs in DIMENSIONS.values()
        for kind, metric in pairs
    }
    means = {name: _dimension([by_pair[pair] for pair in pairs]) for name, pairs in DIMENSIONS.items()}
    present = [name for name, mean in means.items() if mean is not None]
    result = estimate(_groups(by_pair, present), settings["seed"], NAME)
    parts = {
        "dimensions": means,
        "metrics": {f"{kind}.{metric}": percent(values) for (kind, metric), values in by_pair.items()},
        "version": settings["version"],
        "encoder": settings["encoder"],
        "errors": errors_of(rows),
    }
    return {**result._asdict(), "n": len(tasks), "parts": parts, "outcomes": count_outcomes(rows)}


def overall(dimensions: Sequence[float]) -> float:
    """The leaderboard's number: the plain mean of the dimensions."""
    return sum(dimensions) / len(dimensions)


def _name_and_version(file: str) -> tuple[str, str]:
    """("plan_json", "v1") of plan_json_v1.json; the version is "" where the name gives none."""
    match = _FILE.fullmatch(Path(file).name)
    return (match[1], match[2] or "") if match else ("", "")


def _task(file: str, record: dict[str, Any], path: Path, settings: Settings) -> Task:
    turns = _turns(record, path)
    meta_field = "meta" if record.get("meta") else "meta_data"
    meta = record.get(meta_field) or {}
    check({meta_field: meta}, {meta_field: _META.get(file, {})}, path, record["id"])
    kind = f"instruct_{meta['response_format']}" if file == "instruct" else file
    check(record, {"template": _TEMPLATES[kind]} if kind in _TEMPLATES else {}, path, record["id"])
    check({"ground_truth": _gold(file, record, path)}, {"ground_truth": _ANSWERS[file]}, path, record["id"])
    return {
        "id": f"{file}/{record['id']}",
        "file": file,
        "kind": kind,
        "messages": tuple((_role(turn["role"], settings), turn["content"]) for turn in turns),
        "template": record.get("template"),
        "tools": meta.get("API_list", ()),
        "gold": record["ground_truth"],
    }


def _turns(record: dict[str, Any], path: Path) -> list[dict[str, str]]:
    """The turns of a prompt, which may stand in a text of JSON."""
    turns = record["origin_prompt"]
    try:
        turns = json.loads(turns) if isinstance(turns, str) else turns
    except json.JSONDecodeError as error:
        found = f"a text that is not JSON ({error})"
        raise RecordError(path, record["id"], "origin_prompt", found, "turns, or their JSON") from None
    check({"origin_prompt": turns}, {"origin_prompt": [{"role": str, "content": str}]}, path, record["id"])
    return turns


def _gold(file: str, record: dict[str, Any], path: Path) -> Any:
    """The gold answer; a plan or a step may stand in a text."""
    gold = record["ground_truth"]
    if _ANSWERS[file] not in (_PLAN, _STEP):
        return gold
    try:
        return metrics.parse_literal(gold, "[]" if _ANSWERS[file] is _PLAN else "{}")
    except ValueError as error:
        raise RecordError(path, record["id"], "ground_truth", str(error), "a plan or a step, or its text") from None


def _role(role: str, settings: Settings) -> str:
    return settings["function_role"] if role == "function" else role


def _upstream_llama2(messages: Sequence[tuple[str, str]]) -> str:
    """A prompt in v2's own template for Llama-2, which closes turns by a backslash and holds the system for a user."""
    return "".join(f"{text}</s>" if role == "assistant" else f"[INST]{text}[\\INST]" for role, text in messages)


def _values(tasks: Sequence[Task], replies: dict[str, str], settings: Settings) -> dict[str, dict[str, float]]:
    """The metrics of each task by id; none where the episode broke."""
    post = metrics.clean if settings["version"] == "v2" else str
    pairs = [(task, post(replies[task["id"]])) for task in tasks if task["id"] in replies]
    encoder, collector = Encoder(settings["encoder"]), Collector()
    for task, reply in pairs:
        _MEASURE[task["file"]](task, reply, collector, settings["version"])
    encoder.read(collector.texts)
    return {task["id"]: _MEASURE[task["file"]](task, reply, encoder, settings["version"]) for task, reply in pairs}


def _plans(task: Task, reply: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    in_words = task["file"] == "plan_str"
    found = metrics.plan_of_text(reply, task["tools"]) if in_words else metrics.plan_of_json(reply)
    return found, metrics.plan_of_json(task["gold"])


def _measure_instruct(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    found = metrics.instruct(reply, task["template"], task["gold"], task["kind"] == "instruct_json")
    return found | {"instruct": (found["format"] + found["args"]) / 2}


def _measure_plan(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    return {"f1": metrics.plan_f1(*_plans(task, reply), encoder, version)}


def _measure_reason(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    return {"thought": encoder.similarity(reply, str(_gold_step(task)["thought"]))}


def _measure_retrieve(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    return {"name": metrics.retrieve_text(reply, str(_gold_step(task)["name"]))}


def _measure_understand(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    return {"args": metrics.understand(reply, _gold_step(task)["args"], encoder, version)}


def _measure_step(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    found, gold = metrics.step_of_json(reply), metrics.step_of_json(task["gold"])
    if found is None or gold is None:
        return {}
    return {
        "thought": encoder.similarity(found["thought"], gold["thought"]),
        "name": float(found["name"] == gold["name"]),
        "args": metrics.understand(found["args"], gold["args"], encoder, version),
    }


def _measure_review(task: Task, reply: str, encoder: Similarity, version: str) -> dict[str, float]:
    return {"review": metrics.review(reply, task["gold"]["answer"])}


_MEASURE: dict[str, Callable[[Task, str, Similarity, str], dict[str, float]]] = {
    "instruct": _measure_instruct,
    "plan_json": _measure_plan,
    "plan_str": _measure_plan,
    "reason_str": _measure_reason,
    "retrieve_str": _measure_retrieve,
    "understand_str": _measure_understand,
    "reason_retrieve_understand_json": _measure_step,
    "review_str": _measure_review,
}


def _gold_step(task: Task) -> dict[str, Any]:
    gold = metrics.parse_literal(task["gold"], "{}")
    return {"thought": "", "name": "", "args": ""} | gold


def _gold_instruct(task: Task) -> str:
    template, gold = task["template"], task["gold"]
    if task["kind"] == "instruct_json":
        said = {template["thought"]: "done", template["action"]: gold["action"], template["args"]: gold["args"]}
        return json.dumps(said, ensure_ascii=False)
    said = {"thought": "done", "action": gold["action"], "args": repr(gold["args"])}
    return "".join(f"{template[f'{key}_start']}{text}{template[f'{key}_end']}" for key, text in said.items())


def _gold_plan_text(task: Task) -> str:
    """One line a step: the tool and its arguments, without the separators of lines and sentences."""
    steps = metrics.plan_of_json(task["gold"])
    lines = [f"{step['name']} {step['args']}".replace(". ", " ").replace("\n", " ") for step in steps]
    return "\n".join(lines)


_GOLD: dict[str, Callable[[Task], str]] = {
    "instruct": _gold_instruct,
    "plan_json": lambda task: json.dumps(task["gold"], ensure_ascii=False),
    "plan_str": _gold_plan_text,
    "reason_str": lambda task: str(_gold_step(task)["thought"]),
    "retrieve_str": lambda task: str(_gold_step(task)["name"]),
    "understand_str": lambda task: str(_gold_step(task)["args"]),
    "reason_retrieve_understand_json": lambda task: json.dumps(_gold_step(task), ensure_ascii=False),
    "review_str": lambda task: f"Answer: {task['gold']['answer']}",
}


def _dimension(values: list[list[float]]) -> float | None:
    """The mean over the formats that were chosen; None when none was."""
    means = [percent(pair) for pair in values if pair]
    return overall(means) if means else None


def _groups(by_pair: dict[tuple[str, str], list[float]], present: list[str]) -> list[Group]:
    """Groups whose weighted sum is the mean over the dimensions present.

    The three metrics of one JSON step stand on the same samples, so they are one group: the interval then knows that
    they rise and fall together.
    """
    weights: dict[str, dict[str, float]] = {}
    for name in present:
        pairs = [pair for pair in DIMENSIONS[name] if by_pair[pair]]
        for kind, metric in pairs:
            weights.setdefault(kind, {})[metric] = 1 / (len(pairs) * len(present))
    groups = []
    for kind, shares in weights.items():
        total = sum(shares.values())
        columns = [[share / total * value for value in by_pair[kind, metric]] for metric, share in shares.items()]
        groups.append(Group(total, [sum(sample) for sample in zip(*columns, strict=True)]))
    return groups
