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
from agentflan.benchmarks._protocol import Request, Row, Settings, Task, complete_settings
from agentflan.benchmarks._sql import table_hash
from agentflan.episodes import play_chunk
from agentflan.errors import NotAvailable

SETTINGS: dict[str, Settings] = {
    "teval": {"encoder": "hashed_ngrams"},  # no weights to fetch in tests
    "sciworld": {"episodes": "easy", "limit": 1, "batch": 2, "workers": 2},  # simulators are large
    "webarena_embedded": {"limit": 9, "max_steps": 6},  # a browser is slow
}


class Bench:
    """A benchmark with complete settings and the tasks of a folder."""

    def __init__(self, name: str, folder: Path, **settings: Any) -> None:
        self.module: ModuleType = benchmarks.load(name)
        self.settings = complete_settings(self.module, SETTINGS.get(name, {}) | settings)
        self.tasks: list[Task] = self.module.read_tasks(folder, self.settings)
        self.chance: float = getattr(self.module, "CHANCE", 0)

    @staticmethod
    def of(
        name: str, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]] | None = None, **settings: Any
    ) -> Bench:
        """A benchmark over `rows` (the invented ones if not given), as if its reader had read them."""
        given = globals()[benchmarks.load(name).DATA]() if rows is None else rows
        monkeypatch.setattr(datasets, "load", lambda data: SimpleNamespace(read=lambda folder: iter(given)))
        return Bench(name, Path("nowhere"), **settings)

    def play(self, generate: Callable[[list[Call]], list[str]]) -> list[Row]:
        """The rows of an agent; the test is skipped where the environment is missing."""
        size = self.settings["batch"]
        chunks = [self.tasks[start : start + size] for start in range(0, len(self.tasks), size)]
        try:
            return [row for chunk in chunks for row in play_chunk(self.module, chunk, generate, self.settings)]
        except NotAvailable as missing:
            pytest.skip(str(missing))

    def ask(self) -> list[Request]:
        """The first request of each episode; the test is skipped where the environment is missing."""
        try:
            return [self.module.episode(task, self.settings).send(None) for task in self.tasks]
        except NotAvailable as missing:
            pytest.skip(str(missing))

    def play_oracle(self) -> list[Row]:
        """The rows of the agent that plays the gold solution."""
        return self.play(oracle.start("", self.module, self.settings))

    def play_random(self) -> list[Row]:
        """The rows of the agent that knows nothing."""
        return self.play(random_agent.start("", self.module, self.settings))

    def score(self, rows: list[Row]) -> dict[str, Any]:
        """The score of rows; the test is skipped where what scores them is missing."""
        try:
            return self.module.score(self.tasks, rows, self.settings)
        except NotAvailable as missing:
            pytest.skip(str(missing))


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


def agentbench_db() -> list[dict[str, Any]]:
    rows = []
    for number, city in enumerate(CITIES):
        row = {
            "id": f"db_{number}",
            "type": ("other", "UPDATE", "INSERT")[number % 3],
            "question": f"Something about {city}.",
            "table": "city rain",
            "columns": ["City", "Rain mm"],
            "rows": [[name, str(index)] for index, name in enumerate(CITIES)],
            "source": "invented",
        }
        if number % 3 == 0:
            rows.append(row | {"label": [str(number + 2)]})
        else:
            update = "UPDATE `city rain` SET `Rain mm` = '99' WHERE City = 'Arden'"
            insert = "INSERT INTO `city rain` (City, `Rain mm`) VALUES ('Ilford', '99')"
            change = update if number % 3 == 1 else insert
            left = [["Arden", "99"], *row["rows"][1:]] if number % 3 == 1 else [*row["rows"], ["Ilford", "99"]]
            rows.append(row | {"change": change, "hash": table_hash(left)})
    return rows


def agentbench_os() -> list[dict[str, Any]]:
    rows = []
    for number, city in enumerate(CITIES[:6]):
        row = {
            "id": f"os_{number}",
            "group": "1",
            "image": "default",
            "description": f"How many lines are in /srv/{city}?",
            "init": [["bash", f"seq {number + 40} > /srv/{city}"]],
            "start": None,
            "match": {"answer": str(number + 40), "strip": True},
            "check": None,
            "example": None,
        }
        if number % 3 == 1:
            same = ["python", "import sys; sys.exit(sys.argv[1].strip() != sys.argv[2].strip())"]
            row |= {"match": None, "check": [None, same], "example": ["bash", f"wc -l < /srv/{city}"]}
        if number % 3 == 2:
            row |= {"match": None, "check": [["bash", f"grep -q new /srv/{city}"]]}
            row |= {"description": f"Add new to /srv/{city}.", "example": ["bash", f"echo new >> /srv/{city}"]}
        rows.append(row)
    return rows


def agentbench_kg() -> list[dict[str, Any]]:
    chain = [
        "get_relations(m.01)",
        "get_neighbors(m.01,city.bridge)",
        "get_relations(#0)",
        "get_neighbors(#0,bridge.builder)",
    ]
    ends = (
        (["get_relations(m.02)", "get_neighbors(m.02,guild.member)", "intersection(#1,#2)"], ["m.11", "m.12"]),
        (["get_attributes(#1)", "argmin(#1,person.born)"], ["m.13"]),
        (["count(#1)"], ["3"]),
        ([], ["m.14", "Anna"]),
    )
    return [
        {
            "id": f"kg_{number}",
            "qid": str(number),
            "source": "invented",
            "question": f"Who built the bridge of {CITIES[number]}?",
            "entities": {CITIES[number]: "m.01", "the guild": "m.02"},
            "actions": chain + end,
            "answers": answers,
        }
        for number, (end, answers) in enumerate(ends)
    ]


