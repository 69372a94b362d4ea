"""One number of a table, followed down: scores, episodes, model, training mixture, corpora, raw files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError, FileError
from agentflan.files import read_json
from agentflan.provenance.audit import Node

# What a command's artefact is in the story of a number, from the number down.
_STAGES = {
    "score_transcripts": "scores",
    "run_episodes": "transcripts",
    "train_checkpoint": "models and losses",
    "fetch_model": "models fetched",
    "train_tokenizer": "tokenizer",
    "count_tokens": "token counts",
    "mix_training_set": "training mixtures",
    "filter_trajectories": "corpora, filtered",
    "fetch_raw": "raw files",
    "make_world": "embedded world",
}


def find_cell(table: Path, place: str) -> dict[str, Any]:
    """The sidecar's entry of a cell, its sources filled in.

    Args:
        table: the CSV; its sidecar lies beside it.
        place: the row's keys and the column, joined by commas.

    Raises:
        FileError: there is no sidecar, or it says another text than the table.
        ConfigError: the table has no such cell.
    """
    content = read_json(table.with_suffix(".cells.json"))
    row, _, column = place.rpartition(",")
    for cell in content["cells"]:
        if cell["column"] == column.strip() and ",".join(cell["row"]).lower() == _tight(row).lower():
            return cell | {
                "table": _in_table(table, cell),
                "sources": {name: content["sources"][name] for name in cell["sources"]},
            }
    known = [",".join([*cell["row"], cell["column"]]) for cell in content["cells"]]
    near = [name for name in known if name.rpartition(",")[0].lower() == _tight(row).lower()] or known
    raise ConfigError([f"--cell {place!r}: no such cell in {table}; there are: {'; '.join(near[:12])}"])


def describe(cell: dict[str, Any], nodes: dict[str, Node], study: str) -> str:
    """The cell in words: what it says, the files and episodes behind it, and each stage down to the raw files."""
    lines = [f"{' / '.join(cell['row'])}, {cell['column']}: {cell['table']} (value {cell['value']})"]
    for name, source in cell["sources"].items():
        lines.append(f"  {study}/{name}  sha256 {source.get('sha256', '?')[:16]}")
        if transcripts := source.get("transcripts"):
            episodes = transcripts["episodes"]
            shown = ", ".join(map(str, episodes[:6])) + (" …" if len(episodes) > 6 else "")
            lines.append(f"    {len(episodes)} episodes of {study}/{transcripts['path']}: {shown}")
    for command, title in _STAGES.items():
        found = [node for node in nodes.values() if node.record and node.record.content.get("command") == command]
        if found:
            lines.append(f"  {title}")
            lines += [f"    {node.path}  {node.verdict.label}{_told(node)}" for node in found]
    return "\n".join(lines)


def _told(node: Node) -> str:
    """The parameters that tell most about an artefact."""
    parameters = node.record.content.get("parameters", {})
    settings = {
        key: parameters[key] for key in ("condition", "settings", "dataset", "hub", "revision") if key in parameters
    }
    text = json.dumps(settings, ensure_ascii=False) if settings else ""
    return f"  {text if len(text) <= 160 else text[:157] + '…'}" if text else ""


def _in_table(table: Path, cell: dict[str, Any]) -> str:
    """What the CSV itself says in the cell's place; it may have been edited since."""
    with table.open(encoding="utf-8", errors="replace", newline="") as handle:
        rows = list(csv.DictReader(handle))
    keys = [name for name in (rows[0] if rows else {}) if name != "study"][: len(cell["row"])]
    for row in rows:
        if [row[key] for key in keys] == cell["row"] and cell["column"] in row:
            return row[cell["column"]]
    if rows and {"table", "row", "column", "ours"} <= set(rows[0]):  # the comparison has one line a value
        place = [*cell["row"], cell["column"]]
        return next((row["ours"] for row in rows if [row["table"], row["row"], row["column"]] == place), "")
    raise FileError(table, f"no row {cell['row']}", "the row that its sidecar tells of")


def _tight(row: str) -> str:
    return ",".join(part.strip() for part in row.split(","))
