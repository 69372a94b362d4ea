"""The workflow: every study plans offline, edits rerun what they touch, and a finished `mini` is whole and sound."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NUMBERS = [f"table{number}.csv" for number in range(1, 7)] + ["bounds.csv", "comparison.csv"]


def _snakemake(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nolock", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """The workflow without any result."""
    for name in ("Snakefile", "config", "workflow", "paper", "environment.yml"):
        source = root / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(("study", "fine_tunes"), [("mini", 17), ("onegpu", 13), ("paper", 17)])
def test_every_study_plans_offline(clone: Path, study: str, fine_tunes: int) -> None:
    done = _snakemake(clone, "--dry-run", "--quiet", "rules", "--config", f"study={study}", "--summary")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "/checkpoints/" in line and "-base" not in line]
    assert len(lines) == fine_tunes


def test_a_wrong_study_is_named(clone: Path) -> None:
    done = _snakemake(clone, "--dry-run", "--config", "study=papr")
    assert done.returncode != 0
    assert "did you mean 'paper'" in done.stderr + done.stdout


def test_planning_tells_what_the_fine_tunes_need(clone: Path) -> None:
    done = _snakemake(clone, "results/table5.csv", "--dry-run", "--quiet", "all", "--config", "study=paper")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "fine-tunes on" in line]
    assert [line.split(":")[0] for line in lines] == ["llama2_7b", "llama2_13b", "llama2_70b"]
    assert all("GiB" in line and "GPU-hours" in line for line in lines)


def test_a_fine_tune_that_cannot_fit_ends_planning(clone: Path) -> None:
    models = clone / "config" / "models.yaml"
    models.write_text(models.read_text().replace("gpus: 128", "gpus: 8"))
    done = _snakemake(clone, "results/table5.csv", "--dry-run", "--quiet", "all", "--config", "study=paper")
    assert done.returncode != 0
    assert "llama2_70b does not fit 8 GPUs" in done.stderr + done.stdout


def test_each_table_and_figure_can_be_asked_for_alone(clone: Path) -> None:
    wanted = [*NUMBERS, *(f"figure{number}.pdf" for number in range(1, 12))]
    done = _snakemake(clone, *(f"results/{name}" for name in wanted), "--dry-run", "--quiet", "all")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def results(root: Path) -> Path:
    """The results of the study `mini`, which `make test` builds first."""
    folder = root / "results"
    if not (folder / "comparison.csv").exists():
        pytest.skip("the study mini is not built here (run make)")
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_all_tables_and_figures_exist(results: Path) -> None:
    for name in NUMBERS:
        assert _rows(results / name), name
    for number in range(1, 12):
        for suffix in ("pdf", "svg", "png"):
            assert (results / f"figure{number}.{suffix}").stat().st_size > 1000


def test_the_oracle_shows_the_ceiling_and_the_random_agent_the_floor(results: Path) -> None:
    for benchmark in ("agent_h", "teval", "hotpotqa", "toolbench_eval"):
        values = {
            agent: json.loads((results / "mini" / "scores" / agent / f"{benchmark}.json").read_text())["value"]
            for agent in ("oracle", "random")
        }
        assert values["oracle"] > 95, benchmark
        assert values["random"] < 10, benchmark


def test_tuning_moves_more_than_noise(results: Path) -> None:
    def score(agent: str, benchmark: str) -> dict[str, float]:
        return json.loads((results / "mini" / "scores" / agent / f"{benchmark}.json").read_text())

    base, tuned = score("tiny_7b-base", "teval"), score("tiny_7b-agent_flan-s0", "teval")
    assert tuned["low"] > base["high"]
    react, negatives = score("tiny_7b-react-s0", "agent_h"), score("tiny_7b-agent_flan-s0", "agent_h")
    assert negatives["low"] > react["high"]


def test_what_was_not_run_says_so_and_why(results: Path) -> None:
    rows = _rows(results / "comparison.csv")
    not_run = [row for row in rows if row["status"] == "not run"]
    assert not_run and all(row["note"] and row["ours"] in ("", "not run") for row in not_run)
    done = [row for row in rows if row["status"] == "done"]
    assert len(done) > 30 and all(row["ours"] for row in done)


def test_a_finished_study_has_nothing_to_do(root: Path, results: Path) -> None:
    done = _snakemake(root, "--dry-run", "--quiet", "progress")
    assert "Nothing to be done" in done.stdout + done.stderr
