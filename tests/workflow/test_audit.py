"""The audit on real results: an untouched tree has no finding, and whatever is done to it is found and named."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from provenance_tree import agentflan, git, python

TINY = "results/tiny"
KINDS = (  # one artefact of every kind
    f"{TINY}/world/MANIFEST.json",
    f"{TINY}/raw/toolbench/data/toolllama_G123_dfs_train.json",
    f"{TINY}/raw/toolbench/receipt.json",
    f"{TINY}/filtered/os.jsonl",
    f"{TINY}/filtered/toolbench.rejected.jsonl",
    f"{TINY}/filtered/toolbench.counts.json",
    f"{TINY}/chat/os.jsonl",
    f"{TINY}/chat/os.react.jsonl",
    f"{TINY}/decomposed/reasoning.jsonl",
    f"{TINY}/decomposed/instruction.jsonl",
    f"{TINY}/decomposed/negative.jsonl",
    f"{TINY}/mixed/agent_flan.jsonl",
    f"{TINY}/mixed/agent_flan.tree.txt",
    f"{TINY}/mixed/agent_flan.counts.json",
    f"{TINY}/tokenizer/tokenizer.json",
    f"{TINY}/checkpoints/tiny_7b-agent_flan-s0/model.safetensors",
    f"{TINY}/checkpoints/tiny_7b-base/config.json",
    f"{TINY}/losses/tiny_7b-agent_flan-s0.parquet",
    f"{TINY}/throughput/tiny_7b-agent_flan-s0.json",
    f"{TINY}/logs/events/tiny_7b-agent_flan-s0/events.*",
    f"{TINY}/transcripts/tiny_7b-agent_flan-s0/teval.jsonl",
    f"{TINY}/scores/tiny_7b-agent_flan-s0/teval.json",
    f"{TINY}/plan.json",
    "results/table1.csv",
    "results/table1.cells.json",
    "results/figure5.pdf",
    "results/figure5.svg",
    "results/figure5.png",
)
HARMLESS = {"OK", "SUBSTITUTE", "NOT-RUN"}


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy that may be tampered with."""
    copy = tmp_path / "project"
    shutil.copytree(built, copy, symlinks=True)
    yield copy
    shutil.rmtree(copy)


def _audit(project: Path, *words: str) -> tuple[int, dict[str, Any]]:
    more = [] if "--plan" in words else ["--no-plan"]
    done = agentflan(project, "audit", "--json", *more, *(word for word in words if word != "--plan"))
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def _verdicts(answer: dict[str, Any]) -> dict[str, str]:
    return {artefact["path"]: artefact["verdict"] for artefact in answer["artefacts"]}


def _reasons(answer: dict[str, Any], verdict: str, path: str = "") -> list[str]:
    found = [artefact["findings"] for artefact in answer["artefacts"] if path in ("", artefact["path"])]
    return [
        finding["reason"] for each in [*found, answer["findings"]] for finding in each if finding["verdict"] == verdict
    ]


