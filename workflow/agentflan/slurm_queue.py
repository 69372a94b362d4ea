"""The jobs that an earlier, killed Snakemake left in SLURM's queue: started again beside them, all would run twice."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agentflan.errors import NotAvailable

LIVING = "PENDING,CONFIGURING,RUNNING,SUSPENDED"
_MARK = "rule_"  # the SLURM plugin's comments begin so


def left_over(folder: Path) -> list[str]:
    """The user's jobs that an earlier Snakemake submitted from a folder; none where SLURM does not answer."""
    command = ["squeue", "--me", "--noheader", "--states", LIVING, "--format", "%i|%Z|%k"]
    try:
        printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    jobs = (line.split("|", 2) for line in printed.splitlines())  # a comment is free text
    return [number for number, place, comment in jobs if comment.startswith(_MARK) and Path(place) == folder.resolve()]


def refuse_left_over(folder: Path) -> None:
    """Make sure that nothing of an earlier run is on its way.

    Raises:
        NotAvailable: some jobs are.
    """
    if jobs := left_over(folder):
        raise NotAvailable(
            f"jobs of an earlier snakemake in {folder.resolve()} are still in the queue and would run twice: "
            f"wait until they have ended, or `scancel {' '.join(jobs)}`"
        )
