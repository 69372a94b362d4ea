"""A small tree of results with records, made up: forty raw folders down to one number; some texts are hostile."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

from agentflan.files import sha256_of, write_json, write_text
from agentflan.provenance.hashing import Hasher, listing
from agentflan.provenance.store import Store

HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">\''
RAW = 40
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"><rect width="30" height="20" fill="#0173b2"/></svg>'


class Tree:
    """Writes files below ``results/`` and a record for each step that made them."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, Store(root / "results" / ".provenance")
        self._code = self.store.put_json({"files": {}, "dirty": [], "edited_while_running": []})
        locks = {"uv.lock": "5" * 64}
        self._environment = self.store.put_json({"python": "3.11.7 (main)", "locks": locks, "distributions": {}})
        self._attempts = 0

    def step(self, command: str, outputs: dict[str, str], inputs: list[str], **parameters: Any) -> None:
        """Write the outputs (a name that ends in / is a folder with one file) and the record of the step.

        Args:
            command: its name.
            outputs: text by path below ``results/``.
            inputs: paths below ``results/``.
            parameters: of the step.
        """
        for path, text in outputs.items():
            write_text(self.root / "results" / (f"{path}data.jsonl" if path.endswith("/") else path), text)
            if command == "fetch_raw":
                receipt = {"repo": f"hub/{parameters['dataset']}", "revision": "abc123", "licence": "MIT"}
                write_json(self.root / "results" / path / "receipt.json", receipt)
        self._attempts += 1
        name, log = f"20260101T{self._attempts:06}-{command}-x", f"results/mini/logs/{self._attempts}.log"
        self.store.finish(name, self._record(command, name, log, parameters) | self._files(outputs, inputs))

    def failed(self, command: str, log: str) -> None:
        """The record of an attempt that failed before the one that has the log."""
        name = f"20250101T000000-{command}-x"
        self.store.finish(name, self._record(command, name, log, {}) | {"state": "failed", "inputs": [], "outputs": []})

    def killed(self, command: str, log: str) -> None:
        """The note that an attempt leaves which was killed before the one that has the log."""
        name = f"20250102T000000-{command}-x"
        note = {"attempt": name, "command": command, "log": log, "start": "2025-01-02T00:00:00.000+00:00"}
        self.store.start(name, note | {"state": "started", "pid": 1})

    def _record(self, command: str, name: str, log: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {
            "attempt": name,
            "command": command,
            "study": "mini",
            "argv": ["--settings", HOSTILE],
            "parameters": parameters | {"command_line": [command], "seed": 7},
            "seeds": {"seed": 7},
            "log": log,
            "machine": {"host": "node1", "cpu": "a processor", "cpus": 2, "memory": 2**33, "gpus": [], "slurm": {}},
            "start": "2026-01-01T00:00:00.000+00:00",
            "end": "2026-01-01T00:01:30.000+00:00",
            "state": "done",
            "seconds": 2.5,
            "cpu_seconds": 2.0,
            "peak_memory": 100 * 2**20,
            "peak_memory_of_a_child": 0,
            "commit": "c0ffee" * 6,
            "code": self._code,
            "environment": self._environment,
            "imported": [],
        }

    def _files(self, outputs: dict[str, str], inputs: list[str]) -> dict[str, list[dict[str, Any]]]:
        return {"inputs": [*map(self._entry, inputs)], "outputs": [*map(self._entry, outputs)]}

    def _entry(self, path: str) -> dict[str, Any]:
        file, entry = self.root / "results" / path, {"argument": "x", "path": f"results/{path}".rstrip("/")}
        if file.is_dir():
            hashes = Hasher().tree(file)
            return entry | {"kind": "folder", "sha256": self.store.put(listing(hashes)), "files": len(hashes)}
        return entry | {"kind": "file", "sha256": sha256_of(file), "size": file.stat().st_size}


def make_tree(root: Path, raw: int = RAW) -> Tree:
    """Raw → filtered → mixed → checkpoint → transcripts → scores → table 1, the comparison, claims and figure 8."""
    tree, datasets = Tree(root), [f"d{number}" for number in range(raw)]
    for name in datasets:
        tree.step("fetch_raw", {f"mini/raw/{name}/": f'{{"id": "{name}"}}'}, [], dataset=name)
        tree.step("filter_trajectories", {f"mini/filtered/{name}.jsonl": f"kept of {name}"}, [f"mini/raw/{name}/"])
    tree.step(
        "mix_training_set", {"mini/mixed/flan.jsonl": "all"}, [f"mini/filtered/{name}.jsonl" for name in datasets]
    )
    scratch = {"from_scratch": {"layers": 2}}
    tree.step("train_checkpoint", {"mini/checkpoints/tiny-base": "weights"}, ["mini/raw/d0/"], **scratch)
    tuned = ["mini/mixed/flan.jsonl", "mini/checkpoints/tiny-base"]
    tree.step("train_checkpoint", {"mini/checkpoints/tiny-flan-s0": "tuned"}, tuned)
    transcripts, score = "mini/transcripts/tiny-flan-s0/teval.jsonl", "mini/scores/tiny-flan-s0/teval.json"
    tree.step("run_episodes", {transcripts: "replies"}, ["mini/checkpoints/tiny-flan-s0", "mini/raw/d1/"])
    tree.step("score_transcripts", {score: '{"value": 13.4}'}, [transcripts], note=HOSTILE)
    other = "mini/scores/oracle/teval.json"
    tree.step("score_transcripts", {other: '{"value": 100}'}, ["mini/raw/d1/"])
    tree.failed("score_transcripts", f"results/mini/logs/{2 * raw + 6}.log")
    tree.killed("train_checkpoint", f"results/mini/logs/{2 * raw + 3}.log")
    _write_tables(tree, [score, other])
    tree.step("make_figure", {"figure8.svg": _SVG, "figure8.png": "png"}, [score])
    write_text(root / "captions" / "table1.rst", "Main results; ``code`` and <b>no markup</b>.\n")
    return tree


def _write_tables(tree: Tree, scores: list[str]) -> None:
    source = "scores/tiny-flan-s0/teval.json"
    cells = [
        {"row": [HOSTILE], "column": "T-Eval", "text": "13.4", "value": 13.4, "sources": [source]},
        {"row": [HOSTILE], "column": "MMLU", "text": "not run", "value": None, "sources": []},
        {"row": ["oracle"], "column": "T-Eval", "text": "100", "value": 100, "sources": ["scores/oracle/teval.json"]},
    ]
    evidence = {"sha256": "1" * 64, "transcripts": {"path": "t", "sha256": "2" * 64, "episodes": [HOSTILE, *range(9)]}}
    sidecar = {"table": "table1", "study": "mini", "cells": cells, "sources": {source: evidence}}
    table = [["study", "MODEL", "T-Eval", "MMLU"], ["mini", HOSTILE, "13.4", "not run"], ["mini", "oracle", "100", ""]]
    outputs = {"table1.csv": _csv(table), "table1.cells.json": json.dumps(sidecar)}
    tree.step("make_table", outputs, scores)
    columns = ["table", "row", "column", "published", "ours", "low", "high", "n", "study", "status", "note"]
    lines = [
        ["table1", HOSTILE, "T-Eval", "31.0", "13.4", "10.1234", "16.9", "60", "mini", "done", ""],
        ["table1", HOSTILE, "MMLU", "44.4", "", "", "", "", "mini", "not run", f"no GPU {HOSTILE}"],
    ]
    tree.step("make_table", {"comparison.csv": _csv([columns, *lines])}, scores)
    claims = [["study", "claim", "verdict"], ["mini", "negatives cut hallucination", "inconclusive"]]
    tree.step("make_table", {"claims.csv": _csv(claims)}, scores)


def _csv(rows: list[list[str]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
