"""Where a job ran: host, processor, GPUs with driver, SLURM job and node. Read from files, nothing is imported."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

_SLURM = (
    "SLURM_CLUSTER_NAME",
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "SLURM_JOB_NAME",
    "SLURM_JOB_PARTITION",
    "SLURM_RESTART_COUNT",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_NODELIST",
    "SLURMD_NODENAME",
)
_DECIDING = (  # settings of libraries that can change bytes
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "CUBLAS_WORKSPACE_CONFIG",
)


def machine() -> dict[str, Any]:
    """Host, processor, memory in bytes, GPUs, and the listed variables of this process; no other variable is read."""
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": _gpus(),
        "gpus_visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "slurm": {name: os.environ[name] for name in _SLURM if name in os.environ},
        "variables": {name: os.environ[name] for name in _DECIDING if name in os.environ},
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
    }


def usage() -> dict[str, float]:
    """Peak memory in bytes and processor seconds of this process and of those it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "peak_memory": own.ru_maxrss * 1024,
        "peak_memory_of_a_child": children.ru_maxrss * 1024,
        "cpu_seconds": round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 3),
    }


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            return next((line.split(":", 1)[1].strip() for line in handle if line.startswith("model name")), "")
    except OSError:
        return platform.processor()


def _gpus(driver: Path = Path("/proc/driver/nvidia")) -> list[dict[str, str]]:
    """Name, UUID, memory and driver of each GPU; [] where the driver is not loaded."""
    if not driver.exists() or not shutil.which("nvidia-smi"):
        return []
    fields = ("name", "uuid", "memory.total", "driver_version")
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split(", ") for line in done.stdout.splitlines()]
    return [dict(zip(fields, row, strict=False)) for row in rows if len(row) == len(fields)]
