"""Records: what they hold, what they never hold, and what is left of a job that was killed or failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from agentflan import cli
from agentflan.arguments import OutputPath, UpdatedPath
from agentflan.code_digest import PACKAGE
from agentflan.files import sha256_of, write_jsonl
from agentflan.provenance.audit import Auditor
from agentflan.provenance.code import blob_id
from agentflan.provenance.hashing import read_listing
from agentflan.provenance.recorder import recorded
from agentflan.provenance.store import store_for

ROW = {
    "id": "a",
    "dataset": "os",
    "turns": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}],
}


def _records(folder: Path) -> list[dict[str, Any]]:
    return [record.content for record in store_for(folder / "results" / "x").records()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in which the test works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    return tmp_path


def _train_tokenizer(project: Path, *more: str) -> int:
    write_jsonl(project / "results" / "tiny" / "text.jsonl", [{"text": "a few words, again and again"}] * 20)
    words = ["--in", "results/tiny/text.jsonl", "--vocab", "280", "--out", "results/tiny/tokenizer", *more]
    return cli.main(["train_tokenizer", *words])


def test_a_record_tells_what_was_read_and_written(project: Path) -> None:
    assert _train_tokenizer(project) == 0
    (record,) = _records(project)
    assert (record["command"], record["study"], record["state"], record["exit"]) == (
        "train_tokenizer",
        "tiny",
        "done",
        0,
    )
    (read,) = record["inputs"]
    text = project / "results" / "tiny" / "text.jsonl"
    assert (read["argument"], read["path"]) == ("inputs", "results/tiny/text.jsonl")
    assert (read["sha256"], read["size"]) == (sha256_of(text), text.stat().st_size)
    (written,) = record["outputs"]
    store = store_for(project / "results")
    files = read_listing(store.get(written["sha256"]))
    folder = project / "results" / "tiny" / "tokenizer"
    assert files == {path.name: sha256_of(path) for path in folder.iterdir()}
    assert record["parameters"] == {"vocab": 280, "template": "llama2"}
    code = json.loads(store.get(record["code"]))
    name = "workflow/agentflan/commands/train_tokenizer.py"
    assert code["files"][name] == blob_id(PACKAGE / "commands" / "train_tokenizer.py")
    assert "workflow/agentflan/templates/llama2.jinja" in code["files"]
    environment = json.loads(store.get(record["environment"]))
    assert "tokenizers" in record["imported"] and environment["distributions"]["tokenizers"]
    assert environment["locks"]["uv.lock"] == sha256_of(PACKAGE.parent.parent / "uv.lock")
    assert record["end"] >= record["start"] and record["peak_memory"] > 1 << 20
    assert record["machine"]["host"] and record["machine"]["cpus"] >= 1


@pytest.mark.parametrize("more", ["", "more"])
def test_a_file_that_a_step_adds_to_is_input_and_output(project: Path, more: str) -> None:
    cache, out = (project / "results" / "tiny" / name for name in ("cache", "out"))
    cache.write_text("known, of an attempt that was killed")
    arguments = Namespace(cache=UpdatedPath(cache), out=OutputPath(out))
    with recorded("build_negatives", [], arguments):
        out.write_text("made")
        cache.write_text(cache.read_text() + more)
    (record,) = _records(project)
    assert [entry["path"] for entry in record["inputs"]] == ["results/tiny/cache"]
    assert {entry["path"] for entry in record["outputs"]} == {"results/tiny/cache", "results/tiny/out"}
    nodes = Auditor(store_for(project / "results")).judge(["results/tiny/out", "results/tiny/cache"])
    reasons = [finding.reason for node in nodes.values() for finding in node.findings]
    assert not any("input" in reason or "bytes" in reason for reason in reasons), reasons


def test_each_attempt_has_a_record_of_its_own(project: Path) -> None:
    _train_tokenizer(project)
    first = {path: path.read_bytes() for path in (project / "results" / ".provenance" / "records").iterdir()}
    _train_tokenizer(project)
    assert len(_records(project)) == 2
    assert all(path.read_bytes() == content for path, content in first.items())


def test_records_do_not_change_the_artefacts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train_tokenizer(project)
    with_record = sha256_of(project / "results" / "tiny" / "tokenizer" / "tokenizer.json")
    monkeypatch.setenv("AGENTFLAN_PROVENANCE", "off")
    _train_tokenizer(project)
    assert sha256_of(project / "results" / "tiny" / "tokenizer" / "tokenizer.json") == with_record
    assert len(_records(project)) == 1


def test_a_failed_job_is_recorded_without_outputs(project: Path) -> None:
    words = ["--in", "results/tiny/none.jsonl", "--vocab", "280", "--out", "results/tiny/tokenizer"]
    assert cli.main(["train_tokenizer", *words]) == 1
    (record,) = _records(project)
    assert (record["state"], record["exit"], record["outputs"]) == ("failed", 1, [])
    assert record["error"] == "FileError" and record["inputs"][0]["kind"] == "missing"


def test_a_killed_job_leaves_the_note_of_its_start(project: Path) -> None:
    pipe = project / "results" / "tiny" / "text.jsonl"
    write_jsonl(pipe, [{"text": "word " * 2000}] * 3000)
    words = ["--in", str(pipe), "--vocab", "5000", "--out", "results/tiny/tokenizer"]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    job = subprocess.Popen([sys.executable, "-m", "agentflan", "train_tokenizer", *words], cwd=project, env=environment)
    started = project / "results" / ".provenance" / "started"
    for _ in range(600):
        if started.is_dir() and any(path.suffix == ".json" and path.name[0] != "." for path in started.iterdir()):
            break
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not _records(project)
    (note,) = store_for(project / "results").started()
    assert note.content["state"] == "started" and note.content["command"] == "train_tokenizer"
    assert note.content["inputs"][0]["sha256"] == sha256_of(pipe)


def test_a_record_names_rule_and_wildcards(project: Path) -> None:
    log = project / "results" / "tiny" / "logs" / "train_tokenizer" / "tiny-7b.log"
    log.parent.mkdir(parents=True)
    write_jsonl(project / "results" / "tiny" / "text.jsonl", [{"text": "a few words"}] * 20)
    words = ["--in", "results/tiny/text.jsonl", "--vocab", "280", "--out", "results/tiny/tokenizer"]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "agentflan", "train_tokenizer", *words]
    with log.open("w") as handle:
        subprocess.run(command, cwd=project, env=environment, stdout=handle, check=True)
    (record,) = _records(project)
    assert record["log"] == "results/tiny/logs/train_tokenizer/tiny-7b.log"
    assert (record["rule"], record["wildcards"]) == ("train_tokenizer", "tiny-7b")


def test_only_the_first_process_of_a_job_records(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert _train_tokenizer(project) == 0
    assert not (project / "results" / ".provenance").exists()


def test_the_processes_of_a_launcher_go_on_with_its_attempt(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fine-tune on several GPUs turns into torchrun, whose first process records; no note of a killed job is left."""
    store = store_for(project / "results")
    store.start("2026-train", {"state": "started"})
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("AGENTFLAN_ATTEMPT", "2026-train")
    _train_tokenizer(project)
    assert _records(project)[0]["attempt"] == "2026-train" and not store.started()
    monkeypatch.delenv("RANK")
    _train_tokenizer(project)
    assert len({record["attempt"] for record in _records(project)}) == 2  # a job of its own


