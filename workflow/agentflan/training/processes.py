"""The processes of a training run: how they meet, what they tell each other, how they part.

One process needs no launcher; several are started by `agentflan.training.launch`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from agentflan.errors import AgentFlanError

# After this a process that does not answer ends the run; one that dies is noticed at once, by the launcher. It bounds
# what the first process may take to write the weights while the others wait: 138 GB of a 70B, so 40 MB/s at least.
PATIENCE = timedelta(hours=1)


class ProcessFailed(AgentFlanError):
    """A step that all processes take together failed in at least one of them."""


def join() -> None:
    """Join the processes of a launcher, or be the only one: then a file to meet at, so that jobs never clash."""
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    import deepspeed

    if deepspeed.comm.is_initialized():
        return
    # The shared-memory operator is compiled at first use, for half a minute; gloo does without.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if "WORLD_SIZE" in os.environ:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        deepspeed.init_distributed(backend, auto_mpi_discovery=False, verbose=False, timeout=PATIENCE)
        atexit.register(_part)
        return
    os.environ.setdefault("LOCAL_RANK", "0")
    meeting = Path(tempfile.mkdtemp(prefix="agentflan-")) / "processes"
    atexit.register(shutil.rmtree, meeting.parent, ignore_errors=True)
    deepspeed.init_distributed(
        backend, init_method=f"file://{meeting}", rank=0, world_size=1, auto_mpi_discovery=False, verbose=False
    )


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank()


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size()


def summed(values: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, added in the order of their ranks so that it is the same each time.

    Args:
        values: on the host, the same shape in all processes.
    """
    if world() == 1:
        return values
    each = [torch.empty_like(values) for _ in range(world())]
    distributed.all_gather(each, values)
    return torch.stack(each).sum(0)


def largest(value: int) -> int:
    """The largest of the processes' values."""
    if world() == 1:
        return value
    held = torch.tensor(value)
    distributed.all_reduce(held, distributed.ReduceOp.MAX)
    return int(held)


def told(value: Any) -> Any:
    """What the first process says, in all of them."""
    held = [value]
    distributed.broadcast_object_list(held, src=0)
    return held[0]


def together(action: Callable[[], Any], what: str) -> list[Any]:
    """Do something in each process and wait for all: the results by rank, or the same error everywhere.

    Raises:
        ProcessFailed: an `OSError` or a known error in one of them; the message names rank and reason.
    """
    try:
        mine, problem = action(), None
    except (OSError, AgentFlanError) as error:
        mine, problem = None, str(error)
    each: list[Any] = [None] * world()
    distributed.all_gather_object(each, (mine, problem))
    problems = [f"process {number}: {problem}" for number, (_, problem) in enumerate(each) if problem]
    if problems:
        raise ProcessFailed(f"{what}: {'; '.join(problems)}")
    return [result for result, _ in each]


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
