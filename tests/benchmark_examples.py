"""Benchmarks over a few invented task rows, in the shape that the dataset readers give, one function a raw dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from agentflan import benchmarks, datasets
from agentflan.backends import Call, oracle, random_agent
from agentflan.benchmarks._protocol import Row, Settings, Task, complete_settings
from agentflan.episodes import play_chunk

SETTINGS: dict[str, Settings] = {"teval": {"encoder": "hashed_ngrams"}}  # no weights to fetch in tests


class Bench:
    """A benchmark with complete settings and the tasks of a folder."""

    def __init__(self, name: str, folder: Path, **settings: Any) -> None:
        self.module: ModuleType = benchmarks.load(name)
        self.settings = complete_settings(self.module, SETTINGS.get(name, {}) | settings)
        self.tasks: list[Task] = self.module.read_tasks(folder, self.settings)

    @staticmethod
    def of(
        name: str, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]] | None = None, **settings: Any
    ) -> Bench:
        """A benchmark over `rows` (the invented ones if not given), as if its reader had read them."""
        given = globals()[benchmarks.load(name).DATA]() if rows is None else rows
        monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: iter(given)))
        return Bench(name, Path("nowhere"), **settings)

    def play(self, generate: Callable[[list[Call]], list[str]]) -> list[Row]:
        """The rows of an agent."""
        return play_chunk(self.module, self.tasks, generate, self.settings)

    def play_oracle(self) -> list[Row]:
        """The rows of the agent that plays the gold solution."""
        return self.play(oracle.start("", self.module, self.settings))

    def play_random(self) -> list[Row]:
        """The rows of the agent that knows nothing."""
        return self.play(random_agent.start("", self.module, self.settings))

    def score(self, rows: list[Row]) -> dict[str, Any]:
        """The score of rows."""
        return self.module.score(self.tasks, rows, self.settings)


def say(*replies: str) -> Callable[[list[Call]], list[str]]:
    """An agent that gives the same replies in each episode, step by step; the last one again and again."""
    return lambda calls: [replies[min(call.step, len(replies) - 1)] for call in calls]


TOOLS = [
    {
        "name": f"{topic}_report",
        "description": f"Tells the {topic} of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for topic in ("rain", "traffic", "price")
]
CITIES = ("Arden", "Belmont", "Corwin", "Dunmore", "Elstow", "Fairly", "Granby", "Hollis")


def glaive() -> list[dict[str, Any]]:
    rows = []
    for number, city in enumerate(CITIES):
        call = {"name": "rain_report", "arguments": {"city": city}}
        wanted = [
            {"role": "user", "content": f"How much rain falls in {city}?"},
            {"role": "assistant", "content": f"<functioncall> {json.dumps(call)}", "call": call},
            {"role": "function", "content": '{"rain": 4}'},
        ]
        chat = [
            {"role": "user", "content": f"Tell me a joke about {city}."},
            {"role": "assistant", "content": f"Once upon a time in {city} nobody laughed."},
        ]
        rows += [
            {"id": f"call_{number}", "system": "s", "tools": TOOLS[:2], "turns": wanted},
            {"id": f"tools_{number}", "system": "s", "tools": TOOLS[1:], "turns": chat},
            {"id": f"plain_{number}", "system": "", "tools": [], "turns": chat},
        ]
    return rows


def teval() -> list[dict[str, Any]]:
    rows = []
    for number, city in enumerate(CITIES[:4]):
        prompt = [{"role": "system", "content": "tools: rain.report"}, {"role": "user", "content": f"rain in {city}"}]
        step = {"thought": f"I look for the rain of {city}", "name": "rain.report", "args": {"city": city}}
        plan = [
            {"id": 0, "prev": [], "name": "rain.report", "args": {"city": city}},
            {"id": 1, "prev": [0], "name": "price.report", "args": {"goods": f"umbrella {city}"}},
            {"id": 2, "prev": [1], "name": "FinishAction", "args": {}},
        ]
        names = ["rain.report", "price.report"]
        golds = {
            "plan_json": (plan, {"meta": {"prompt_type": "json", "API_list": names}}),
            "plan_str": (plan, {"meta": {"prompt_type": "str", "API_list": names}}),
            "reason_str": (step, {}),
            "retrieve_str": (step, {}),
            "understand_str": ({**step, "args": city}, {}),
            "reason_retrieve_understand_json": (step, {}),
            "review_str": (
                {"answer": "ABCDE"[number], "thought": "t"},
                {"template": "", "meta_data": {"response_format": "str"}},
            ),
        }
        for kind, template in INSTRUCT_TEMPLATES.items():
            gold = {"action": "rain.report", "args": {"city": city}}
            extra = {"template": template, "meta_data": {"response_format": kind}}
            rows.append(_teval_row(f"{kind}_{number}", "instruct_v1.json", prompt, gold, extra))
        rows += [_teval_row(str(number), f"{file}_v1.json", prompt, *golds[file]) for file in golds]
    return rows


INSTRUCT_TEMPLATES = {
    "json": {"thought": "goal", "action": "tool", "args": "input"},
    "string": {
        "thought_start": "goal: ",
        "thought_end": "\n",
        "action_start": "tool: ",
        "action_end": "\n",
        "args_start": "input: ",
        "args_end": "",
    },
}


def _teval_row(name: str, file: str, prompt: Any, gold: Any, extra: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "file": file, "origin_prompt": prompt, "ground_truth": gold, **extra}


def hotpotqa() -> list[dict[str, Any]]:
    rows = []
    for number, (city, other) in enumerate(pairwise(CITIES)):
        bridge = f"{city} Bridge"
        context = [
            [bridge, [f"{bridge} stands in {city}.", f" It was built by Mason {other}."]],
            [f"Mason {other}", [f"Mason {other} was born in {other}.\n\nHe painted the {other} mural."]],
        ]
        rows.append(
            {
                "id": f"q{number}",
                "question": f"Where was the builder of {bridge} born?",
                "answer": f"The {other}",
                "type": "bridge",
                "level": ("easy", "medium", "hard")[number % 3],
                "supporting_facts": [[bridge, 1], [f"Mason {other}", 0]],
                "context": context,
            }
        )
    return rows


def toolbench_eval() -> list[dict[str, Any]]:
    return [
        {
            "id": f"t{number}",
            "query": f"Report the rain in {city}.",
            "tools": TOOLS,
            "steps": [{"action": "rain_report", "arguments": {"city": city}, "observation": f"rain = {number} mm"}],
            "answer": f"{number} mm",
        }
        for number, city in enumerate(CITIES)
    ]
