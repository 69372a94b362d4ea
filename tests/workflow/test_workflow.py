"""The workflow: every study plans offline, and a finished one is whole and sound.

Finished ones are `smoke`, which the tests build, and `mini` where `make` has built it (slow tests).
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from provenance_tree import agentflan, python
from smoke_study import build_smoke

from agentflan.formulas import HELD_IN_BENCHMARKS
from agentflan.outline import FIGURES, TABLES

NUMBERS = [f"table{number}.csv" for number in range(1, 7)]
NUMBERS += ["bounds.csv", "failures.csv", "comparison.csv", "claims.csv"]


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


@pytest.mark.parametrize(("study", "fine_tunes"), [("mini", 20), ("onegpu", 14), ("paper", 20)])
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


def test_the_prices_of_the_model_that_writes_negative_samples_are_passed_on(clone: Path) -> None:
    study = clone / "config" / "studies" / "paper.yaml"
    study.write_text(study.read_text() + "negatives: {model: gpt-4, prompt_price: 30, reply_price: 60}\n")
    wanted = ["results/paper/decomposed/negative.jsonl", "--dry-run", "--printshellcmds", "--config", "study=paper"]
    done = _snakemake(clone, *wanted)
    assert "--model gpt-4 --max-cost 10.0 --prompt-price 30.0 --reply-price 60.0 " in done.stdout, done.stderr


def test_each_table_and_figure_can_be_asked_for_alone(clone: Path) -> None:
    wanted = [*NUMBERS, *(f"figure{number}.pdf" for number in range(1, 12))]
    done = _snakemake(clone, *(f"results/{name}" for name in wanted), "--dry-run", "--quiet", "all")
    assert done.returncode == 0, done.stderr


def test_every_table_and_figure_has_a_caption(root: Path) -> None:
    captions = {path.stem: path.read_text() for path in (root / "workflow" / "report").glob("*.rst")}
    assert {*TABLES, *FIGURES} <= set(captions)
    assert all(len(captions[name].split()) > 8 for name in (*TABLES, *FIGURES))


class Finished(NamedTuple):
    """A project with a finished study."""

    root: Path
    study: str

    @property
    def results(self) -> Path:
        """Its tables and figures."""
        return self.root / "results"

    def score(self, agent: str, benchmark: str) -> dict[str, Any]:
        """A score file."""
        return json.loads((self.results / self.study / "scores" / agent / f"{benchmark}.json").read_text())

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake on the study."""
        return python(
            self.root, "-m", "snakemake", "--cores", "2", "--nolock", *arguments, "--config", f"study={self.study}"
        )


@pytest.fixture(scope="module", params=["smoke", pytest.param("mini", marks=pytest.mark.slow)])
def finished(request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A whole run of `smoke`, or the one of `mini` in this repository."""
    if request.param == "mini":
        return request.getfixturevalue("mini")
    return Finished(build_smoke(root, tmp_path_factory.mktemp("smoke")), "smoke")


@pytest.fixture(scope="module")
def mini(root: Path) -> Finished:
    """The run of `mini` in this repository."""
    if not (root / "results" / "index.html").exists():
        pytest.skip("the study mini is not built here (run make)")
    return Finished(root, "mini")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_all_tables_and_figures_exist(finished: Finished) -> None:
    results = finished.results
    for name in NUMBERS:
        assert _rows(results / name), name
    for number in range(1, 12):
        for suffix in ("pdf", "svg", "png"):
            assert (results / f"figure{number}.{suffix}").stat().st_size > 1000
    assert (results / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert (results / "latex" / "table1.tex").exists()


def test_every_claim_has_a_verdict_with_its_numbers_or_its_reason(finished: Finished) -> None:
    rows = _rows(finished.results / "claims.csv")
    assert {row["verdict"] for row in rows} <= {"reproduced", "not reproduced", "inconclusive", "not testable here"}
    assert all(row["reason"] or row["verdict"] != "not testable here" for row in rows if not row["effect"])
    assert all(row["low"] and row["high"] for row in rows if row["effect"])
    pairs = [(row["published"], row["effect"]) for row in rows if row["published"] and row["effect"]]
    assert pairs and any(published != effect for published, effect in pairs)


def test_the_oracle_shows_the_ceiling_and_the_random_agent_the_floor(finished: Finished) -> None:
    for benchmark in ("agent_h", "teval", "hotpotqa", "toolbench_eval", *HELD_IN_BENCHMARKS.values(), "sciworld"):
        values = {agent: finished.score(agent, benchmark).get("value") for agent in ("oracle", "random")}
        if benchmark in ("agentbench_os", "sciworld") and None in values.values():
            continue  # a host without bubblewrap or without room for Java says so in the table
        assert values["oracle"] > 95, benchmark
        assert values["random"] < (20 if benchmark == "sciworld" else 10), benchmark  # which draws without a seed


@pytest.mark.slow
def test_tuning_moves_more_than_noise(mini: Finished) -> None:
    base, tuned = mini.score("tiny_7b-base", "teval"), mini.score("tiny_7b-agent_flan-s0", "teval")
    assert tuned["low"] > base["high"]
    react, negatives = mini.score("tiny_7b-react-s0", "agent_h"), mini.score("tiny_7b-agent_flan-s0", "agent_h")
    assert negatives["low"] > react["high"]


def test_what_was_not_run_says_so_and_why(finished: Finished) -> None:
    rows = _rows(finished.results / "comparison.csv")
    not_run = [row for row in rows if row["status"] == "not run"]
    assert not_run and all(row["note"] and row["ours"] in ("", "not run") for row in not_run)
    done = [row for row in rows if row["status"] == "done"]
    assert len(done) > 30 and all(row["ours"] for row in done)


def test_the_page_shows_every_table_and_figure_with_its_caption(root: Path, finished: Finished) -> None:
    page = (finished.results / "index.html").read_text()
    assert len(page.encode()) < 5_000_000
    for name in (*TABLES, *FIGURES):
        assert f'id="{name}"' in page, name
        assert _first_words(root, name) in page, name
    drawings = [page.count(f'src="data:image/{kind};base64,') for kind in ("svg+xml", "png")]
    assert sum(drawings) == len(FIGURES) and drawings[0] > drawings[1]  # a picture where the drawing is too large


def test_snakemakes_own_report_has_every_table_and_figure_with_its_caption(
    root: Path, finished: Finished, tmp_path: Path
) -> None:
    done = finished.snakemake("--report", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "report.html").read_text()
    for name in (*TABLES, *FIGURES):
        assert f"{name}.csv" in report or f"{name}.png" in report, name
        assert _first_words(root, name) in report, name


def _first_words(root: Path, name: str) -> str:
    """The first words of a caption, before anything that is set otherwise."""
    return re.split(r"[\"`]", (root / "workflow" / "report" / f"{name}.rst").read_text())[0].split("\n")[0][:40]


def test_a_finished_study_has_nothing_to_do(finished: Finished) -> None:
    done = finished.snakemake("--dry-run", "--quiet", "progress")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_audit_of_a_finished_study_has_no_finding(finished: Finished) -> None:
    done = agentflan(finished.root, "audit", "results", "--accept", "SUBSTITUTE", "NOT-RUN", "--json")
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    verdicts = {artefact["verdict"] for artefact in json.loads(done.stdout)["artefacts"]}
    assert verdicts == {"SUBSTITUTE", "NOT-RUN"} | ({"OK"} & verdicts)
