"""The audit on made-up records: its speed, its words, and stores that several processes write at once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from agentflan import cli, datasets
from agentflan.commands.measure_provenance import measure_hashing, write_lineage
from agentflan.datasets._source import Source, SourceFile
from agentflan.files import sha256_of, write_json, write_text
from agentflan.knowledge import knowledge
from agentflan.provenance import changes, machine
from agentflan.provenance.audit import Auditor
from agentflan.provenance.hashing import Hasher, listing
from agentflan.provenance.lineage import Lineage
from agentflan.provenance.replay import _is_close
from agentflan.provenance.seal import write_seal
from agentflan.provenance.store import Store
from agentflan.provenance.verdicts import Verdict


def test_a_thousand_jobs_are_audited_in_ten_seconds(tmp_path: Path) -> None:
    """Processor seconds: other work on the machine does not count."""
    store = write_lineage(tmp_path, 1000)
    (tmp_path / "results" / "measured" / "7.json").write_text("edited")
    start = time.process_time()
    auditor = Auditor(store)
    nodes = auditor.judge(auditor.targets(tmp_path / "results"))
    assert time.process_time() - start < 10
    assert len(nodes) == 1000 and len(nodes["results/measured/999.json"].inputs) == 3
    assert [path for path, node in nodes.items() if node.verdict is Verdict.TAMPERED] == ["results/measured/7.json"]
    stale = {path for path, node in nodes.items() if node.verdict is Verdict.STALE}
    assert stale == {f"results/measured/{number}.json" for number in (105, 106, 107)}


def test_hashing_keeps_up_with_sha256sum(tmp_path: Path) -> None:
    """In seconds of the processor, so a busy machine does not matter; `snakemake benchmarks` takes a larger file."""
    assert measure_hashing(tmp_path, 64)["ratio"] >= 0.8


def test_a_summary_says_each_reason_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_lineage(tmp_path, 300)
    (tmp_path / "results" / "measured" / "7.json").write_text("edited")
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results")]) == 9
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "TAMPERED: other bytes than recorded"
        and "  results/measured/7.json: other bytes than recorded" in lines
    )
    stand_in = "  data: the embedded world in place of the published corpora and tasks"
    assert lines.count(stand_in) == 1 and len(lines) < 20
    assert lines[lines.index(stand_in) + 1].startswith("    300 artefacts: results/measured/0.json, ")


def test_a_tree_says_at_its_top_what_is_wrong_far_below(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_lineage(tmp_path, 300)
    top = tmp_path / "results" / "measured" / "205.json"
    assert cli.main(["audit", "--no-plan", str(top)]) < Verdict.STALE  # DIRTY while this code is not committed
    assert "rests on" not in capsys.readouterr().out
    (tmp_path / "results" / "measured" / "7.json").write_text("edited")
    assert cli.main(["audit", "--no-plan", str(top)]) == 9
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("results/measured/205.json  ") and "TAMPERED" not in shown[0]
    assert "    rests on TAMPERED: results/measured/7.json" in shown


def test_a_raw_source_is_told_with_revision_and_licence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store = write_lineage(tmp_path, 1)
    (record,) = store.records()
    folder = tmp_path / "results" / "measured" / "raw"
    write_json(folder / "receipt.json", {"repo": "a/b", "revision": "0123", "licence": "MIT", "files": []})
    listed = store.put(listing(Hasher().tree(folder)))
    output = {"argument": "out", "path": store.relative(folder), "kind": "folder", "sha256": listed, "files": 1}
    own = {"command": "fetch_raw", "attempt": "2026-raw", "parameters": {"dataset": "os"}, "outputs": [output]}
    store.finish("2026-raw", record.content | own)
    cli.main(["audit", "--no-plan", str(folder)])
    assert "└─ a/b@0123 (licence: MIT; files and hashes: receipt.json)" in capsys.readouterr().out


@pytest.mark.parametrize("is_pinned", [True, False])
def test_files_taken_from_an_unpacked_folder_rest_on_their_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_pinned: bool
) -> None:
    """The folder holds much besides, which is neither read nor pinned."""
    folder = tmp_path / "unpacked"
    for name in ("data/a.json", "data/b.json"):
        write_text(folder / name, name)
    pinned = SourceFile("data/a.json", sha256_of(folder / "data" / "a.json") if is_pinned else None)
    monkeypatch.setattr(datasets.load("toolbench"), "SOURCE", Source("MIT", (pinned,), url="https://example.org"))
    raw = tmp_path / "results" / "raw"
    assert cli.main(["fetch_raw", "--dataset", "toolbench", "--from", str(folder), "--out", str(raw)]) == 0
    (record,) = Store(tmp_path / "results" / ".provenance").records()
    assert [Path(entry["path"]).name for entry in record.content["inputs"]] == ["a.json"]
    store = Store(tmp_path / "results" / ".provenance")
    (node,) = Auditor(store, knowledge(store, {})).judge(["results/raw"]).values()
    assert any("(pinned SHA-256" in source for source in node.sources) == is_pinned
    assert (node.verdict == Verdict.UNANCHORED) != is_pinned, node.findings


def test_a_job_that_was_killed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store = write_lineage(tmp_path, 2)
    store.start("2026-killed", {"attempt": "2026-killed", "state": "started"})
    cli.main(["audit", "--no-plan", str(tmp_path / "results")])
    assert "started and not finished: 2026-killed" in capsys.readouterr().out


def _finish(store: Store, writer: int) -> None:
    for number in range(20):
        attempt = f"2026-{writer}-{number}"
        shared = store.put_json({"shared": number})  # all writers write the same object
        store.start(attempt, {"attempt": attempt})
        store.finish(attempt, {"attempt": attempt, "shared": shared})


def test_many_processes_write_one_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "results" / ".provenance")
    writers = [multiprocessing.Process(target=_finish, args=(store, writer)) for writer in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    records = list(store.records())
    assert len(records) == 160 and all(record.genuine for record in records) and not store.started()
    assert {len(store.get(record.content["shared"])) for record in records} <= {17, 18}
    assert sorted(path.name for path in store.folder.iterdir()) == ["objects", "records", "started"]
    assert not list(store.folder.rglob("*.tmp"))


def test_a_job_on_gpus_names_them_and_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA H100, GPU-1, 81559 MiB, 550.54'\necho 'NVIDIA H100, GPU-2, 81559 MiB, 550.54'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = machine._gpus(driver=tmp_path)
    assert [gpu["uuid"] for gpu in found] == ["GPU-1", "GPU-2"]
    assert found[0]["driver_version"] == "550.54" and found[0]["name"] == "NVIDIA H100"
    assert machine._gpus(driver=tmp_path / "none") == []


def test_a_sealed_record_that_is_gone_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store = write_lineage(tmp_path, 3)
    assert cli.main(["seal", "--results", str(tmp_path / "results")]) == 0
    (victim, *_) = store.records()
    victim.path.unlink()
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results")]) == 9
    assert f"TAMPERED: record {victim.path.name}: sealed in " in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:20],
        lambda data: data.replace(b'"records"', b'"recordz"'),
        lambda data: data.replace(b'"root": "', b'"root": "0'),
        lambda data: b"\xff" + data,
    ],
)
def test_a_damaged_seal_is_named_and_the_rest_is_audited(
    tmp_path: Path, capsys: pytest.CaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    store = write_lineage(tmp_path, 3)
    seal = write_seal(store)
    seal.write_bytes(damage(seal.read_bytes()))
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results")]) == 9
    shown = capsys.readouterr().out
    assert f"TAMPERED: seal {seal.name}: " in shown and "3 records, root" in shown
    assert cli.main(["verify", "--results", str(tmp_path / "results")]) == 1


@pytest.mark.parametrize("key", ["path", "kind", "sha256", "outputs", "inputs", "parameters", "code"])
def test_a_record_without_one_of_its_keys_is_named_and_the_rest_is_audited(
    tmp_path: Path, capsys: pytest.CaptureFixture, key: str
) -> None:
    store = write_lineage(tmp_path, 300)
    victim = list(store.records())[250].path
    victim.write_bytes(victim.read_bytes().replace(f'"{key}"'.encode(), f'"{key[:-1]}_"'.encode()))
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results")]) == 9
    shown = capsys.readouterr().out
    assert f"TAMPERED: record {victim.name}: altered since it was written" in shown
    verdict = "MISSING-RECORD" if key in ("path", "outputs") else "TAMPERED"
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results" / "measured" / "250.json")]) == 9
    assert capsys.readouterr().out.startswith(f"results/measured/250.json  {verdict}")


def test_a_damaged_table_is_named_and_the_rest_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store = write_lineage(tmp_path, 2)
    (record, _) = store.records()
    table = tmp_path / "results" / "measured" / "table1.csv"
    table.write_text("MODEL,MMLU\na,1.0\n")
    output = {"argument": "out", "path": store.relative(table), "kind": "file", "sha256": sha256_of(table)}
    own = {"command": "make_table", "attempt": "2026-table", "outputs": [output]}
    store.finish("2026-table", record.content | own)
    table.write_bytes(table.read_bytes().replace(b"a,1", b"\xe1,1"))
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results")]) == 9
    shown = capsys.readouterr().out
    assert "  results/measured/table1.csv: other bytes than recorded" in shown and "3 records, root" in shown


def test_a_broken_yaml_file_has_other_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = b"a: [1]\n"
    monkeypatch.setattr(changes, "committed", lambda *_: before)
    for now, same in ((b"# a comment\na: [1]\n", True), (b"a: [1\n", False), (b"a: [1]\xff\n", False)):
        (tmp_path / "choices.yaml").write_bytes(now)
        assert changes.same_values(tmp_path, "choices.yaml", "", hashlib.sha256(before).hexdigest()) is same


def test_another_version_of_a_package_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store = write_lineage(tmp_path, 1)
    (record,) = store.records()
    packages = json.loads(store.get(record.content["environment"]))
    now = packages["distributions"]["pyyaml"]
    packages["distributions"]["pyyaml"] = "0.0.1"
    own = {"environment": store.put_json(packages), "imported": ["yaml"], "attempt": "2026-other", "end": "2027"}
    store.finish("2026-other", record.content | own)
    assert cli.main(["audit", "--no-plan", str(tmp_path / "results" / "measured" / "0.json")]) == 6
    assert f"STALE: packages changed since: pyyaml 0.0.1 → {now}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "written",
    ['{"status": "not run", "reason": "no browser"}', '{"status": "not run", "agent": "x", "reason": "no browser"}'],
)
def test_what_was_not_run_says_why(tmp_path: Path, written: str) -> None:
    store = write_lineage(tmp_path, 1)
    (tmp_path / "results" / "measured" / "0.json").write_text(written)
    (node,) = Auditor(store).judge(["results/measured/0.json"]).values()
    assert (Verdict.NOT_RUN, "no browser") in node.findings


def test_jobs_on_gpus_may_differ_within_a_tolerance(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, number in ((one, 1.0), (other, 1.0005)):
        write_json(folder / "score.json", {"value": number, "parts": [number], "name": "a"})
        pandas.DataFrame({"step": [1, 2], "loss": [number, number]}).to_parquet(folder / "loss.parquet")
    for name in ("score.json", "loss.parquet"):
        assert _is_close(one / name, other / name, 1e-3) and not _is_close(one / name, other / name, 1e-4)
    write_json(other / "score.json", {"value": 1.0, "parts": [1.0], "name": "b"})
    assert not _is_close(one / "score.json", other / "score.json", 1e-3)


def test_what_a_crate_copied_does_not_come_from_it(tmp_path: Path) -> None:
    """A crate holds the configuration too; a plan that read the configuration was not made from the crate."""
    store = write_lineage(tmp_path, 1)
    (record,) = store.records()
    (made,) = record.content["outputs"]
    copy = made | {"path": "results/ro-crate/0.json"}
    store.finish("2027-crate", record.content | {"command": "export_crate", "attempt": "2027-crate", "outputs": [copy]})
    lineage = Lineage(store)
    assert lineage.producer(made["path"], made["sha256"]) == made["path"]
    assert lineage.producer("config/elsewhere.json", made["sha256"]) == made["path"]
    assert "results/ro-crate/0.json" in lineage.artefacts  # it has a record all the same
