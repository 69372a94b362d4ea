"""A made-up study: every score, count, loss and speed file that the tables, claims and paper of `mini` read."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas

from agentflan.benchmarks._protocol import OUTCOMES
from agentflan.files import write_json
from agentflan.manuscript import manuscript_files
from agentflan.outline import TABLES, outline, table_files
from agentflan.plan import Plan
from agentflan.randomness import generator
from agentflan.statistics import Group, estimate

EPISODES = 60
STEPS = 100
_FLOORS = {  # what the loss of a group falls to, and at what pace
    ("stream_format", "react content"): (1.0, 0.04),
    ("stream_format", "react format"): (0.1, 0.2),
    ("stream_format", "general content"): (1.0, 0.04),
    ("capability", "instruction"): (0.1, 0.3),
    ("capability", "retrieval"): (0.3, 0.1),
    ("capability", "understanding"): (0.4, 0.1),
    ("capability", "reasoning"): (1.0, 0.03),
}
_COUNTS = {  # of filters, mixtures and trainings alike
    "read": 9,
    "kept": 7,
    "rejected": {"no final answer": 2},
    "all": 4_000_000,
    "totals": {"steps": 120, "tokens": 400_000, "wall_seconds": 61.5},
    "tokens_per_second": {"steady": 6500.4},
    "padding_share": 0.021,
}


def write_study(root: Path, config: Path, skills: dict[str, float]) -> dict[str, Any]:
    """Write the files below `root` and return the study's plan.

    Args:
        root: the study's folder ``results/mini``.
        config: the configuration's folder.
        skills: how often an agent whose name holds the key succeeds; others half of the time.
    """
    plan = Plan.load(config, "mini")
    write_json(root / "plan.json", outline(plan))
    tables = [file for name in TABLES for file in table_files(plan, name)]
    for file in dict.fromkeys([*tables, *manuscript_files(plan)]):
        stage, *names = Path(file).with_suffix("").parts
        if stage == "scores":
            skill = next((skill for name, skill in skills.items() if f"-{name}-" in f"-{names[0]}-"), 0.5)
            write_json(root / file, score(names[1], skill))
        elif stage == "losses":
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            losses().to_parquet(root / file)
        else:
            write_json(root / file, _COUNTS | {"loss": 3_000_000 if "align" in file else 1_000_000})
    return json.loads((root / "plan.json").read_text())


@cache
def score(benchmark: str, skill: float) -> dict[str, Any]:
    """A score file; the same episodes are easy for all agents, so that pairs are alike."""
    ease = [generator(benchmark, number).random() for number in range(EPISODES)]
    found = estimate([Group(1.0, [float(each < skill) for each in ease])], benchmark)
    parts = {"H_ReAct": 100 - found.value, "H_General": 100 - found.value}
    outcomes = dict.fromkeys(OUTCOMES, 0) | {"completed": EPISODES}
    return {"status": "done", **found._asdict(), "parts": parts, "outcomes": outcomes, "protocol": "made up"}


def losses() -> pandas.DataFrame:
    """Curves in the paper's order: format before content, instruction before reasoning."""
    noise = generator("losses")
    rows = [
        (step, kind, group, tokens * (floor + (2 - floor) * 2.718 ** (-pace * step)), tokens)
        for (kind, group), (floor, pace) in _FLOORS.items()
        for step in range(STEPS)
        for tokens in (noise.randint(50, 150),)
    ]
    return pandas.DataFrame(rows, columns=["step", "kind", "group", "loss_sum", "tokens"])
