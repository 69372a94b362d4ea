"""Which files and episodes each number of a table comes from: ``table1.cells.json`` beside ``table1.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agentflan.files import read_jsonl, sha256_of
from agentflan.tables._scores import Cell, Plan, sources_of


def sidecar(name: str, plan: Plan, cells: list[Cell], results: Path) -> dict[str, Any]:
    """Every cell with its sources, and every source with its hash and, for a score, its transcripts and episodes.

    Args:
        name: of the table.
        plan: the study's plan.
        cells: every place of the table.
        results: the study's folder ``results/<study>/``, which the paths are relative to.
    """
    sources = sources_of(cell.measure for cell in cells)
    return {
        "table": name,
        "study": plan["name"],
        "cells": [
            {
                "row": list(cell.row),
                "column": cell.column,
                "text": cell.text(),
                "value": cell.measure.value,
                "sources": list(cell.measure.sources),
            }
            for cell in cells
        ],
        "sources": {source: _evidence(results, source) for source in sources},
    }


def transcripts_behind(files: Iterable[str]) -> list[str]:
    """The transcripts that score files were computed from."""
    return [
        f"transcripts/{file.removeprefix('scores/').removesuffix('.json')}.jsonl"
        for file in files
        if file.startswith("scores/")
    ]


def _evidence(results: Path, source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"sha256": sha256_of(results / source)} if (results / source).exists() else {}
    for transcripts in transcripts_behind([source]):
        path = results / transcripts
        if path.exists():
            found["transcripts"] = {
                "path": transcripts,
                "sha256": sha256_of(path),
                "episodes": [row.get("id") for row in read_jsonl(path)],
            }
    return found
