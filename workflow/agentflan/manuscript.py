"""The paper's data: everything that its text, tables and captions print, taken from results and configuration.

The words stand in ``paper/*.typ`` and hold no number; `write_manuscript` joins this with what the records tell, and
`make_paper` sets both.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from agentflan import contrasts, statistics
from agentflan.errors import ConfigError, FileError
from agentflan.files import read_json
from agentflan.outline import FIGURES, TABLES, figure_files, table_files
from agentflan.plan import Plan
from agentflan.tables import claims
from agentflan.tables._claims import read_claims
from agentflan.tables._scores import NOT_RUN

PRINTED = tuple(f"table{number}" for number in range(1, 7))
GRIDS = ("bounds", "failures")  # tables of ours, without published values
_INTERVAL = "[{}, {}]"
_PLACE = re.compile(r"\{([\w.]+)\}")

Row = dict[str, str]


def manuscript(plan: Plan, results: Path, published: Path, choices: Path) -> dict[str, Any]:
    """All that the paper prints, but what only records know.

    Args:
        plan: the study's plan.
        results: the folder of the tables, which holds the study's own folder too.
        published: the printed values, their errata and the claims.
        choices: the file of choices made where the paper is silent.
    """
    compared = read_rows(results / "comparison.csv")
    study = results / plan.name
    configuration = _configuration(plan)
    return {
        "study": {"name": plan.name, "description": plan.study.description},
        "configuration": configuration,
        "tables": {name: side_by_side(name, read_rows(results / f"{name}.csv"), compared) for name in PRINTED},
        "grids": {name: _grid(read_rows(results / f"{name}.csv")) for name in GRIDS},
        "figures": list(FIGURES),
        **_claims(read_rows(results / "claims.csv"), published),
        "errata": _errata(published),
        "choices": read_choices(choices, configuration),
        "not_run": _not_run(compared),
        "values": _value_counts(compared),
        "statistics": {
            "coverage": f"{100 * statistics.COVERAGE:g}",
            "alpha": f"{1 - statistics.COVERAGE:.2g}",
            "power": f"{100 * contrasts.POWER:g}",
            "resamples": contrasts.RESAMPLES,
            "windows": contrasts.WINDOWS,
        },
        "corpora": [_corpus(study, name) for name in corpora(plan)],
        "training": [_training(study, agent) for agent in trained_agents(plan)],
        "benchmarks": _benchmarks(plan, study),
    }


def trained_agents(plan: Plan) -> list[str]:
    """Every model that tables and figures need and the study trains, base models that start from scratch first."""
    files = [file for name in TABLES for file in table_files(plan, name)]
    files += [file for name in FIGURES for file in figure_files(plan, name)]
    needed = {Path(file).with_suffix("").parts[1] for file in files}
    tuned = [
        (model, agent)
        for model in plan.models
        for name in plan.conditions_of(model)
        for agent in plan.tuned(model, name)
        if agent in needed
    ]
    used = {model for model, _ in tuned} | {model for model in plan.models if plan.base(model) in needed}
    bases = [plan.base(model) for model, settings in plan.models.items() if settings.scratch and model in used]
    return [*bases, *(agent for _, agent in tuned)]


def corpora(plan: Plan) -> list[str]:
    """The corpora that the fine-tunes are mixed from."""
    return [*plan.agent_datasets(), "sharegpt"]


def manuscript_files(plan: Plan) -> list[str]:
    """What the manuscript reads below ``results/<study>/``, beside tables and figures."""
    counts = [f"filtered/{name}.counts.json" for name in corpora(plan)]
    scores = [f"scores/oracle/{name}.json" for name in plan.study.benchmarks]
    return [*counts, *scores, *(f"throughput/{agent}.json" for agent in trained_agents(plan))]


def side_by_side(name: str, ours: list[Row], compared: list[Row]) -> dict[str, Any]:
    """A table of the paper with the published value, ours and its interval in each place.

    Args:
        name: of the table.
        ours: its rows as printed.
        compared: all rows of comparison.csv.
    """
    lines = {(line["row"], line["column"]): line for line in compared if line["table"] == name}
    rows = list(dict.fromkeys(row for row, _ in lines))
    columns = list(dict.fromkeys(column for _, column in lines))
    known = [name for name in (ours[0] if ours else {}) if name not in ("study", *columns)]
    texts = {" / ".join(row[key] for key in known): row for row in ours}
    return {
        "keys": known,
        "columns": columns,
        "rows": [
            {
                "keys": row.split(" / "),
                "cells": [_cell(lines.get((row, column)), texts.get(row, {}).get(column, "")) for column in columns],
            }
            for row in rows
        ],
    }


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file.

    Raises:
        FileError: no such file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    except FileNotFoundError:
        raise FileError(path, "no such file", "a table that make_table writes") from None


def read_choices(path: Path, configuration: dict[str, Any]) -> list[dict[str, str]]:
    """The choices, the values in braces filled in from the configuration.

    Raises:
        ConfigError: a name in braces that the configuration does not have.
    """
    problems: list[str] = []

    def value(match: re.Match[str]) -> str:
        found: Any = configuration
        for key in match[1].split("."):
            if not isinstance(found, dict) or key not in found:
                problems.append(f"{path}: {match[0]}: the configuration has no {key!r} there")
                return ""
            found = found[key]
        return _said(found)

    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    filled = [{key: _PLACE.sub(value, text) for key, text in row.items()} for row in rows]
    if problems:
        raise ConfigError(problems)
    return filled


def _configuration(plan: Plan) -> dict[str, Any]:
    """The study, its models by size and its conditions, as the checked configuration has them."""
    names = {"small": plan.study.small, "medium": plan.study.medium, "large": plan.study.large}
    models = plan.configuration.models
    return {
        "study": plan.study.model_dump(mode="json"),
        "models": {
            size: {"name": name, **models[name].model_dump(mode="json")} for size, name in names.items() if name
        },
        "conditions": {
            name: condition.model_dump(mode="json") for name, condition in plan.configuration.conditions.items()
        },
    }


def _cell(line: Row | None, text: str) -> dict[str, str]:
    if line is None:
        return {"published": "", "ours": "", "interval": ""}
    interval = ""
    if line["low"] and line["high"] and text not in ("", NOT_RUN):
        decimals = len(text.partition(".")[2])
        interval = _INTERVAL.format(*(f"{float(line[side]):.{decimals}f}" for side in ("low", "high")))
    return {"published": line["published"], "ours": text or NOT_RUN, "interval": interval}


def _grid(rows: list[Row]) -> dict[str, Any]:
    columns = [name for name in (rows[0] if rows else {}) if name != "study"]
    return {"columns": columns, "rows": [[row[name] for name in columns] for row in rows]}


def _claims(rows: list[Row], published: Path) -> dict[str, Any]:
    """The claims with the lines of their tests, and how many have which verdict."""
    known = read_claims(published)
    by_claim: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_claim[row["claim"]].append(row)
    found = [
        {
            "id": claim.id,
            "where": claim.where,
            "says": claim.says,
            "verdict": by_claim[claim.id][0]["verdict"],
            "kept": any(test.kept for test in claim.tests),
            "tests": [row for row in by_claim[claim.id] if row["test"]],
            "reasons": list(dict.fromkeys(row["reason"] for row in by_claim[claim.id] if row["reason"])),
        }
        for claim in known.claims
    ]
    counts = Counter(claim["verdict"] for claim in found)
    return {
        "claims": found,
        "verdicts": {verdict: counts[verdict] for verdict in claims.VERDICTS},
        "margin": _said(known.margin),
    }


def _errata(published: Path) -> list[dict[str, Any]]:
    """The known inconsistencies of the paper, each with what is wrong where; equal explanations once."""
    items: dict[str, dict[tuple[str, str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in read_rows(published / "errata.csv"):
        differs = row["recomputed"] not in ("", row["printed"])
        known = (row["printed"], row["recomputed"]) if differs else ("", "")
        items[row["item"]][row["explanation"], *known].append(row["where"])
    return [
        {
            "item": item,
            "found": [
                {"where": _places(where), "says": says, "printed": printed, "recomputed": recomputed}
                for (says, printed, recomputed), where in found.items()
            ],
        }
        for item, found in items.items()
    ]


def _places(places: list[str]) -> str:
    distinct = list(dict.fromkeys(places))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} and {len(distinct) - 1} more places"


def _not_run(compared: list[Row]) -> list[dict[str, Any]]:
    """Each reason why values are missing, with the places that it empties."""
    by_reason: dict[str, list[Row]] = defaultdict(list)
    for line in compared:
        if line["status"] == NOT_RUN:
            by_reason[line["note"].partition(" Erratum ")[0]].append(line)
    return [{"reason": reason, "values": len(lines), "places": _columns(lines)} for reason, lines in by_reason.items()]


def _columns(lines: Iterable[Row]) -> list[dict[str, Any]]:
    by_table: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_table[line["table"]].append(line["column"])
    return [{"table": table, "columns": list(dict.fromkeys(columns))} for table, columns in by_table.items()]


def _value_counts(compared: list[Row]) -> dict[str, int]:
    printed = [line for line in compared if line["published"]]
    return {"published": len(printed), "ours": sum(line["status"] != NOT_RUN for line in printed)}


def _corpus(study: Path, name: str) -> dict[str, Any]:
    counts = read_json(study / "filtered" / f"{name}.counts.json")
    rejected = counts.get("rejected", {})
    return {"dataset": name, "read": counts.get("read", ""), "kept": counts["kept"], "rejected": rejected}


def _training(study: Path, agent: str) -> dict[str, Any]:
    measured = read_json(study / "throughput" / f"{agent}.json")
    return {
        "agent": agent,
        "steps": measured["totals"]["steps"],
        "tokens": measured["totals"]["tokens"],
        "seconds": round(measured["totals"]["wall_seconds"], 1),
        "tokens_per_second": round(measured["tokens_per_second"]["steady"]),
        "padding_percent": f"{100 * measured['padding_share']:.1f}",
    }


def _benchmarks(plan: Plan, study: Path) -> list[dict[str, Any]]:
    """What was measured on each benchmark, as the oracle's score file says it."""
    found = []
    for name in plan.study.benchmarks:
        row = read_json(study / "scores" / "oracle" / f"{name}.json")
        found.append({"name": name, "protocol": row.get("protocol", ""), "n": row.get("n", "")})
    return found


def _said(value: Any) -> str:
    """A value of the configuration as the text prints it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
