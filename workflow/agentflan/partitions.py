"""Which partition of a SLURM site takes a job: the SLURM plugin's own choice, asked before anything is submitted.

The plugin falls back to the cluster's default partition when nothing fits; here that is an error with the need and
every partition's limits. The site's file is `profiles/slurm/partitions.yaml`, in the plugin's format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import isinf
from typing import Any, Protocol

from snakemake_executor_plugin_slurm.partitions import Partition, PartitionLimits, parse_gpu_requirements

from agentflan.errors import ConfigError

# Resources that partitions limit, in the order in which a need is told.
TOLD = ("nodes", "gpu", "gres", "gpu_model", "mem_mb", "runtime", "tasks", "mpi", "constraint")


class Job(Protocol):
    """The part of a Snakemake job, or group of jobs, that the choice depends on."""

    name: str
    threads: int
    resources: Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """The partitions of a site and its names of GPUs."""

    partitions: list[Partition]
    gpu_models: Mapping[str, str]

    def gpu_model(self, model: str | None) -> str | None:
        """What the site calls a GPU; None where its partitions name no models."""
        named = any(partition.limits.available_gpu_models for partition in self.partitions)
        return self.gpu_models.get(model, model) if model and named else None

    def partition(self, job: Job) -> str | None:
        """The partition that the plugin picks; None: nothing fits and it would take the cluster's default."""
        scores = [(partition.score_job_fit(job), partition.name) for partition in self.partitions]
        fitting = [(score, name) for score, name in scores if score is not None]
        return max(fitting, key=lambda pair: pair[0])[1] if fitting else None

    def check(self, jobs: Iterable[Job]) -> None:
        """Make sure that each job has a partition.

        Raises:
            ConfigError: some have none; each need is told once, then every partition's limits.
        """
        homeless: dict[str, list[str]] = {}
        for job in jobs:
            if self.partition(job) is None:
                homeless.setdefault(_need(job), []).append(_name(job))
        if homeless:
            needs = [f"no partition for {_first(names)}: {need}" for need, names in homeless.items()]
            offers = [f"  {partition.name}: {_limits(partition.limits)}" for partition in self.partitions]
            raise ConfigError([*needs, "the partitions of this site:", *offers])

    def tally(self, jobs: Iterable[Job]) -> list[str]:
        """Jobs and GPU-hours by partition, a line each; hours are those of the time limits."""
        counts: dict[str, list[float]] = {}
        for job in jobs:
            count = counts.setdefault(self.partition(job) or "no partition", [0, 0.0])
            count[0] += 1
            count[1] += _gpus(job) * job.resources.get("runtime", 0) / 60
        lines = [
            f"{name}: {jobs:.0f} SLURM job{'' if jobs == 1 else 's'}, at most {hours:,.0f} GPU-hours"
            for name, (jobs, hours) in sorted(counts.items())
        ]
        return lines or ["no SLURM jobs"]


def site(settings: Mapping[str, Any]) -> Site:
    """Read the site's part of the configuration.

    Args:
        settings: `partitions` (name → limits, the SLURM plugin's) and `gpu_models` (our name → the site's).

    Raises:
        ConfigError: no partitions, or a limit that does not exist.
    """
    known, partitions, problems = {field.name for field in fields(PartitionLimits)}, [], []
    for name, limits in (settings.get("partitions") or {}).items():
        limits = dict(limits or {})
        cluster = limits.pop("cluster", None)
        unknown = sorted(set(limits) - known)
        problems += [f"partitions.yaml: key partitions.{name}.{key}: no such limit" for key in unknown]
        if not unknown:
            partitions.append(Partition(name, PartitionLimits(**limits), cluster))
    if problems or not partitions:
        raise ConfigError(problems or ["partitions.yaml: key partitions: expected at least one partition"])
    return Site(partitions, settings.get("gpu_models") or {})


def _need(job: Job) -> str:
    asked = [f"{key} {job.resources.get(key)}" for key in TOLD if job.resources.get(key)]
    return ", ".join([f"threads {job.threads}", *asked])


def _name(job: Job) -> str:
    """The rule and its wildcards; a group's own name says enough."""
    wildcards = getattr(job, "wildcards", None)
    return f"{job.name} {'-'.join(map(str, wildcards))}" if wildcards else job.name


def _first(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _limits(limits: PartitionLimits) -> str:
    values = {field.name: getattr(limits, field.name) for field in fields(limits)}
    told = [f"{name} {value}" for name, value in values.items() if value and not _boundless(value)]
    return ", ".join(told if limits.max_gpu else [*told, "max_gpu 0"])


def _boundless(value: Any) -> bool:
    return value is True or (isinstance(value, float) and isinf(value))


def _gpus(job: Job) -> int:
    """GPUs on all nodes; `gres` counts those of one."""
    count = parse_gpu_requirements(job)[0]
    return count * job.resources.get("nodes", 1) if job.resources.get("gres") else count
