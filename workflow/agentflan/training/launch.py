"""Starts the processes of a run: one command, whatever the number of GPUs and nodes.

One node: torchrun. Several nodes: one torchrun a node under srun, inside the SLURM job that holds the nodes.
Snakemake's job step hides SLURM's variables but the job's number, so the nodes are asked for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

from agentflan.errors import ConfigError, NotAvailable

SHUTDOWN_SECONDS = 900  # what a snapshot may take after SIGTERM
_FIRST_PORT, _PORTS = 20000, 20000


def wanted(processes: int, nodes: int) -> bool:
    """Whether this process has to start others; those that a launcher started do not."""
    return processes * nodes > 1 and "WORLD_SIZE" not in os.environ


def become(command_line: list[str], processes: int, nodes: int) -> None:
    """Turn this process into the launcher of `agentflan` with the same command line; it does not return.

    Args:
        command_line: name of the command and its arguments.
        processes: on each node.
        nodes: of the job.

    Raises:
        ConfigError: impossible numbers.
        NotAvailable: several nodes outside a SLURM job.
    """
    if processes < 1 or nodes < 1:
        raise ConfigError([f"--processes {processes} --nodes {nodes}: expected 1 or more of each"])
    launcher = _torchrun(processes) if nodes == 1 else _srun(processes, nodes)
    sys.stdout.flush()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # for the trainers; it would end the launcher
    os.execvp(launcher[0], [*launcher, "-m", "agentflan", *command_line])


def _torchrun(processes: int, *meeting: str) -> list[str]:
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *(meeting or ("--standalone",)),
        f"--nproc-per-node={processes}",
        f"--shutdown-timeout={SHUTDOWN_SECONDS}",
    ]


def _srun(processes: int, nodes: int) -> list[str]:
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        raise NotAvailable(f"--nodes {nodes}: no SLURM_JOB_ID; several nodes need a SLURM job that holds them")
    port = _FIRST_PORT + int(job) % _PORTS
    meeting = (
        f"--nnodes={nodes}",
        "--rdzv-backend=c10d",
        f"--rdzv-id={job}",
        f"--rdzv-endpoint={_head_address(job)}:{port}",
    )
    spread = (
        "srun",
        "--overlap",
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        "--kill-on-bad-exit=1",
    )
    return [*spread, *_torchrun(processes, *meeting)]


def _head_address(job: str) -> str:
    """Where SLURM reaches the first node of a job; a node's name need not be its host's."""
    nodes = _field("NodeList", "job", job)
    head = _scontrol("show", "hostnames", nodes).split()[0]
    return _field("NodeAddr", "node", head)


def _field(name: str, kind: str, which: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", _scontrol("show", kind, which))
    if found is None or found[1] == "(null)":
        raise NotAvailable(f"scontrol show {kind} {which}: no {name}")
    return found[1]


def _scontrol(*arguments: str) -> str:
    try:
        return subprocess.run(["scontrol", *arguments], check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NotAvailable(f"scontrol {' '.join(arguments)}: {error}") from None
