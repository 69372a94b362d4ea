"""Cheap jobs for what clusters do to jobs. Each writes down that it starts: the number of its SLURM job, or its need."""

import sys
from pathlib import Path

from agentflan.slurm_queue import refuse_left_over

shell.prefix(f'trap : TERM; PATH="{Path(sys.executable).parent}:$PATH"; ')


onstart:
    refuse_left_over(Path.cwd())


wildcard_constraints:
    name="[a-z]+",


rule all:
    input:
        collect("waited/{name}", name=["cancelled", "requeued", "lost"]),
        collect("trained/{name}", name=["preempted", "paired"]),
        collect("once/{name}", name=["limited", "hungry", "greedy", "doomed"]),


rule wait:
    """Waits for the file `go`; the one that is to lose its node has it for itself."""
    output:
        "waited/{name}",
    resources:
        gpu=lambda wildcards: 4 if wildcards.name == "lost" else 1,
        gpu_model="a100",
        mem_mb=1000,
    shell:
        "echo $SLURM_JOB_ID >> starts_{wildcards.name};"
        " until [ -e go_{wildcards.name} ]; do sleep 0.3; done; touch {output}"


rule train:
    """A fine-tune on one node; its script is the test's."""
    output:
        touch("trained/preempted"),
    shell:
        "echo $SLURM_JOB_ID >> starts_preempted; sh preempted.sh >> preempted.log 2>&1"


rule train_on_two_nodes:
    """The same one, by one process on each of two nodes, asked for as `agentflan.needs` does."""
    output:
        touch("trained/paired"),
    resources:
        nodes=2,
        mpi="srun",
        tasks=2,
        tasks_per_gpu=0,
        gres="gpu:a100:1",
    shell:
        "echo $SLURM_JOB_ID >> starts_paired; sh paired.sh >> paired.log 2>&1"


rule limited:
    """Longer than its time limit; SIGTERM comes first and lets it save."""
    output:
        "once/limited",
    resources:
        runtime=lambda wildcards, attempt: attempt,
        slurm_extra="--signal=TERM@20",
    shell:
        "echo $SLURM_JOB_ID >> starts_limited;"
        " trap 'touch saved; exit 143' TERM;"
        " until [ -e saved ]; do sleep 0.3; done; touch {output}"


rule hungry:
    """Takes 600 MB; the first attempt may have 300."""
    output:
        "once/hungry",
    resources:
        mem_mb=lambda wildcards, attempt: 300 * attempt**2,
    shell:
        "echo {resources.mem_mb} >> starts_hungry;"
        " python -c 'import time; kept = bytearray(600_000_000); time.sleep(5)' && touch {output}"


rule greedy:
    """Takes more than it may ever have, for longer than the controller is away: only that can end a job."""
    output:
        "once/greedy",
    resources:
        mem_mb=lambda wildcards, attempt: 190 * attempt,
    shell:
        "echo {resources.mem_mb} >> starts_greedy;"
        " python -c 'import time; kept = bytearray(600_000_000); time.sleep(120)' && touch {output}"


rule doomed:
    """Fails until somebody mends it."""
    output:
        "once/doomed",
    retries: 0
    shell:
        "echo $SLURM_JOB_ID >> starts_doomed; test -e mended && touch {output}"
