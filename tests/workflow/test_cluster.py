"""On a cluster, without one: what the profiles would submit, where to, and how cheap each job's start is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from provenance_tree import make_project

NO_GPUS = {"partitions": {"cpu": {"max_runtime": "3d", "max_mem_mb": 1_000_000, "max_threads": 64}}}
MOST_SLURM_JOBS = 250
MOST_PARSE_SECONDS = 1.0  # of a processor

# Reads the Snakefile as each job does, and prints the seconds of processor time that this took.
PARSE = """
import time
from pathlib import Path
from snakemake.api import ConfigSettings, ResourceSettings, SnakemakeApi, StorageSettings, WorkflowSettings
from snakemake_interface_executor_plugins.settings import ExecMode
import snakemake.workflow
with SnakemakeApi() as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(config={"study": "paper"}),
        storage_settings=StorageSettings(),
        workflow_settings=WorkflowSettings(exec_mode=ExecMode.REMOTE),
        snakefile=Path("Snakefile"),
    )
    began = time.process_time()
    assert workflow._workflow.rules
    print("seconds", time.process_time() - began)
"""


@pytest.fixture(scope="module")
def clone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without any result."""
    folder = make_project(root, tmp_path_factory.mktemp("clone"))
    shutil.copytree(root / "profiles", folder / "profiles")
    (folder / "slurm").symlink_to("profiles/slurm")
    return folder


def _snakemake(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow")} | variables
    command = [sys.executable, "-m", "snakemake", "--nolock", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_profile_is_found_under_its_name_in_the_root(root: Path) -> None:
    assert (root / "slurm").is_symlink() and (root / "slurm" / "config.yaml").is_file()
    assert not (root / "profiles" / "default").exists()  # it would win over --profile without a word


def test_a_dry_run_tells_jobs_and_gpu_hours_by_partition(clone: Path) -> None:
    done = _snakemake(clone, "--profile", "slurm", "-n", "results/table1.csv")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "study: paper" in done.stdout + done.stderr or "results/paper/" in done.stdout
    (line,) = re.findall(r"^gpu: (\d+) SLURM jobs, at most ([\d,]+) GPU-hours$", done.stderr, re.MULTILINE)
    jobs, hours = (int(number.replace(",", "")) for number in line)
    assert 4 < jobs <= MOST_SLURM_JOBS and hours > 100


def test_the_whole_paper_is_few_jobs_for_slurm(clone: Path) -> None:
    done = _snakemake(clone, "--profile", "slurm", "-n")
    assert done.returncode == 0, done.stderr[-3000:]
    steps = int(re.findall(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)[-1])
    jobs = sum(map(int, re.findall(r"^\w+: (\d+) SLURM job", done.stderr, re.MULTILINE)))
    assert steps > 300
    assert jobs <= MOST_SLURM_JOBS


def test_a_need_that_no_partition_meets_ends_the_run_before_anything_is_submitted(clone: Path, tmp_path: Path) -> None:
    site = tmp_path / "partitions.yaml"
    site.write_text(yaml.safe_dump(NO_GPUS))
    target = "results/paper/checkpoints/llama2_7b-react-s0"
    done = _snakemake(clone, "--profile", "slurm", "-n", target, "--configfile", str(site))
    assert done.returncode == 1
    need = r"train_checkpoint llama2_7b-react-0: threads \d+, nodes 2, gres gpu:8, mem_mb \d+, runtime \d+"
    assert re.search(f"no partition for {need}", done.stderr)
    assert "cpu: max_runtime 4320, max_mem_mb 1000000, max_threads 64, max_gpu 0" in done.stderr


def test_the_snakefile_is_read_in_under_a_second(clone: Path) -> None:
    """As jobs read it: after the process that submitted them."""
    environment = os.environ | {"PYTHONPATH": str(clone / "workflow")}
    command, seconds = [sys.executable, "-c", PARSE], []
    for _ in range(3):
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        seconds.append(float(done.stdout.split()[-1]))
    assert min(seconds[1:]) < MOST_PARSE_SECONDS


def test_no_rule_asks_for_retries_of_its_own(root: Path) -> None:
    """Each would be made inside the job, with the memory and time of the first attempt; the profile's are not."""
    rules = [root / "Snakefile", *(root / "workflow" / "rules").glob("*.smk")]
    assert [path.name for path in rules if re.search(r"^    retries:", path.read_text(), re.MULTILINE)] == []


def test_another_executor_takes_a_profile_alone(clone: Path) -> None:
    done = _snakemake(clone, "--profile", "profiles/generic", "-n", "results/table1.csv", "--quiet", "rules")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "train_checkpoint" in done.stdout + done.stderr


def test_another_scheduler_gets_threads_memory_gpus_and_time(root: Path, tmp_path: Path) -> None:
    recorder = tmp_path / "qsub"
    recorder.write_text('#!/bin/sh\necho "$@"\n')
    recorder.chmod(0o755)
    properties = {"rule": "train_checkpoint", "threads": 8, "resources": {"mem_mb": 4000, "runtime": 90, "gpu": 2}}
    (tmp_path / "job.sh").write_text(f"#!/bin/sh\n# properties = {json.dumps(properties)}\n")
    done = subprocess.run(
        [sys.executable, str(root / "profiles" / "generic" / "submit.py"), str(tmp_path / "job.sh")],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:4] == ["-N", "train_checkpoint", "-l", "select=1:ncpus=8:mem=4000mb:ngpus=2"]
    assert "walltime=01:30:00" in done.stdout
