"""A small project with real results: the workflow, committed, and a tiny study that it has built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

STUDY = """
name: tiny
description: the smallest study that has every kind of artefact
small: tiny_7b
conditions: [agent_flan]
agent_datasets: [os, toolbench]
instruction_pairs: 10
negatives: {count: 6, with_tools: 0.5, reading: both, model: world}
benchmarks:
  teval: {encoder: hashed_ngrams, limit: 1, max_new_tokens: 4, files: [instruct, plan_json, reason_str]}
not_run: {held_in: x, hotpotqa: x, sciworld: x, webarena: x, agent_h: x, mmlu: x, gsm8k: x, humaneval: x}
reference_row: oracle
world:
  seed: 0
  size: {agentinstruct: 6, toolbench_kept: 12, toolbench_dropped: 2, sharegpt: 30, fireact: 2, glaive: 4, teval: 2,
    hotpotqa: 1, toolbench_eval: 2, sciworld: 1, agentbench: 2, pretraining_conversations: 30, pretraining_texts: 10}
vocabulary: 600
"""
TARGETS = ("results/table1.csv", "results/table6.csv", "results/figure5.png")


def make_project(root: Path, folder: Path) -> Path:
    """Copy what the workflow needs to `folder` and commit it there."""
    for name in (
        "Snakefile",
        "config",
        "workflow",
        "paper",
        "environment.yml",
        "uv.lock",
        "requirements",
        "pyproject.toml",
    ):
        source = root / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    (folder / "config" / "studies" / "tiny.yaml").write_text(STUDY)
    (folder / ".gitignore").write_text("results/\n.snakemake/\n__pycache__/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, as nobody in particular."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def build(project: Path, *targets: str, study: str = "tiny") -> None:
    """Let the workflow build targets of a study, or all of it."""
    calm = ["--max-jobs-per-timespan", "1000/10s"]  # as `make` does
    command = ["--cores", "2", "--quiet", "all", *calm, "--config", f"study={study}", "--", *targets]
    done = python(project, "-m", "snakemake", *command)
    assert done.returncode == 0, done.stdout + done.stderr


def agentflan(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the project's own package in its folder."""
    return python(project, "-m", "agentflan", *words, **variables)


def python(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the project's package first on its path."""
    environment = os.environ | {"PYTHONPATH": str(project / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"} | variables
    return subprocess.run([sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True)
