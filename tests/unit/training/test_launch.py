"""The launcher: which command starts the processes of a fine-tune."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agentflan.errors import ConfigError, NotAvailable
from agentflan.training import launch

SCONTROL = """#!/bin/sh
case "$1 $2" in
  "show job") echo "JobId=$3 ReqNodeList=(null) ExcNodeList=(null) NodeList=gpu[03-04] BatchHost=gpu03" ;;
  "show hostnames") echo gpu03; echo gpu04 ;;
  "show node") echo "NodeName=$3 Arch=x86_64 NodeAddr=10.0.0.3 NodeHostName=$3" ;;
esac
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that the launcher would have become."""
    lines: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, line: lines.append(line))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    for name in ("WORLD_SIZE", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return lines


def test_one_process_needs_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not launch.wanted(1, 1)
    assert launch.wanted(2, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not launch.wanted(2, 1)  # started by a launcher


def test_one_node_is_torchrun(started: list[list[str]]) -> None:
    launch.become(["train_checkpoint", "--out", "x"], 8, 1)
    (line,) = started
    assert line[1:4] == ["-m", "torch.distributed.run", "--standalone"]
    assert "--nproc-per-node=8" in line
    assert line[-5:] == ["-m", "agentflan", "train_checkpoint", "--out", "x"]


def test_several_nodes_are_one_torchrun_a_node(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "scontrol"
    fake.write_text(SCONTROL)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    launch.become(["train_checkpoint"], 8, 2)
    (line,) = started
    assert line[0] == "srun"
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1"} <= set(line)
    assert {"--nnodes=2", "--nproc-per-node=8", "--rdzv-endpoint=10.0.0.3:24711", "--rdzv-id=4711"} <= set(line)


def test_several_nodes_outside_slurm_are_refused(started: list[list[str]]) -> None:
    with pytest.raises(NotAvailable, match="no SLURM_JOB_ID"):
        launch.become(["train_checkpoint"], 8, 2)
    with pytest.raises(ConfigError, match="expected 1 or more"):
        launch.become(["train_checkpoint"], 0, 1)
    assert started == []
