"""Numbers computed again: what this host cannot compute is no forgery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentflan import recompute
from agentflan.commands import score_transcripts
from agentflan.commands.measure_provenance import write_lineage
from agentflan.errors import NotAvailable
from agentflan.files import read_json, write_json
from agentflan.provenance.lineage import Lineage
from agentflan.provenance.store import Store
from agentflan.provenance.verdicts import Verdict

PATH = "results/measured/0.json"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one score, of transcripts that are there."""
    store = write_lineage(tmp_path, 1)
    (record,) = store.records()
    inputs = [
        {"argument": name, "path": f"results/{name}", "kind": "file", "sha256": "0"} for name in ("data", "transcripts")
    ]
    own = {"command": "score_transcripts", "attempt": "2027-score", "end": "2027", "parameters": {"benchmark": "teval"}}
    store.finish("2027-score", record.content | own | {"inputs": inputs})
    return store


def test_a_score_that_this_host_cannot_compute_is_not_run_and_stands(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the results come from a cluster with a sandbox, an encoder or a key."""

    def missing(*_: Any) -> None:
        raise NotAvailable("no sandbox")

    monkeypatch.setattr(score_transcripts, "_score", missing)
    write_json(store.root / PATH, {"status": "done", "value": 5.0})
    (finding,) = recompute._again(Lineage(store), PATH, tmp_path / "again.json")
    assert finding == (Verdict.NOT_RUN, f"{PATH}: cannot be computed again here: no sandbox")
    assert read_json(tmp_path / "again.json")["value"] == 5.0


def test_what_was_not_run_and_can_be_computed_here_is_stale(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a package or an encoder came later: the old result is out of date, nobody has touched it."""
    scored = {"value": 4.0, "low": 3.0, "high": 5.0, "n": 2}
    monkeypatch.setattr(score_transcripts, "_score", lambda *_: scored)
    write_json(store.root / PATH, {"status": "not run", "reason": "no encoder"})
    (finding,) = recompute._again(Lineage(store), PATH, tmp_path / "again.json")
    assert finding == (Verdict.STALE, f"{PATH}: says it was not run (no encoder), and can be computed here")
    assert read_json(tmp_path / "again.json")["status"] == "not run"  # so that the table is compared as it was made


def test_another_number_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored = {"value": 4.0, "low": 3.0, "high": 5.0, "n": 2}
    monkeypatch.setattr(score_transcripts, "_score", lambda *_: scored)
    write_json(store.root / PATH, {"status": "done", "value": 5.0})
    findings = list(recompute._again(Lineage(store), PATH, tmp_path / "again.json"))
    assert (Verdict.TAMPERED, f"{PATH}: value is 5.0, computed again from the transcripts: 4.0") in findings
