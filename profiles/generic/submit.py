"""Submit one job script of Snakemake to PBS: `submit.py SCRIPT` prints the job's number.

The script's second line holds the job's properties as JSON; here alone they become flags of the scheduler.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from snakemake.utils import read_job_properties


def flags(properties: dict[str, Any]) -> list[str]:
    """The flags of qsub for a job: threads, memory and GPUs of one node, and time."""
    resources = properties["resources"]
    chunk = [f"select=1:ncpus={properties['threads']}", f"mem={resources['mem_mb']}mb"]
    if gpus := resources.get("gpu"):
        chunk.append(f"ngpus={gpus}")
    minutes = resources["runtime"]
    time = f"walltime={minutes // 60:02}:{minutes % 60:02}:00"
    name = properties.get("rule") or properties["groupid"]
    return ["-N", name, "-l", ":".join(chunk), "-l", time, "-j", "oe"]


if __name__ == "__main__":
    (script,) = sys.argv[1:]
    sys.exit(subprocess.run(["qsub", *flags(read_job_properties(script)), script]).returncode)
