"""What one job asks of a cluster: GPUs, nodes, memory and time, in words that no site owns.

Which partition answers is the site's business (`profiles/slurm/partitions.yaml`, `agentflan.partitions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentflan import benchmarks, placement
from agentflan.forecast import RESULTS, expected_hours
from agentflan.plan import Plan
from agentflan.study import Hardware
from agentflan.training.launch import SHUTDOWN_SECONDS
from agentflan.training.memory import GIB
from agentflan.training.shape import LlamaShape

# Names of `Need.resources`: those that every executor knows, then those of the SLURM plugin.
NAMES = ("mem_mb", "runtime", "gpu", "gpu_model", "nodes", "gres", "mpi", "tasks", "tasks_per_gpu", "slurm_extra")

START_MINUTES = 60  # to load and save weights, on top of a fine-tune's own time
EPISODE_MINUTES = 720  # to play one benchmark
CPU_MINUTES = 240  # to train a model on a CPU
CPU_MEMORY_MB = 4000  # of a step without GPUs
WEIGHT_BYTES = 2  # bf16
SERVING_SHARE = 0.75  # of a GPU's memory that weights may fill; keys, values and activations take the rest
CACHE_SHARE = 0.6  # of that rest, for the keys and values of a batch


@dataclass(frozen=True)
class Need:
    """What a job asks for.

    Attributes:
        memory_mb: of each node, MiB.
        minutes: until it is surely done.
        gpus: of each node.
        gpu_model: as the study's `hardware` names it.
        nodes: how many.
        most_memory_mb: what a node has, where that is known; a retry never asks for more.
        saves: SIGTERM makes it save, so it should come before the time limit.
    """

    memory_mb: int
    minutes: int
    gpus: int = 0
    gpu_model: str | None = None
    nodes: int = 1
    most_memory_mb: int | None = None
    saves: bool = False

    def resources(self, attempt: int = 1, site_model: str | None = None) -> dict[str, int | str]:
        """The need as resources of a Snakemake job.

        Several nodes are one launcher a node, which starts its GPUs' processes: GPUs are asked for by node (`gres`),
        and `tasks_per_gpu: 0` keeps the plugin from asking for tasks by GPU as well.

        Args:
            attempt: from 1; later ones ask for that many times the memory.
            site_model: what the site calls the GPU; None: it names no models.
        """
        memory = self.memory_mb * attempt
        asked: dict[str, int | str] = {"mem_mb": min(memory, self.most_memory_mb or memory), "runtime": self.minutes}
        if self.saves:
            asked["slurm_extra"] = f"--signal=TERM@{SHUTDOWN_SECONDS}"
        if self.nodes > 1:
            gres = ":".join(str(part) for part in ("gpu", site_model, self.gpus) if part)
            tasks: dict[str, int | str] = {"nodes": self.nodes, "mpi": "srun", "tasks": self.nodes}
            return asked | tasks | ({"gres": gres, "tasks_per_gpu": 0} if self.gpus else {})
        if self.gpus:
            asked["gpu"] = self.gpus
            if site_model:
                asked["gpu_model"] = site_model
        return asked


def training(plan: Plan, model: str, condition: str, results: Path = RESULTS) -> Need:
    """Of a fine-tune: twice its forecast, and its nodes' memory in proportion to the GPUs that it takes.

    Raises:
        ConfigError: it cannot be planned.
    """
    recipe, hardware = plan.recipe(model), plan.study.hardware
    if recipe.gpus == 0 or hardware is None:
        return Need(CPU_MEMORY_MB, CPU_MINUTES, saves=True)
    gpus, nodes = placement.processes(plan.configuration, model, recipe)
    hours = expected_hours(plan, model, condition, results) or CPU_MINUTES / 60
    return _on_gpus(hardware, gpus, nodes, START_MINUTES + round(120 * hours), saves=True)


def episodes(plan: Plan, agent: str, played: Sequence[str], results: Path = RESULTS) -> Need:
    """Of the episodes that one agent plays: GPUs that hold the weights, or none; memory of the environments.

    vLLM splits attention by heads, so there it is as many GPUs as share them evenly.

    Args:
        plan: the study's.
        agent: who plays.
        played: the benchmarks, one after another.
        results: where base weights lie, once they are fetched.

    Raises:
        ConfigError: the model's shape is not known.
    """
    minutes = EPISODE_MINUTES * max(1, len(played))
    memory = max([CPU_MEMORY_MB, *(getattr(benchmarks.load(name), "MEMORY_MB", 0) for name in played)])
    served = _served(plan, agent, results)
    if served is None:
        return Need(memory, minutes)
    need = _on_gpus(plan.study.hardware, served[0], 1, minutes)
    return replace(need, memory_mb=max(need.memory_mb, memory), most_memory_mb=max(need.most_memory_mb or 0, memory))


def episode_settings(plan: Plan, agent: str, benchmark: str, results: Path = RESULTS) -> dict[str, Any]:
    """The settings with which an agent plays a benchmark: the study's, and how much of its GPUs its cache may take."""
    settings = plan.benchmark_settings(agent, benchmark)
    served = _served(plan, agent, results)
    if served is None or plan.study.local_backend != "local":
        return settings
    gpus, shape = served
    rest = gpus * plan.study.hardware.gpu_memory_gib - WEIGHT_BYTES * shape.parameters / GIB
    return {"cache_gib": round(CACHE_SHARE * rest, 1), **settings}


def shares_world(benchmark: str) -> bool:
    """Whether all agents act on one world of this benchmark, so that only one of them may play at a time."""
    return getattr(benchmarks.load(benchmark), "SHARED_WORLD", False)


def _served(plan: Plan, agent: str, results: Path) -> tuple[int, LlamaShape] | None:
    """How many GPUs an agent plays on, and its model's shape; None without GPUs."""
    known, hardware = plan.parse_checkpoint(agent), plan.study.hardware
    if known is None or hardware is None or plan.recipe(known[0]).gpus == 0:
        return None
    shape = placement.shape(plan.configuration, known[0], results)
    gpus = -(-WEIGHT_BYTES * shape.parameters // round(hardware.gpu_memory_gib * GIB * SERVING_SHARE))
    if plan.study.local_backend == "vllm":
        gpus = next((count for count in range(gpus, shape.heads) if shape.heads % count == 0), shape.heads)
    return gpus, shape


def _on_gpus(hardware: Hardware, gpus: int, nodes: int, minutes: int, saves: bool = False) -> Need:
    node = int(hardware.host_memory_gib * 1024)
    share = node * gpus // max(gpus, hardware.gpus_per_node)
    return Need(share, minutes, gpus, hardware.gpu_model, nodes, node, saves)
