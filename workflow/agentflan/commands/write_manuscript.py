"""Write down all that the paper prints: numbers from tables, claims, counts and configuration, hashes from the records.

The result is one JSON file; `make_paper` and `write_latex` read it and nothing else of the results but the figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from agentflan.arguments import InputFolder, InputPath, OutputPath
from agentflan.files import write_json
from agentflan.manuscript import manuscript
from agentflan.outline import FIGURES, TABLES
from agentflan.plan import Plan
from agentflan.provenance.citation import cite, cost, machines, records_behind, software
from agentflan.provenance.lineage import Lineage
from agentflan.provenance.seal import printed_root
from agentflan.provenance.store import store_for

_PACKAGES = ("torch", "transformers", "deepspeed", "snakemake", "typst")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--study", required=True, help="name of a file in config/studies, without .yaml")
    parser.add_argument("--config", type=InputFolder, default="config", help="the configuration's folder")
    parser.add_argument("--results", type=InputFolder, default="results", help="the folder of the tables and figures")
    parser.add_argument("--published", type=InputFolder, default="paper/published", help="printed numbers and claims")
    parser.add_argument("--choices", type=InputPath, default="paper/choices.yaml", help="choices where it is silent")
    parser.add_argument("--out", type=OutputPath, required=True, help="the paper's data, JSON")


def run(arguments: argparse.Namespace) -> str:
    """Collect and write."""
    plan = Plan.load(arguments.config, arguments.study)
    content = manuscript(plan, arguments.results, arguments.published, arguments.choices)
    content |= _told_by_records(arguments.results)
    write_json(arguments.out, content)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in content["verdicts"].items())
    return f"{arguments.out}: {len(content['claims'])} claims: {verdicts}"


def _told_by_records(results: Path) -> dict[str, Any]:
    """Hash and record of each table and figure, what the steps behind them took, and the root over all records."""
    lineage = Lineage(store_for(results))
    files = {name: results / f"{name}.csv" for name in TABLES} | {name: results / f"{name}.pdf" for name in FIGURES}
    behind = records_behind(lineage, files.values())
    return {
        "artefacts": {name: cite(lineage, path) for name, path in files.items()},
        "cost": cost(behind),
        "machines": machines(behind),
        "software": software(lineage.store, behind, _PACKAGES),
        "commits": sorted({record.content.get("commit") or "" for record in behind} - {""}),
        "dirty": any(record.content.get("dirty") for record in behind),
        "finished": max((record.content["end"] for record in behind), default=""),
        "root": printed_root(lineage.store) if lineage.records else "",
        "records": len(behind),
    }
