"""Measure the data stages on generated ToolBench-like records: seconds, memory, growth, and `datasets.map`.

Every stage runs in a process of its own, so its peak memory is its own. All stages are run on the records asked for and
on twice as many: 2.0 times the seconds is linear growth. Absolute figures say little about other machines; the ratios
to `datasets.map` on the same functions do. `ratio` is to the seconds of our own stage on the records asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentflan.arguments import OutputPath
from agentflan.errors import AgentFlanError
from agentflan.files import read_jsonl, write_csv

TOTAL, MAPPED = "raw to mixed", " by datasets.map"
VOCABULARY = 8_000  # of the tokenizer that is trained for the measurement
_COUNT_TOKENS = ("count_tokens", "--in", "@mixed.jsonl", "--tokenizer", "@tokenizer", "--out", "@tokens.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--records", type=int, default=25_000, help="trajectories; twice as many are measured too")
    parser.add_argument("--size", type=int, default=5_000, help="characters of a record, about")
    parser.add_argument("--out", type=OutputPath, required=True, help="figures, CSV")


def run(arguments: argparse.Namespace) -> str:
    """Run raw → mixed on both sizes, and two stages once more through `datasets.map`."""
    rows = _measure(arguments.records, arguments.size, mapped=True)
    twice = _measure(2 * arguments.records, arguments.size, mapped=False)
    ours = {row["stage"]: row["seconds"] for row in rows}
    for row in [row for row in rows if row["stage"].endswith(MAPPED)] + twice:
        row["ratio"] = round(row["seconds"] / max(ours[row["stage"].removesuffix(MAPPED)], 0.01), 2)
    write_csv(arguments.out, rows + twice)
    return "\n".join([*map(_line, rows + twice), f"{arguments.out}: {len(rows + twice)} measurements"])


def _measure(records: int, size: int, mapped: bool) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _measured("", lambda: _write_raw(folder, records, size), records)
        rows = [_measured(stage, work, records) for stage, work in _stages(folder)]
        rows.append(_row(TOTAL, records, sum(row["seconds"] for row in rows), max(row["peak_mib"] for row in rows)))
        _measured("", lambda: _train_tokenizer(folder), records)
        rows.append(_measured("count_tokens", _command(folder, *_COUNT_TOKENS), records))
        if mapped:
            rows.append(_measured("align_chat" + MAPPED, lambda: _map_alignment(folder), records))
            rows.append(_measured("decompose_capabilities" + MAPPED, lambda: _map_decomposition(folder), records))
        return rows


def _measured(stage: str, work: Callable[[], Any], records: int) -> dict[str, Any]:
    """Run in a forked process and wait for it."""
    start = time.perf_counter()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            code = work() or 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise AgentFlanError(f"{stage or 'the preparation'} of {records} records failed; its message stands above")
    return _row(stage, records, time.perf_counter() - start, usage.ru_maxrss // 1024)


def _row(stage: str, records: int, seconds: float, peak: int) -> dict[str, Any]:
    return {
        "stage": stage,
        "records": records,
        "seconds": round(seconds, 2),
        "records_per_second": round(records / seconds),
        "peak_mib": peak,
        "ratio": "",
    }


def _line(row: dict[str, Any]) -> str:
    numbers = f"{row['records']:>9,}{row['seconds']:>9.2f} s{row['records_per_second']:>9,}/s{row['peak_mib']:>7,} MiB"
    return f"{row['stage']:40}{numbers}  {row['ratio']}".rstrip()


def _command(folder: Path, *parts: str) -> Callable[[], int]:
    """A command of ours; @ stands for the folder."""
    from agentflan.cli import main

    return lambda: main([part.replace("@", f"{folder}/") for part in parts])


def _stages(folder: Path) -> list[tuple[str, Callable[[], int]]]:
    def command(*parts: str) -> Callable[[], int]:
        return _command(folder, *parts)

    mixture = {"weights": {"reasoning": 1, "retrieval": 0.25, "understanding": 0.75}, "react_share": 0.1}
    chat = ("--chat", "@chat.jsonl", "--react", "@react.jsonl", "--out-dir", "@decomposed")
    filtered = ("--out", "@filtered.jsonl", "--rejected", "@rejected.jsonl", "--counts", "@counts.json")
    mixed = ("--decomposed", "@decomposed", "--out", "@mixed.jsonl", "--tree", "@tree.txt", "--counts", "@mix.json")
    align = ("--in", "@filtered.jsonl", "--out", "@chat.jsonl", "--react", "@react.jsonl", "--seed", "0")
    pairs = ("--in", "@chat.jsonl", "--out", "@decomposed/instruction.jsonl", "--count", "2000")
    return [
        ("filter_trajectories", command("filter_trajectories", "--dataset", "toolbench", "--raw", "@raw", *filtered)),
        ("align_chat", command("align_chat", "--dataset", "toolbench", *align)),
        ("decompose_capabilities", command("decompose_capabilities", *chat)),
        ("build_instructions", command("build_instructions", *pairs)),
        ("mix_training_set", command("mix_training_set", "--condition", json.dumps(mixture), *mixed)),
    ]


def _map_alignment(folder: Path) -> None:
    from agentflan import chat, datasets
    from agentflan.records import from_json, to_json

    module = datasets.load("toolbench")

    def align(row: dict[str, str]) -> dict[str, str]:
        trajectory = from_json(json.loads(row["line"]))
        both = (chat.align(trajectory, module.parse_reply, 0), chat.react(trajectory, module.parse_reply, module.FORM))
        return {"chat": json.dumps(to_json(both[0])), "react": json.dumps(to_json(both[1]))}

    _map(folder / "filtered.jsonl", align)


def _map_decomposition(folder: Path) -> None:
    from agentflan.decomposed import DECOMPOSED, keep_capability, to_cot
    from agentflan.records import from_json, to_json

    def decompose(row: dict[str, str]) -> dict[str, str]:
        dialogue = from_json(json.loads(row["line"]))
        views = {view: keep_capability(dialogue, view) for view in DECOMPOSED}
        return {
            name: json.dumps(to_json(view)) if view else ""
            for name, view in (views | {"cot": to_cot(dialogue)}).items()
        }

    _map(folder / "chat.jsonl", decompose)


def _map(path: Path, work: Callable[[dict[str, str]], dict[str, str]]) -> None:
    import datasets as hub

    lines = [json.dumps(row) for row in read_jsonl(path)]
    hub.disable_progress_bars()
    hub.Dataset.from_dict({"line": lines}).map(work, remove_columns=["line"], keep_in_memory=True)


def _train_tokenizer(folder: Path) -> None:
    from itertools import islice

    from agentflan.training.tokenizer import train_tokenizer

    rows = islice(read_jsonl(folder / "mixed.jsonl"), 500)
    train_tokenizer(
        (turn["content"] for row in rows for turn in row["turns"]), VOCABULARY, "llama2", folder / "tokenizer"
    )


def _write_raw(folder: Path, count: int, size: int) -> None:
    from agentflan.randomness import generator
    from agentflan.world import toolbench

    (folder / "raw").mkdir()
    (folder / "decomposed").mkdir()
    (folder / "decomposed" / "negative.jsonl").touch()
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
