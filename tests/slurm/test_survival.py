"""What clusters do to jobs, in one run of cheap ones: each ends as it should, and the next call finishes the rest."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended_slurm import Cluster, Workplace
from toy_training import SETTINGS, SHAPE, assert_close, assert_same_bytes, make_corpus

# One cluster for all. Each of its jobs reads the workflow twice, so two cores need many minutes: run by hand.
pytestmark = pytest.mark.slow
WORKFLOW = Path(__file__).with_name("survival.smk")
SNAPSHOTS = ("--snapshots", "snapshots", "--snapshot-every", "20")
PATIENCE = 600  # seconds: on a busy machine everything takes its time
EPOCHS = 100  # 300 steps: long enough to be met on the way


def _call(*arguments: str) -> tuple[str, ...]:
    return ("--snakefile", str(WORKFLOW), *arguments)


def _training(folder: Path, name: str, *more: str) -> list[str]:
    """The command that trains a toy, and a script of it for the cluster."""
    settings = json.dumps(SETTINGS | {"epochs": EPOCHS})
    line = ["train_checkpoint", "--from-scratch", json.dumps(SHAPE), "--settings", settings, *more]
    line += ["--tokenizer", "t", "--data", "data.jsonl", "--out", name, "--losses", f"{name}.parquet"]
    (folder / f"{name}.sh").write_text("exec agentflan " + shlex.join(line) + "\n")
    return [sys.executable, "-m", "agentflan", *line]


@pytest.fixture(scope="module")
def survived(cluster: Cluster, make_workplace: Workplace.Maker) -> Iterator[Workplace]:
    """One run, while jobs are cancelled, requeued, stopped by their limits, and their node and controller go away."""
    place = make_workplace()
    make_corpus(place.folder)
    _training(place.folder, "preempted", *SNAPSHOTS)
    _training(place.folder, "paired", "--nodes", "2")
    alone = subprocess.Popen(_training(place.folder, "alone"), cwd=place.folder, stderr=subprocess.DEVNULL)
    running = place.start(*_call("--retries", "2"))
    names = ("cancelled", "requeued", "lost")
    try:
        cluster.wait_for(lambda: list(place.folder.glob("snapshots/*/step-*")), PATIENCE)
        cluster.do("scontrol", "requeue", place.starts("preempted")[0])
        cluster.wait_for(lambda: all(place.starts(name) for name in names), PATIENCE)
        cluster.do("scancel", place.starts("cancelled")[0])
        cluster.do("scontrol", "requeue", place.starts("requeued")[0])
        cluster.break_node(place.starts("lost")[0])

        def all_again() -> bool:
            cluster.hurry()
            return all(len(place.starts(name)) > 1 for name in (*names, "preempted"))

        cluster.wait_for(all_again, PATIENCE)
        cluster.stop_controller()
        for name in names:
            (place.folder / f"go_{name}").touch()
        time.sleep(60)  # the controller is away
        cluster.start_controller()
        place.code = running.wait(PATIENCE)
        assert alone.wait(PATIENCE) == 0
        yield place
    finally:
        running.kill()
        alone.kill()
        cluster.clear()


def test_a_cancelled_job_is_submitted_again(survived: Workplace) -> None:
    first, second = survived.starts("cancelled")
    assert first != second
    assert (survived.folder / "waited/cancelled").exists()


@pytest.mark.parametrize("name", ["requeued", "lost"])
def test_a_preempted_job_and_one_whose_node_died_are_started_again_by_slurm(survived: Workplace, name: str) -> None:
    first, second = survived.starts(name)
    assert first == second  # the same job: Snakemake submitted nothing
    assert (survived.folder / f"waited/{name}").exists()


def test_a_preempted_fine_tune_goes_on_from_its_snapshot_with_the_same_bytes(survived: Workplace) -> None:
    first, *others = survived.starts("preempted")
    assert others == [first]
    log = (survived.folder / "preempted.log").read_text()
    assert "SIGTERM after step" in log and "going on after step" in log
    assert_same_bytes(survived.folder / "alone", survived.folder / "preempted")


def test_two_nodes_train_the_weights_of_one(survived: Workplace) -> None:
    assert len(survived.starts("paired")) == 1
    assert_close(survived.folder / "alone", survived.folder / "paired")


def test_a_job_saves_before_its_time_limit_and_the_next_one_ends(survived: Workplace) -> None:
    first, second, *_ = survived.starts("limited")
    assert first != second
    assert (survived.folder / "once/limited").exists()


def test_out_of_memory_is_tried_with_more_and_then_fails_with_the_figure(survived: Workplace) -> None:
    assert survived.starts("hungry") == ["300", "1200"]
    assert (survived.folder / "once/hungry").exists()
    assert survived.starts("greedy") == ["190", "380", "570"]
    assert not (survived.folder / "once/greedy").exists()
    assert "mem_mb=570" in survived.output()
    logs = [path.read_text() for path in (survived.folder / "results/slurm_logs/rule_greedy").rglob("*.log")]
    assert len(logs) == 3 and all("exceeded memory limit" in text for text in logs)


def test_logs_are_found_by_rule_and_target(survived: Workplace) -> None:
    logs = survived.folder / "results" / "slurm_logs"
    for folder in ("rule_wait/lost", "rule_wait/cancelled", "rule_hungry", "rule_doomed"):
        assert list((logs / folder).glob("*.log")), folder


def test_a_failed_job_stops_no_other_and_the_next_call_makes_it_alone(survived: Workplace) -> None:
    assert survived.code == 1
    assert len(survived.starts("doomed")) == 1
    (survived.folder / "mended").touch()
    assert survived.run(*_call("once/doomed", "once/hungry", "waited/lost")) == 0
    assert len(survived.starts("doomed")) == 2
    assert survived.starts("hungry") == ["300", "1200"] and len(survived.starts("lost")) == 2


def test_nothing_is_orphaned_or_doubled_when_snakemake_is_stopped(
    cluster: Cluster, make_workplace: Workplace.Maker
) -> None:
    place = make_workplace()
    call = _call("waited/alone")
    running = place.start(*call)
    cluster.wait_for(lambda: place.starts("alone"), PATIENCE)
    assert place.run(*call) == 1  # somebody else in the same folder
    assert "Directory cannot be locked" in place.output()

    running.send_signal(signal.SIGKILL)
    running.wait()
    (job,) = {job["id"] for job in cluster.jobs("RUNNING")}
    assert place.run(*call, "--unlock") == 0
    assert place.run(*call) == 1
    assert f"`scancel {job}`" in place.output()
    cluster.do("scancel", job)
    cluster.wait_for(lambda: not cluster.jobs(), PATIENCE)

    running = place.start(*call)
    cluster.wait_for(lambda: len(place.starts("alone")) == 2, PATIENCE)
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) != 0
    cluster.wait_for(lambda: not cluster.jobs(), PATIENCE)  # an interrupt takes the jobs along
    (place.folder / "go_alone").touch()
    assert place.run(*call) == 0
    assert len(place.starts("alone")) == 3