def agentbench_mind2web() -> list[dict[str, Any]]:
    buttons = "".join(
        f'<button backend_node_id="{number}"><text>{city}</text></button>' for number, city in enumerate(CITIES)
    )
    return [
        {
            "id": f"page_{number}",
            "website": "invented",
            "task": f"Go to {CITIES[number]}",
            "previous": [],
            "html": f'<html backend_node_id="page">{buttons}</html>',
            "operation": {"op": "TYPE", "value": "a day"} if number % 2 else {"op": "CLICK", "value": ""},
            "positives": {str(number): 3},
            "negatives": {str(other): other + 4 for other in range(len(CITIES)) if other != number},
        }
        for number in range(5)
    ]


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


def sciworld() -> list[dict[str, Any]]:
    return [
        {"id": f"{task}_{variation}", "set": "easy", "task": task, "number": number, "variation": variation}
        for number, task in ((25, "power-component"), (27, "test-conductivity"))
        for variation in range(3)
    ]


def agentbench_alfworld() -> list[dict[str, Any]]:
    rows = []
    for number in range(6):
        start, goal = ("bench", "rack") if number % 2 else ("rack", "bench")
        household = {
            "task": f"put the vase from the {start} on the {goal}.",
            "places": [
                {"name": f"{start} 1", "things": ["vase 1"]},
                {"name": f"{goal} 1", "things": [], "closed": True},
                {"name": "chest 1", "things": [f"plant {number}"]},
            ],
            "goal": {"thing": "vase", "place": goal, "count": 1, "state": ""},
            "solution": [
                f"go to {start} 1",
                f"take vase 1 from {start} 1",
                f"go to {goal} 1",
                f"open {goal} 1",
                f"put vase 1 in/on {goal} 1",
            ],
        }
        category = ("pick_and_place", "pick_two_obj")[number % 2]
        rows.append({"id": f"h{number}", "category": category, "game": f"h{number}", "household": household})
    return rows


def agentbench_webshop() -> list[dict[str, Any]]:
    rows = []
    for number, city in enumerate(CITIES):
        row = {
            "code": f"A{number}",
            "name": f"{city} tea pot",
            "description": f"A pot from {city}.",
            "bullets": ["holds a litre"],
            "query": "pot",
            "path": ["kitchen", "tea", "pots"],
            "prices": [20.0 + number] if number % 2 else [15.0, 25.0],
            "options": {"colour": ["red", "blue"], "size": ["big"]},
            "attributes": ["easy to clean"],
            "wishes": [],
            "source": "invented",
        }
        if number % 2:
            row["wishes"] = [
                {
                    "text": f"a {city} pot that is easy clean",
                    "attributes": ["easy clean"],
                    "options": {"colour": "red"},
                },
                {"text": f"a {city} pot.", "attributes": ["litre", "easy clean"], "options": []},
            ]
        rows.append(row)
    return rows


def mmlu() -> list[dict[str, Any]]:
    rows = []
    for number, city in enumerate(CITIES * 6):
        row = {
            "id": f"mmlu_{number}",
            "split": "dev" if number < 5 else "test",
            "subject": "city_lore",
            "question": f"Question {number}: which city is it?",
            "choices": [city, *[other for other in CITIES if other != city][:3]],
            "answer": 0,
        }
        turn = number % 4
        rows.append(row | {"choices": row["choices"][-turn:] + row["choices"][:-turn], "answer": turn})
    return rows


def gsm8k() -> list[dict[str, Any]]:
    return [
        {
            "id": f"gsm8k_{number}",
            "split": "train" if number < 5 else "test",
            "question": f"{city} has {number} bridges and builds 1,000 more. How many has it?",
            "answer": f"It has {number} + 1000 = <<{number}+1000={number + 1000}>>{number + 1000}.\n#### 1,{number:03}",
        }
        for number, city in enumerate(CITIES * 2)
    ]


def humaneval() -> list[dict[str, Any]]:
    return [
        {
            "id": f"Invented/{number}",
            "prompt": f'def visit_{city.lower()}(days):\n    """Days of a visit, and {number + 2} more."""\n',
            "canonical_solution": f"    return days + {number + 2}\n",
            "test": f"def check(candidate):\n    assert candidate(1) == {number + 3}\n    assert candidate(0) > 0\n",
            "entry_point": f"visit_{city.lower()}",
        }
        for number, city in enumerate(CITIES[:4])
    ]


def webarena_embedded() -> list[dict[str, Any]]:
    products = [
        {"sku": f"S{number}", "name": f"{city} pot", "category": "pots", "price": 10 + number, "reviews": []}
        for number, city in enumerate(CITIES)
    ]
    content = {"shopping": {"products": products}, "reddit": {"forums": {"rain": []}}}
    rows = []
    for number, product in enumerate(products[:4]):
        answer, page = f"${product['price']}", f"__SHOPPING__/product/{product['sku']}"
        say = {"eval_types": ["string_match"], "reference_answers": {"exact_match": answer}}
        find = {"eval_types": ["url_match"], "reference_answers": None, "reference_url": page}
        links = [{"do": "click", "on": f"link '{name}'"} for name in ("pots", product["name"])]
        rows.append(
            {
                "id": str(number),
                "sites": ["shopping"],
                "start_url": "__SHOPPING__",
                "storage_state": None,
                "intent": f"Find the {product['name']} and say what it costs.",
                "eval": (find if number % 2 else say) | {"program_html": []},
                "content": content,
                "solution": [*links, {"do": "stop", "text": answer}],
            }
        )
    return rows


def webarena() -> list[dict[str, Any]]:
    return [{key: row[key] for key in row if key not in ("content", "solution")} for row in webarena_embedded()]
