"""The literal command, from a clone to the table: the bytes of the local run, GPU jobs where GPUs are asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pretended_slurm import Cluster, Workplace

from agentflan.files import sha256_of

pytestmark = pytest.mark.slow  # by hand, in one process: there is one cluster
HARDWARE = "hardware: {gpu_model: a100, gpu_memory_gib: 79, gpus_per_node: 4, host_memory_gib: 60, mfu: 0.4}\n"
CHECKPOINT = "checkpoints/tiny_7b-agent_flan-s0/model.safetensors"


def _ask_for_gpus(folder: Path, study: str) -> None:
    """Let the fine-tunes of a study ask for one GPU each; they run as before, on the CPU where PyTorch sees none."""
    models, settings = folder / "config" / "models.yaml", folder / "config" / "studies" / f"{study}.yaml"
    models.write_text(models.read_text().replace("recipe: {lr", "recipe: {gpus: 1, zero: 0, lr"))
    settings.write_text(settings.read_text() + HARDWARE)


def _watch(cluster: Cluster, running: subprocess.Popen[str]) -> set[tuple[str, str]]:
    """Rule or group, and partition, of every job that the queue showed while a run went on."""
    seen: set[tuple[str, str]] = set()
    while running.poll() is None:
        seen |= {(job["comment"].split("_wildcards")[0], job["partition"]) for job in cluster.jobs()}
        threading.Event().wait(1)
    return seen


def _recorded(place: Workplace, command: str) -> list[dict[str, Any]]:
    """What the attempts of a command wrote down of the SLURM job that they were."""
    records = [json.loads(path.read_text()) for path in place.folder.glob("results/.provenance/records/*.json")]
    return [record["machine"]["slurm"] for record in records if record["command"] == command]


def _submitted(place: Workplace) -> list[str]:
    """The numbers of all SLURM jobs of the runs."""
    return re.findall(r"has been submitted with SLURM jobid (\d+)", place.output())


def test_a_tiny_study_ends_with_the_bytes_of_the_local_run(cluster: Cluster, make_workplace: Workplace.Maker) -> None:
    place, local = make_workplace(), make_workplace()
    for each in (place, local):
        _ask_for_gpus(each.folder, "tiny")
    running = place.start("--config", "study=tiny", "--", "results/table1.csv")
    here = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", "--config", "study=tiny"]
    environment = os.environ | {"PYTHONPATH": str(local.folder / "workflow")}
    beside = subprocess.Popen([*here, "--", "results/table1.csv"], cwd=local.folder, env=environment)
    seen = _watch(cluster, running)
    assert running.returncode == 0, place.output()[-3000:]
    assert beside.wait(120) == 0

    assert ("rule_train_checkpoint", "gpu") in seen and ("rule_pretrain_model", "cpu") in seen
    assert {partition for rule, partition in seen if rule == "rule_train_checkpoint"} == {"gpu"}
    submitted = _submitted(place)
    assert len(submitted) < 30
    for name in ("table1.csv", f"tiny/{CHECKPOINT}"):
        assert sha256_of(place.folder / "results" / name) == sha256_of(local.folder / "results" / name), name
    for job in _recorded(place, "train_checkpoint"):
        assert job["SLURM_JOB_ID"] in submitted and job["SLURM_CLUSTER_NAME"] == "pretended"
        assert (job["SLURM_JOB_PARTITION"] == "gpu") == job["SLURMD_NODENAME"].startswith("g")
    if cluster.accounts:
        (report,) = (place.folder / "results" / "slurm_logs").glob("efficiency_report_*.csv")
        assert "rule_train_checkpoint" in report.read_text()


def test_the_literal_command_builds_mini(cluster: Cluster, make_workplace: Workplace.Maker, root: Path) -> None:
    expected = root / "results"
    if not (expected / "table1.csv").exists():
        pytest.skip("the study mini is not built here (run make)")
    place = make_workplace()
    _ask_for_gpus(place.folder, "mini")
    running = place.start("--config", "study=mini", "--", "results/table1.csv")
    seen = _watch(cluster, running)
    assert running.returncode == 0, place.output()[-3000:]
    assert {partition for rule, partition in seen if rule == "rule_train_checkpoint"} == {"gpu"}
    for name in ("table1.csv", f"mini/{CHECKPOINT}"):
        assert sha256_of(place.folder / "results" / name) == sha256_of(expected / name), name
    print(f"{len(_submitted(place))} SLURM jobs")
