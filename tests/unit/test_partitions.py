"""Which partition takes a job, told before anything is submitted; the plugin's own choice is asked, not copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentflan import partitions
from agentflan.errors import ConfigError
from agentflan.needs import Need
from agentflan.partitions import Site

SITE = {
    "partitions": {
        "cpu": {"max_runtime": "1d", "max_mem_mb": 250_000, "max_threads": 64, "max_nodes": 1},
        "a100": {
            "max_runtime": "2d",
            "max_mem_mb": 1_000_000,
            "max_threads": 128,
            "max_nodes": 16,
            "max_gpu": 8,
            "available_gpu_models": ["a100"],
        },
        "h100": {
            "max_runtime": "12h",
            "max_mem_mb": 2_000_000,
            "max_threads": 96,
            "max_nodes": 16,
            "max_gpu": 4,
            "available_gpu_models": ["nvidia_h100"],
        },
    },
    "gpu_models": {"h100": "nvidia_h100"},
}


@dataclass
class Wanted:
    """A job as the plugin sees it."""

    resources: Mapping[str, Any]
    name: str = "train_checkpoint"
    threads: int = 8


@pytest.fixture
def site() -> Site:
    return partitions.site(SITE)


def _job(site: Site, need: Need) -> Wanted:
    return Wanted(need.resources(site_model=site.gpu_model(need.gpu_model)))


@pytest.mark.parametrize(
    ("need", "partition"),
    [
        (Need(4000, 60), "cpu"),
        (Need(4000, 60, gpus=1, gpu_model="a100"), "a100"),
        (Need(4000, 60, gpus=1, gpu_model="h100"), "h100"),
        (Need(900_000, 600, gpus=8, gpu_model="a100", nodes=16), "a100"),
        (Need(3_000_000, 60), None),  # memory
        (Need(4000, 2 * 24 * 60 + 1), None),  # time
        (Need(4000, 60, gpus=8, gpu_model="h100"), None),  # GPUs of a node
        (Need(4000, 60, gpus=8, gpu_model="a100", nodes=17), None),  # nodes
        (Need(4000, 60, gpus=1, gpu_model="b200"), None),  # model
    ],
)
def test_a_need_finds_its_partition(site: Site, need: Need, partition: str | None) -> None:
    assert site.partition(_job(site, need)) == partition


def test_a_need_that_nothing_meets_is_told_with_the_limits(site: Site) -> None:
    fine, one = _job(site, Need(4000, 60)), _job(site, Need(4000, 60, gpus=8, gpu_model="h100"))
    with pytest.raises(ConfigError) as refused:
        site.check([fine, one, one])
    told = str(refused.value)
    assert "no partition for train_checkpoint and 1 more: threads 8, gpu 8, gpu_model nvidia_h100, mem_mb 4000" in told
    assert "h100: max_runtime 720" in told and "max_gpu 4" in told
    assert "cpu: max_runtime 1440, max_mem_mb 250000, max_threads 64, max_nodes 1, max_gpu 0" in told
    site.check([fine])


def test_jobs_and_gpu_hours_are_counted_over_all_nodes(site: Site) -> None:
    jobs = [
        _job(site, Need(4000, 60)),
        _job(site, Need(4000, 90, gpus=2, gpu_model="a100")),
        _job(site, Need(4000, 60, gpus=8, gpu_model="a100", nodes=16)),
    ]
    assert site.tally(jobs) == ["a100: 2 SLURM jobs, at most 131 GPU-hours", "cpu: 1 SLURM job, at most 0 GPU-hours"]
    assert site.tally([]) == ["no SLURM jobs"]


def test_gpus_without_models_are_asked_for_without_one() -> None:
    plain = partitions.site({"partitions": {"gpu": {"max_gpu": 8}}})
    assert plain.gpu_model("a100") is None
    assert plain.partition(_job(plain, Need(4000, 60, gpus=8, gpu_model="a100"))) == "gpu"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected at least one partition"),
        ({"partitions": {"gpu": {"max_gpus": 8}}}, r"partitions\.gpu\.max_gpus: no such limit"),
    ],
)
def test_a_wrong_site_file_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        partitions.site(settings)


def test_both_examples_of_the_site_file_are_read(root: Path) -> None:
    text = (root / "profiles" / "slurm" / "partitions.yaml").read_text()
    first = partitions.site(yaml.safe_load(text))
    _, _, second = text.partition("# Example 2")
    example = partitions.site(yaml.safe_load("\n".join(line[2:] for line in second.splitlines()[2:])))
    assert [partition.name for partition in first.partitions] == ["gpu"]
    assert [partition.name for partition in example.partitions] == ["cpu", "a100", "h100"]
    assert example.gpu_model("h100") == "nvidia_h100" and example.gpu_model("a100") == "a100"
