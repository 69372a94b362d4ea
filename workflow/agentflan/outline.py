"""The outline of the tables and figures of a study: which agent stands in which place, and which files each one reads.

`outline(plan)` is written to ``plan.json``; its keys are described in `agentflan.tables`.
"""

from __future__ import annotations

from typing import Any

from agentflan import benchmarks
from agentflan.formulas import HELD_IN_BENCHMARKS
from agentflan.plan import BOUNDS, Plan, slug

TABLES = (*(f"table{number}" for number in range(1, 7)), "bounds", "failures", "comparison", "claims")
FIGURES = tuple(f"figure{number}" for number in range(1, 12))

Entry = dict[str, Any]

_TABLE1 = (
    ("Llama2-7B", "base"),
    ("FireAct-7B", "fireact"),
    ("AgentLM-7B", "agentlm"),
    ("AgentTuning*", "react"),
    ("Agent-FLAN", "agent_flan"),
)
_TABLE2 = (
    ("ReAct (Baseline)", "react"),
    ("Align-Chat (All)", "align_chat_all"),
    ("All - Reasoning", "all_half_reasoning"),
    ("All - Retrieval", "all_half_retrieval"),
    ("All - Understand", "all_half_understanding"),
    ("All - Inst.", "all_half_instruction"),
    ("All (Weighted)", "weighted"),
)
_TABLE3 = (("Llama2-7B", "base"), ("AgentTuning", "react"), ("Agent-FLAN", "agent_flan"), ("w/o NS", "weighted"))
_TABLE4 = (("general data", "general"), ("Agent-FLAN", "agent_flan"))
_TABLE6 = {
    "os": "OS",
    "db": "Database",
    "kg": "Knowledge Graph",
    "webshop": "Webshop",
    "alfworld": "AlfWorld",
    "mind2web": "Mind2Web",
    "toolbench": "ToolBench",
}
_FIGURE7 = (
    (0.0, "base"),
    (0.25, "agent_flan_25"),
    (0.5, "agent_flan_50"),
    (0.75, "agent_flan_75"),
    (1.0, "agent_flan"),
)
_FIGURE8 = (("ReAct tuning", "react"), ("Agent-FLAN", "agent_flan"))
_SIZES = ("Llama2-7B", "Llama2-13B", "Llama2-70B")
_HELD_IN = tuple(HELD_IN_BENCHMARKS.values())
_FIREACT_HELD_IN = {"held_in": "FireAct is not trained on AgentInstruct, so the paper omits it"}


def outline(plan: Plan) -> dict[str, Any]:
    """Every table and figure of the study as entries with agents, or with the reason why there is none."""
    whole = _outline(plan)
    return whole | {"failures": _played(plan, whole)}


def _outline(plan: Plan) -> dict[str, Any]:
    small = plan.study.small
    table1 = [*_api_entries(plan), *(_entry(plan, small, label, condition) for label, condition in _TABLE1)]
    for entry in table1:
        if entry["label"] == "FireAct-7B":
            entry["not_run"] = _FIREACT_HELD_IN
    return {
        "name": plan.name,
        "not_run": plan.study.not_run,
        "benchmarks": [{"name": name, "title": benchmarks.load(name).TITLE} for name in plan.study.benchmarks],
        "bounds": [{"label": name, "agents": [name]} for name in BOUNDS],
        "table1": table1,
        "table2": [_entry(plan, small, label, condition) | {"condition": condition} for label, condition in _TABLE2],
        "table3": [_entry(plan, small, label, condition) for label, condition in _TABLE3],
        "table4": [_sized_entry(plan, size, label, condition) for size in _SIZES for label, condition in _TABLE4],
        "table5": [_recipe_entry(plan, size) for size in _SIZES],
        "table6": [{"label": _TABLE6[name], "dataset": name} for name in plan.study.agent_datasets],
        "figure1": {"reference": _reference(plan, table1), "rows": _figure1_rows(table1)},
        "figure2": _entry(plan, small, "AgentTuning*", "react"),
        "figure3": _entry(plan, small, "Align-Chat (All)", "align_chat_all"),
        "figure4": [_entry(plan, small, "AgentTuning*", "react"), _entry(plan, small, "AgentLM-7B", "agentlm")],
        "figure5": {"dataset": "toolbench"},
        "figure6": {
            "conditions": [
                {"label": plan.condition(name).label, "condition": name} for name in ("react", "agent_flan")
            ],
            "agent_h": {"label": "oracle", "agents": ["oracle"]},
        },
        "figure7": [
            _entry(plan, small, f"{fraction:.0%}", condition) | {"fraction": fraction}
            for fraction, condition in _FIGURE7
        ],
        "figure8": [
            _sized_entry(plan, size, series, condition) | {"series": series}
            for series, condition in _FIGURE8
            for size in _SIZES
        ],
        "figure9": [_entry(plan, small, "AgentTuning*", "react"), _entry(plan, small, "Agent-FLAN", "agent_flan")],
    }


def table_files(plan: Plan, name: str) -> list[str]:
    """The files below ``results/<study>/`` that a table reads."""
    if name == "comparison":
        return sorted({file for table in TABLES[:6] for file in table_files(plan, table)} | _scores_of_figures(plan))
    if name == "claims":
        losses = {file for figure in ("figure2", "figure3") for file in figure_files(plan, figure)}
        calls = _scores(plan, outline(plan)["figure9"], ("toolbench_eval",))
        return sorted({*table_files(plan, "comparison"), *losses, *calls})
    whole = outline(plan)
    if name == "table5":
        return []
    if name == "table6":
        return [f"filtered/{entry['dataset']}.counts.json" for entry in whole["table6"]]
    if name == "failures":
        return [f"scores/{entry['agents'][0]}/{played}.json" for entry in whole[name] for played in entry["benchmarks"]]
    files = _scores(plan, whole[name], _columns(plan)[name])
    if name == "table2":
        files += [f"mixed/{entry['condition']}.tokens.json" for entry in whole[name]]
    return files


