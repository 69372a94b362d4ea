"""The README's command that runs again what says "not run"."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from agentflan.files import write_json, write_jsonl

SNAKEFILE = """
rule all:
    input: "results/table.csv"

rule run_episodes:
    output: "results/mini/transcripts/{agent}/{benchmark}.jsonl"
    shell: "touch {output}"

rule score_transcripts:
    input: "results/mini/transcripts/{agent}/{benchmark}.jsonl"
    output: "results/mini/scores/{agent}/{benchmark}.json"
    shell: "touch {output}"

rule make_table:
    input: [f"results/mini/scores/a/{name}.json" for name in ("done", "keyless", "unscored")]
    output: "results/table.csv"
    shell: "touch {output}"
"""


def test_what_says_not_run_is_run_again_and_nothing_else(root: Path, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    missing, row = {"status": "not run", "reason": "no key"}, {"id": "1", "replies": ['{"status": "not run"}']}
    for name, transcript, score in (
        ("done", row, {"status": "done", "value": 1}),
        ("keyless", missing, missing),
        ("unscored", row, missing),
    ):
        write_jsonl(tmp_path / "results/mini/transcripts/a" / f"{name}.jsonl", [transcript])
        write_json(tmp_path / "results/mini/scores/a" / f"{name}.json", score)
    (tmp_path / "results" / "table.csv").touch()
    command = re.search(r"^snakemake (--cores all --forcerun .*)$", (root / "README.md").read_text(), re.MULTILINE)

    line = f"{shlex.quote(sys.executable)} -m snakemake {command[1]} --dry-run --rerun-triggers mtime"
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    outputs = set(re.findall(r"^    output: (.*)$", done.stdout + done.stderr, re.MULTILINE))
    assert outputs == {
        "results/mini/transcripts/a/keyless.jsonl",
        "results/mini/scores/a/keyless.json",
        "results/mini/scores/a/unscored.json",
        "results/table.csv",
    }