def _flip(path: Path, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= bit
    path.write_bytes(bytes(data))


def _record_of(project: Path, output: str) -> Path:
    for path in (project / "results" / ".provenance" / "records").iterdir():
        if any(entry["path"] == output for entry in json.loads(path.read_text())["outputs"]):
            return path
    raise AssertionError(f"no record of {output}")


def test_an_untouched_tree_has_no_finding(built: Path) -> None:
    code, answer = _audit(built, "--plan")
    assert set(_verdicts(answer).values()) <= HARMLESS, answer
    assert code == 4 and answer["verdict"] == "SUBSTITUTE"
    assert not answer["findings"] and not answer["unfinished"]
    assert agentflan(built, "audit", "--no-plan", "--accept", "SUBSTITUTE", "NOT-RUN").returncode == 0
    assert _verdicts(answer)[f"{TINY}/plan.json"] == "OK"


def test_every_kind_of_artefact_reaches_raw_bytes(built: Path) -> None:
    _, answer = _audit(built, "results/table1.csv")
    paths = _verdicts(answer)
    for path in (
        f"{TINY}/world",
        f"{TINY}/raw/os",
        f"{TINY}/mixed/agent_flan.jsonl",
        f"{TINY}/checkpoints/tiny_7b-base",
    ):
        assert path in paths
    stand_ins = " ".join(_reasons(answer, "SUBSTITUTE", "results/table1.csv"))
    assert all(word in stand_ins for word in ("embedded world", "from scratch", "hashed_ngrams"))


@pytest.mark.parametrize("bit", [1, 0x80])
def test_a_flipped_byte_is_found_in_every_kind_of_artefact(project: Path, bit: int) -> None:
    touched = {path.relative_to(project).as_posix() for kind in KINDS for path in project.glob(kind)}
    assert len(touched) == len(KINDS)
    for name in touched:
        path = project / name
        times = path.stat()
        _flip(path, bit)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert _audit(project)[0] == 9  # numbers that cannot be computed again end nothing
    code, answer = _audit(project, "--no-recompute")
    assert code == 9
    tampered = " ".join(_reasons(answer, "TAMPERED"))
    for name in touched:
        assert f"{name}: other bytes" in tampered, name
    for path, verdict in _verdicts(answer).items():
        if verdict == "TAMPERED":
            assert any(name == path or name.startswith(f"{path}/") for name in touched), path


def test_a_table_edited_by_hand_is_named_with_its_cell(project: Path) -> None:
    table = project / "results" / "table1.csv"
    lines = table.read_text().splitlines()
    row = next(line for line in lines if line.startswith("tiny,Agent-FLAN"))
    value = row.split(",")[6]
    table.write_text("\n".join(lines).replace(row, row.replace(f",{value},", ",99.9,")) + "\n")
    code, answer = _audit(project, "results/table1.csv")
    reasons = _reasons(answer, "TAMPERED", "results/table1.csv")
    assert code == 9
    assert any("other bytes" in reason for reason in reasons)
    assert any("column T-Eval says 99.9" in reason and value in reason for reason in reasons)


def test_a_table_forged_with_its_record_is_still_another_number(project: Path) -> None:
    """A record of its own for the edited table: the bytes fit, but the transcripts give another number."""
    code_of = (
        "import json, pathlib, sys; from agentflan.provenance.store import *; from agentflan.files import sha256_of; "
    )
    table, record = project / "results" / "table1.csv", _record_of(project, "results/table1.csv")
    table.write_text(table.read_text().replace("tiny,Agent-FLAN,not run", "tiny,Agent-FLAN,3.00", 1))
    forge = (
        f"c = json.loads(pathlib.Path({str(record)!r}).read_text()); "
        "c['outputs'][0]['sha256'] = sha256_of('results/table1.csv'); c['end'] = '2999'; c['attempt'] = '2999-forged'; "
        "store_for('results').finish(c['attempt'], c)"
    )
    assert python(project, "-c", code_of + forge).returncode == 0
    _, answer = _audit(project, "results/table1.csv")
    (reason,) = _reasons(answer, "TAMPERED", "results/table1.csv")
    assert "column HELD-IN says 3.00, computed again from the transcripts: not run" in reason


def test_an_edited_score_is_computed_again(project: Path) -> None:
    path = project / TINY / "scores" / "tiny_7b-agent_flan-s0" / "teval.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"value": 77.7}, indent=2))
    _, answer = _audit(project, "results/table1.csv")
    assert any("value is 77.7, computed again" in reason for reason in _reasons(answer, "TAMPERED"))
    assert any("teval.json changed since" in reason for reason in _reasons(answer, "STALE", "results/table1.csv"))


def test_swapped_checkpoints_are_named(project: Path) -> None:
    one, two = (project / TINY / "checkpoints" / f"tiny_7b-{name}" for name in ("base", "agent_flan-s0"))
    spare = one.with_name("spare")
    one.rename(spare), two.rename(one), spare.rename(two)
    _, answer = _audit(project, "--no-recompute")
    for name, other in (("base", "agent_flan-s0"), ("agent_flan-s0", "base")):
        reasons = _reasons(answer, "TAMPERED", f"{TINY}/checkpoints/tiny_7b-{name}")
        assert any("model.safetensors" in reason and reason.endswith(f"tiny_7b-{other}") for reason in reasons), reasons


def test_an_edit_of_an_imported_module_is_named_but_not_of_a_comment(project: Path) -> None:
    module = project / "workflow" / "agentflan" / "chat.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    code, answer = _audit(project, "--no-recompute")
    assert code == 4, answer["verdict"]
    module.write_text(module.read_text() + "\nEDITED = 1\n")
    code, answer = _audit(project, "--no-recompute")
    assert code == 6
    stale = {path for path, verdict in _verdicts(answer).items() if verdict == "STALE"}
    assert {f"{TINY}/chat/os.jsonl", f"{TINY}/chat/os.react.jsonl"} <= stale
    assert not any("filtered" in path or "world" in path for path in stale)
    assert "code changed since: workflow/agentflan/chat.py" in _reasons(answer, "STALE", f"{TINY}/chat/os.jsonl")


def test_a_deleted_record_is_missed(project: Path) -> None:
    _record_of(project, f"{TINY}/chat/os.jsonl").unlink()
    code, answer = _audit(project, "results/table1.csv", "--no-recompute")
    assert code == 8
    missing = {path for path, verdict in _verdicts(answer).items() if verdict == "MISSING-RECORD"}
    assert missing == {f"{TINY}/chat/os.jsonl", f"{TINY}/chat/os.react.jsonl"}


def test_a_record_edited_in_place_is_named(project: Path) -> None:
    record = _record_of(project, f"{TINY}/mixed/agent_flan.jsonl")
    record.write_text(record.read_text().replace('"react_share": 0.1', '"react_share": 0.2'))
    code, answer = _audit(project, "--no-recompute")
    assert code == 9
    assert any(record.name in reason for reason in _reasons(answer, "TAMPERED"))


@pytest.mark.parametrize("key", ["path", "kind", "sha256", "parameters"])
def test_a_record_that_lost_a_key_is_named_and_the_rest_is_audited(project: Path, key: str) -> None:
    record = _record_of(project, f"{TINY}/scores/tiny_7b-agent_flan-s0/teval.json")
    record.write_text(record.read_text().replace(f'"{key}"', f'"{key[:-1]}_"'))
    code, answer = _audit(project)
    assert code == 9
    assert any(record.name in reason for reason in _reasons(answer, "TAMPERED"))
    assert _verdicts(answer)[f"{TINY}/scores/tiny_7b-agent_flan-s0/teval.json"] in ("MISSING-RECORD", "TAMPERED")
    assert _verdicts(answer)[f"{TINY}/mixed/agent_flan.jsonl"] in HARMLESS


def test_a_changed_setting_is_named_with_both_values(project: Path) -> None:
    conditions = project / "config" / "conditions.yaml"
    text = conditions.read_text()
    conditions.write_text("# a comment changes nothing\n" + text)
    assert _audit(project, "--plan", "--no-recompute")[0] == 4
    start = text.index("\nagent_flan:")
    conditions.write_text(text[:start] + text[start:].replace("retrieval: 0.25", "retrieval: 0.5", 1))
    code, answer = _audit(project, "--plan", "--no-recompute")
    assert code == 6
    reasons = _reasons(answer, "STALE", f"{TINY}/mixed/agent_flan.jsonl")
    assert any("condition.weights" in reason and "0.25" in reason and "0.5" in reason for reason in reasons), reasons


def test_uncommitted_code_is_told(project: Path) -> None:
    module = project / "workflow" / "agentflan" / "filtered.py"
    module.write_text(module.read_text() + "\nEDITED = 1\n")
    words = ["--dataset", "os", "--raw", f"{TINY}/raw/os", "--out", f"{TINY}/f.jsonl"]
    done = agentflan(
        project, "filter_trajectories", *words, "--rejected", f"{TINY}/r.jsonl", "--counts", f"{TINY}/c.json"
    )
    assert done.returncode == 0, done.stderr
    code, answer = _audit(project, f"{TINY}/f.jsonl")
    assert code == 5
    assert _reasons(answer, "DIRTY") == ["made by uncommitted code: workflow/agentflan/filtered.py"]
    git(project, "commit", "--all", "--quiet", "--message", "edited")
    assert _audit(project, f"{TINY}/f.jsonl")[0] == 5  # it was not committed when it ran


def test_bytes_from_nowhere_have_no_anchor(project: Path) -> None:
    outside = project.parent / "outside.jsonl"
    shutil.copy(project / TINY / "filtered" / "os.jsonl", outside)
    outside.write_text(outside.read_text().replace("price", "prize", 1))
    words = ["--dataset", "os", "--in", str(outside), "--out", f"{TINY}/o.jsonl", "--react", f"{TINY}/r.jsonl"]
    agentflan(project, "align_chat", *words)
    code, answer = _audit(project, f"{TINY}/o.jsonl")
    assert code == 7
    assert "no step made the bytes" in _reasons(answer, "UNANCHORED", f"{TINY}/o.jsonl")[0]


def test_one_number_is_followed_down_to_raw_files(built: Path) -> None:
    done = agentflan(built, "audit", "--no-plan", "results/table1.csv", "--cell", "Agent-FLAN,T-Eval")
    shown = done.stdout
    for expected in (
        f"{TINY}/scores/tiny_7b-agent_flan-s0/teval.json",
        "3 episodes of",
        "instruct/",
        f"{TINY}/checkpoints/tiny_7b-agent_flan-s0",
        f"{TINY}/mixed/agent_flan.jsonl",
        f"{TINY}/filtered/toolbench.jsonl",
        f"{TINY}/raw/os",
        "the same when computed again from the transcripts",
    ):
        assert expected in shown, shown
    wrong = agentflan(built, "audit", "--no-plan", "results/table1.csv", "--cell", "Agent-FLAN,MMLU")
    assert wrong.returncode == 1 and "Agent-FLAN,T-Eval" in wrong.stderr


def test_one_number_tells_what_is_broken_behind_it(project: Path) -> None:
    _record_of(project, f"{TINY}/chat/os.jsonl").unlink()
    done = agentflan(project, "audit", "--no-plan", "results/table1.csv", "--cell", "Agent-FLAN,T-Eval")
    behind = done.stdout.partition("behind it:\n")[2]
    assert done.returncode == 8 and behind.startswith("MISSING-RECORD: no record tells where it comes from\n")
    assert f"{TINY}/chat/os.jsonl" in behind and "SUBSTITUTE" not in behind


def test_jobs_give_the_same_bytes_again(built: Path) -> None:
    done = agentflan(
        built, "audit", "--no-plan", "--no-recompute", "--replay", "6", "--accept", "SUBSTITUTE", "NOT-RUN"
    )
    assert done.returncode == 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("replayed ")]
    counts = [re.search(r": (\d+) of (\d+) files the same$", line).groups() for line in lines]
    assert len(counts) == 6 and all(same == count != "0" for same, count in counts)


def test_a_temporary_file_that_is_gone_breaks_no_chain(project: Path) -> None:
    """Its hash is in two records: of the step that wrote it, and of the step that read it."""
    (project / TINY / "chat" / "os.jsonl").unlink()
    code, answer = _audit(project, "results/table1.csv", "--no-recompute")
    (gone,) = (artefact for artefact in answer["artefacts"] if artefact["path"] == f"{TINY}/chat/os.jsonl")
    assert code == 4 and not gone["present"] and gone["verdict"] == "SUBSTITUTE"


def test_the_target_audit_of_the_workflow_fails_only_where_something_is_wrong(project: Path) -> None:
    command = ["-m", "snakemake", "--cores", "1", "--quiet", "all", "--config", "study=tiny", "--", "audit"]
    assert python(project, *command).returncode == 0
    log = project / TINY / "logs" / "audit.log"
    assert "SUBSTITUTE" in log.read_text() and "TAMPERED" not in log.read_text()
    _flip(project / "results" / "figure5.svg")
    assert python(project, *command).returncode == 1
    assert "results/figure5.svg: other bytes than recorded" in log.read_text()
