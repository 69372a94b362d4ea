"""The study mini, cut to minutes: every rule, format and benchmark of it, on a fraction of its data."""

from __future__ import annotations

from pathlib import Path

import yaml
from provenance_tree import build, git, make_project

CHANGES = {
    "name": "smoke",
    "description": "mini on a fraction of its data, without its largest model and with fewer conditions",
    "large": None,
    "conditions": ["react", "align_chat_all", "weighted", "agent_flan", "agent_flan_50", "general"],
    "scaled_conditions": ["react", "agent_flan"],
    "instruction_pairs": 30,
    "negatives": {"count": 10, "with_tools": 0.5, "reading": "both", "model": "world"},
    "world": {
        "seed": 0,
        "size": {
            "agentinstruct": 6,
            "toolbench_kept": 40,
            "toolbench_dropped": 6,
            "sharegpt": 90,
            "fireact": 20,
            "pretraining_conversations": 400,
            "pretraining_texts": 20,
        },
    },
}
FEWER = ("agent_h", "teval", "hotpotqa", "toolbench_eval", "mmlu", "gsm8k", "humaneval")


def build_smoke(root: Path, folder: Path) -> Path:
    """A clone of the project in `folder` that has built all of the study smoke, each of its files committed first."""
    project = make_project(root, folder)
    studies = project / "config" / "studies"
    study = yaml.safe_load((studies / "mini.yaml").read_text()) | CHANGES
    for name in FEWER:
        study["benchmarks"][name]["limit"] = 6
    (studies / "smoke.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "smoke")
    build(project, study="smoke")
    return project
