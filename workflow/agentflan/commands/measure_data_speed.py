"""Measure the data stages on generated ToolBench-like records: seconds, records a second, memory, and `datasets.map`.

Absolute figures say little about other machines; the ratio to `datasets.map` on the same functions does.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentflan.files import atomic_write, read_jsonl


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--records", type=int, default=25_000, help="trajectories")
    parser.add_argument("--size", type=int, default=5_000, help="characters of a record, about")
    parser.add_argument("--out", type=Path, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Run raw → mixed once, and the alignment once more through `datasets.map`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_raw(folder, arguments.records, arguments.size)
        rows = [_timed(stage, work, arguments.records) for stage, work in _stages(folder)]
        rows.append({**_total(rows), "records_per_second": round(arguments.records / _total(rows)["seconds"])})
        rows.append(_timed("align_chat by datasets.map", lambda: _map(folder), arguments.records))
    ours = next(row for row in rows if row["stage"] == "align_chat")["seconds"]
    ratio = rows[-1]["seconds"] / ours
    with atomic_write(arguments.out) as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return f"{arguments.out}: datasets.map takes {ratio:.2f} times as long as align_chat"


def _stages(folder: Path) -> list[tuple[str, Callable[[], int]]]:
    from agentflan.cli import main

    def command(*parts: str) -> Callable[[], int]:
        return lambda: main([part.replace("@", f"{folder}/") for part in parts])

    mixture = {"weights": {"reasoning": 1, "retrieval": 0.25, "understanding": 0.75}, "react_share": 0.1}
    chat = ("--chat", "@chat.jsonl", "--react", "@react.jsonl", "--out-dir", "@decomposed")
    filtered = ("--out", "@filtered.jsonl", "--rejected", "@rejected.jsonl", "--counts", "@counts.json")
    mixed = ("--decomposed", "@decomposed", "--out", "@mixed.jsonl", "--tree", "@tree.txt", "--counts", "@mix.json")
    align = ("--in", "@filtered.jsonl", "--out", "@chat.jsonl", "--react", "@react.jsonl", "--seed", "0")
    pairs = ("--in", "@chat.jsonl", "--out", "@decomposed/instruction.jsonl", "--count", "2000")
    negative = folder / "decomposed" / "negative.jsonl"
    return [
        ("filter_trajectories", command("filter_trajectories", "--dataset", "toolbench", "--raw", "@raw", *filtered)),
        ("align_chat", command("align_chat", "--dataset", "toolbench", *align)),
        ("decompose_capabilities", command("decompose_capabilities", *chat)),
        ("build_instructions", command("build_instructions", *pairs)),
        ("no negatives", lambda: negative.write_text("")),
        ("mix_training_set", command("mix_training_set", "--condition", json.dumps(mixture), *mixed)),
    ]


def _map(folder: Path) -> None:
    import datasets as hub

    from agentflan import chat, datasets
    from agentflan.records import from_json, to_json

    module = datasets.load("toolbench")

    def align(row: dict[str, str]) -> dict[str, str]:
        trajectory = from_json(json.loads(row["line"]))
        both = (chat.align(trajectory, module.parse_reply, 0), chat.react(trajectory, module.parse_reply, module.FORM))
        return {"chat": json.dumps(to_json(both[0])), "react": json.dumps(to_json(both[1]))}

    lines = [json.dumps(row) for row in read_jsonl(folder / "filtered.jsonl")]
    hub.disable_progress_bars()
    hub.Dataset.from_dict({"line": lines}).map(align, remove_columns=["line"], keep_in_memory=True)


def _write_raw(folder: Path, count: int, size: int) -> None:
    from agentflan.randomness import generator
    from agentflan.world import toolbench

    (folder / "raw").mkdir()
    (folder / "decomposed").mkdir()
    filler = "fact " * (size // 5)
    with (folder / "raw" / "rows.json").open("w") as handle:
        handle.write("[")
        for index, record in enumerate(toolbench.records(generator("speed"), count, 0)):
            record["id"] = f"Step {index}: {record['id']}"
            record["conversations"][2]["value"] = record["conversations"][2]["value"].replace(
                "I need", f"{filler} I need"
            )
            handle.write(("," if index else "") + json.dumps(record))
        handle.write("]")


def _timed(stage: str, work: Callable[[], Any], count: int) -> dict[str, Any]:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "stage": stage,
        "seconds": round(seconds, 2),
        "records_per_second": round(count / seconds),
        "peak_mib": peak,
    }


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    peak = max(row["peak_mib"] for row in rows)
    return {"stage": "raw to mixed", "seconds": round(sum(row["seconds"] for row in rows), 2), "peak_mib": peak}
