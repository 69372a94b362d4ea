"""The RO-Crate of a real run: valid by a validator that is offline, readable by another program, true to the bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from crate_context import fill_cache
from provenance_tree import TARGETS, agentflan

from agentflan.files import sha256_of

TINY = "results/tiny"
# What is recommended and left out: who ran a job, authored and publishes the crate is in no record, and the project has
# no address yet; 5.1 wants absolute ids of the types themselves (a fault of the validator), not of applications.
UNKNOWN = (
    *("process-run-crate-0.5_3.2", "process-run-crate-0.5_5.1", "process-run-crate-0.5_8.6"),
    *("ro-crate-1.1_22.2", "ro-crate-1.1_22.3"),
)


@pytest.fixture(scope="module")
def project(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with a crate and without one raw file."""
    project = tmp_path_factory.mktemp("crate") / "project"
    shutil.copytree(built, project, symlinks=True)
    (project / TINY / "raw" / "os" / "receipt.json").unlink()
    done = agentflan(project, "export_crate")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def entities(project: Path) -> dict[str, dict[str, Any]]:
    """The crate's entities by their id."""
    content = json.loads((project / "results" / "ro-crate" / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in content["@graph"]}


def _ids(value: Any) -> set[str]:
    return {each["@id"] for each in (value if isinstance(value, list) else [value])}


def test_a_validator_passes_it_offline(project: Path, tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache")
    program = [str(Path(sys.executable).with_name("rocrate-validator")), "-y", "validate", "--offline", "--no-paging"]
    options = ["--cache-path", str(tmp_path / "cache"), "-p", "provenance-run-crate-0.5", "-f", "json"]
    options += ["--requirement-severity", "recommended", "--skip-checks", ",".join(UNKNOWN)]
    crate = project / "results" / "ro-crate"
    subprocess.run([*program, *options, "-o", str(tmp_path / "said.json"), str(crate)], capture_output=True)
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["passed"], said["issues"]


def test_another_program_reports_every_job(project: Path, entities: dict[str, dict[str, Any]]) -> None:
    program = str(Path(sys.executable).with_name("runcrate"))
    done = subprocess.run([program, "report", "results/ro-crate"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    jobs = [entity for entity in entities.values() if entity["@type"] == "CreateAction"]
    assert done.stdout.count("action: ") == len(jobs) > 10
    assert "step: #step-make_figure" in done.stdout
    assert "    results/figure5.png <- #Snakefile/output/results/figure5.png" in done.stdout
    assert f"    {TINY}/filtered/os.jsonl <- #agentflan-align_chat/input/" in done.stdout


def test_parameters_have_the_files_and_values_of_the_jobs_as_examples(entities: dict[str, dict[str, Any]]) -> None:
    parameters = {name: each for name, each in entities.items() if each["@type"] == "FormalParameter"}
    assert _ids(entities["Snakefile"]["output"]) >= {f"#Snakefile/output/{path}" for path in TARGETS}
    assert parameters["#agentflan-align_chat/value/dataset"]["additionalType"] == "Text"
    assert parameters["#agentflan-train_checkpoint/output/out"]["additionalType"] == "Dataset"
    for name, parameter in parameters.items():
        assert all(name in _ids(entities[example]["exampleOfWork"]) for example in _ids(parameter["workExample"]))
    declared = {each for tool in entities.values() for side in ("input", "output") for each in _ids(tool.get(side, []))}
    assert declared == set(parameters)


def test_connections_hang_on_the_step_that_receives(entities: dict[str, dict[str, Any]]) -> None:
    def fed(receiver: str) -> set[tuple[str, str]]:
        lines = [entities[name] for name in _ids(entities[receiver]["connection"])]
        return {(line["sourceParameter"]["@id"], line["targetParameter"]["@id"]) for line in lines}

    kept = ("#agentflan-filter_trajectories/output/out", "#agentflan-align_chat/input/source")
    assert fed("#step-align_chat") == {kept}
    base = ("#agentflan-train_checkpoint/output/out", "#agentflan-train_checkpoint/input/model")
    assert base in fed("#step-train_checkpoint")
    assert ("#agentflan-make_table/output/out", "#Snakefile/output/results/table6.csv") in fed("Snakefile")
    plan = ("#Snakefile/input/config/models.yaml", "#agentflan-write_plan/input/files")
    assert plan in fed("#step-write_plan")
    used = {name for entity in entities.values() for name in _ids(entity.get("connection", []))}
    assert used == {name for name, each in entities.items() if each["@type"] == "ParameterConnection"}


def test_steps_stand_in_the_order_of_the_flow(entities: dict[str, dict[str, Any]]) -> None:
    steps = {each["name"]: int(each["position"]) for each in entities.values() if each["@type"] == "HowToStep"}
    flow = ["make_world", "fetch_raw", "filter_trajectories", "mix_training_set", "run_episodes", "make_table"]
    assert sorted(flow, key=steps.get) == flow


def test_every_file_has_the_hash_of_its_bytes(project: Path, entities: dict[str, dict[str, Any]]) -> None:
    crate = project / "results" / "ro-crate"
    files = [entity for entity in entities.values() if "File" in entity["@type"]]
    assert {"Snakefile", "results/table6.csv", f"{TINY}/chat/os.jsonl"} <= {entity["@id"] for entity in files}
    for entity in files:
        assert sha256_of(crate / entity["@id"]) == entity["sha256"], entity["@id"]
    assert (crate / "results" / "tiny").is_symlink() and not (crate / "results" / "table6.csv").is_symlink()


def test_a_job_tells_inputs_outputs_parameters_machine_and_times(entities: dict[str, dict[str, Any]]) -> None:
    (job,) = (
        entity
        for entity in entities.values()
        if entity["@type"] == "CreateAction" and f"{TINY}/chat/os.jsonl" in _ids(entity["result"])
    )
    assert f"{TINY}/filtered/os.jsonl" in _ids(job["object"])
    values = [entities[name] for name in _ids(job["object"]) | _ids(job["environment"]) | _ids(job["resourceUsage"])]
    told = {entity["name"]: entity.get("value") for entity in values}
    assert told["dataset"] == "os" and told["seed"] == 0 and told["commit"] and told["peak_memory"] > 1 << 20
    assert told["rule"] == "align_chat" and told["host"]
    assert job["startTime"] < job["endTime"] and entities[job["subjectOf"]["@id"]]["sha256"]


def test_what_is_gone_is_listed_by_its_hash(entities: dict[str, dict[str, Any]]) -> None:
    assert f"{TINY}/raw/os/" not in entities
    (gone,) = (entity for entity in entities.values() if entity.get("name") == f"{TINY}/raw/os")
    assert gone["@type"] == "CreativeWork" and len(gone["sha256"]) == 64


def test_it_replaces_an_earlier_crate_only(project: Path) -> None:
    metadata = project / "results" / "ro-crate" / "ro-crate-metadata.json"
    before = metadata.read_bytes()
    assert agentflan(project, "export_crate", "results/table6.csv").returncode == 0
    assert len(metadata.read_bytes()) < len(before)
    assert agentflan(project, "export_crate").returncode == 0
    assert metadata.read_bytes() == before
    refused = agentflan(project, "export_crate", "--out", "results/tiny/chat")
    assert refused.returncode == 1 and "a folder with other things" in refused.stderr
    assert (project / TINY / "chat" / "os.jsonl").exists()
    (project / "results" / "unknown.csv").write_text("by hand\n")
    unknown = agentflan(project, "export_crate", "results/unknown.csv", "--out", "results/other")
    assert unknown.returncode == 1 and "no record of it" in unknown.stderr
