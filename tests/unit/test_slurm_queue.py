"""Jobs that a killed Snakemake left behind are found by their folder and their comment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentflan.errors import NotAvailable
from agentflan.slurm_queue import left_over, refuse_left_over


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for squeue that prints the file `queue`."""
    program = tmp_path / "squeue"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/queue\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path / "queue"


def test_jobs_of_this_folder_are_refused_and_others_are_not(queue: Path, tmp_path: Path) -> None:
    here = tmp_path.resolve()
    jobs = [("11", here, "rule_a_wildcards_x"), ("12", here, "(null)"), ("13", here / "other", "rule_a")]
    jobs += [("14", here, "rule_b"), ("15", here, "a|comment|of somebody's")]
    queue.write_text("".join(f"{number}|{place}|{comment}\n" for number, place, comment in jobs))
    assert left_over(tmp_path) == ["11", "14"]
    with pytest.raises(NotAvailable, match=r"would run twice.*`scancel 11 14`"):
        refuse_left_over(tmp_path)
    queue.write_text("")
    refuse_left_over(tmp_path)


def test_without_slurm_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert left_over(tmp_path) == []