def figure_files(plan: Plan, name: str) -> list[str]:
    """The files below ``results/<study>/`` that a figure reads."""
    whole = outline(plan)
    part = whole.get(name)
    if name == "figure1":
        columns = (*_HELD_IN, "hotpotqa", "sciworld", "webarena", "teval")
        return _scores(plan, [part["reference"], *part["rows"]], columns)
    if name in ("figure2", "figure3"):
        return [f"losses/{agent}.parquet" for agent in part["agents"]]
    if name in ("figure4", "figure9"):
        return _transcripts(plan, part)
    if name == "figure5":
        dataset = part["dataset"]
        views = [f"decomposed/{capability}.jsonl" for capability in ("reasoning", "retrieval", "understanding")]
        return [f"chat/{dataset}.jsonl", f"chat/{dataset}.react.jsonl", *views]
    if name == "figure6":
        mixtures = [f"mixed/{entry['condition']}.jsonl" for entry in part["conditions"]]
        return [*mixtures, *_scores(plan, [part["agent_h"]], ("agent_h",))]
    if name in ("figure7", "figure8"):
        return _scores(plan, part, _columns(plan)[name])
    return ["decomposed/negative.jsonl"]


def _columns(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The benchmarks that tables and figures ask their agents for."""
    return {
        "table1": (*_HELD_IN, "hotpotqa", "sciworld", "webarena", "teval", "agent_h", "webarena_embedded"),
        "table2": ("hotpotqa", "teval"),
        "table3": ("teval", "agent_h"),
        "table4": ("mmlu", "gsm8k", "humaneval"),
        "bounds": tuple(plan.study.benchmarks),
        "figure7": ("hotpotqa",),
        "figure8": ("hotpotqa",),
    }


def _played(plan: Plan, whole: dict[str, Any]) -> list[Entry]:
    """Every agent with the benchmarks that some table or figure asks it for, in the order of the tables."""
    found: dict[str, set[str]] = {}
    for name, columns in _columns(plan).items():
        for file in _scores(plan, whole[name], columns):
            _, agent, benchmark = file.removesuffix(".json").split("/")
            found.setdefault(agent, set()).add(benchmark)
    order = list(plan.study.benchmarks)
    return [
        {"label": agent, "agents": [agent], "benchmarks": sorted(played, key=order.index)}
        for agent, played in found.items()
    ]


def _entry(plan: Plan, model: str, label: str, condition: str) -> Entry:
    if label in plan.study.evaluated_only:
        return {"label": label, "agents": [plan.base(plan.study.evaluated_only[label])]}
    if condition == "base":
        return {"label": label, "agents": [plan.base(model)]}
    if condition not in plan.conditions_of(model):
        return {"label": label, "agents": [], "reason": f"the study does not train {condition} on {model}"}
    return {"label": label, "agents": plan.tuned(model, condition)}


def _sized_entry(plan: Plan, size: str, label: str, condition: str) -> Entry:
    for name, model in plan.models.items():
        if model.stands_for == size:
            return _entry(plan, name, label, condition) | {"model": size}
    return {"label": label, "agents": [], "reason": f"the study has no model for {size}", "model": size}


def _api_entries(plan: Plan) -> list[Entry]:
    rows = []
    for label in ("GPT-3.5", "GPT-4"):
        if label in plan.study.api_models:
            rows.append({"label": label, "agents": [f"api-{slug(label)}"]})
        else:
            rows.append({"label": label, "agents": [], "reason": "the study asks no API model"})
    return rows


def _reference(plan: Plan, table1: list[Entry]) -> Entry:
    if plan.study.reference_row in BOUNDS:
        return {"label": plan.study.reference_row, "agents": [plan.study.reference_row]}
    return next(entry for entry in table1 if entry["label"] == plan.study.reference_row)


def _figure1_rows(table1: list[Entry]) -> list[Entry]:
    wanted = ("Llama2-7B", "AgentLM-7B", "AgentTuning*", "Agent-FLAN")
    return [entry for entry in table1 if entry["label"] in wanted]


def _recipe_entry(plan: Plan, size: str) -> Entry:
    for model in plan.models.values():
        if model.stands_for == size:
            recipe = model.recipe
            values = {key: getattr(recipe, key) for key in ("gpus", "lr", "warmup_lr", "batch", "schedule")}
            return {"label": size} | values
    return {"label": size, "reason": f"the study has no model for {size}"}


def _scores(plan: Plan, entries: list[Entry], columns: tuple[str, ...]) -> list[str]:
    played = [column for column in columns if column in plan.study.benchmarks]
    found = {
        (agent, played.index(column))
        for entry in entries
        for column in played
        if ("held_in" if column in _HELD_IN else column) not in entry.get("not_run", {})
        for agent in entry["agents"]
    }
    return [f"scores/{agent}/{played[index]}.json" for agent, index in sorted(found)]


def _scores_of_figures(plan: Plan) -> set[str]:
    figures = (figure_files(plan, name) for name in ("figure1", "figure7", "figure8"))
    return {file for files in figures for file in files if file.startswith("scores/")}


def _transcripts(plan: Plan, entries: list[Entry]) -> list[str]:
    played = [name for name in ("agent_h", "toolbench_eval") if name in plan.study.benchmarks]
    agents = [agent for entry in entries for agent in entry["agents"]]
    return [f"transcripts/{agent}/{name}.jsonl" for agent in agents for name in played]
