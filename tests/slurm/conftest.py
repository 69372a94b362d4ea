"""The pretended cluster and clones that work on it. Skipped, with the reason, where no cluster can be started."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pretended_slurm import PARTITIONS, Cluster, Workplace, why_not
from provenance_tree import make_project


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster, for all tests that want one."""
    if reason := why_not():
        pytest.skip(reason)
    running = Cluster()
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def make_workplace(cluster: Cluster, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace.Maker:
    """``make_workplace(partitions)``: a clone without results, fitted to the cluster."""

    def make(partitions: dict[str, Any] = PARTITIONS) -> Workplace:
        folder = make_project(root, tmp_path_factory.mktemp("clone"))
        shutil.copytree(root / "profiles", folder / "profiles")
        (folder / "slurm").symlink_to("profiles/slurm")
        profile = folder / "profiles" / "slurm"
        (profile / "partitions.yaml").write_text(yaml.safe_dump({"partitions": partitions}))
        settings = yaml.safe_load((profile / "config.yaml").read_text())
        settings |= {"slurm-init-seconds-before-status-checks": 2, "seconds-between-status-checks": 2}
        settings |= {"max-status-checks-per-second": 1, "latency-wait": 10}
        (profile / "config.yaml").write_text(yaml.safe_dump(settings))
        return Workplace(folder)

    return make