def test_a_job_of_slurm_names_job_and_node(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURMD_NODENAME", "node07")
    _train_tokenizer(project)
    assert _records(project)[0]["machine"]["slurm"] == {"SLURM_JOB_ID": "4711", "SLURMD_NODENAME": "node07"}


def test_no_secret_enters_a_record(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canaries in variables, in arguments, in JSON arguments and in addresses."""
    canaries = {f"canary{number}xyzzy" for number in range(6)}
    monkeypatch.setenv("OPENAI_API_KEY", "canary0xyzzy")
    monkeypatch.setenv("HF_TOKEN", "canary1xyzzy")
    settings = {"api": {"api_key": "canary2xyzzy", "base_url": "https://user:canary3xyzzy@host/v1?sig=canary4xyzzy"}}
    words = ["--benchmark", "hotpotqa", "--data", "results/tiny", "--backend", "openai", "--model", "m-canary0xyzzy"]
    cli.main(["run_episodes", *words, "--settings", json.dumps(settings), "--out", "results/tiny/t.jsonl"])
    base = ["--queries", "results/tiny/q", "--replies-cache", "results/tiny/r", "--out", "results/tiny/n.jsonl"]
    cli.main(["build_negatives", *base, "--base-url", "https://me:canary5xyzzy@host", "--model", "hf_canary1xyzzy"])
    assert len(_records(project)) == 2
    for path in (project / "results" / ".provenance").rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not [canary for canary in canaries if canary in text], path
    assert "[redacted]" in json.dumps(_records(project)[0]["argv"])


def test_files_of_a_shared_folder_are_inputs_if_they_were_opened(project: Path) -> None:
    for name in ("a", "b"):
        write_jsonl(project / "results" / "tiny" / "decomposed" / f"{name}.jsonl", [ROW])
    words = ["--condition", "paper", "--decomposed", "results/tiny/decomposed", "--out", "results/tiny/m.jsonl"]
    cli.main(["mix_training_set", *words, "--tree", "results/tiny/t.txt", "--counts", "results/tiny/c.json"])
    (record,) = _records(project)
    opened = {entry["path"] for entry in record["inputs"]}
    assert "results/tiny/decomposed/a.jsonl" not in opened  # the mixture asks for no such stream
