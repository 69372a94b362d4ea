"""Numbers again from the transcripts: scores are pure functions of them, and tables of scores; both are compared.

The steps' own commands do the work in a scratch folder, told what the records say that they were told.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yaml import YAMLError

from agentflan.commands import make_table, score_transcripts
from agentflan.errors import AgentFlanError, FileError
from agentflan.files import read_json
from agentflan.provenance.lineage import Artefact, Lineage
from agentflan.provenance.verdicts import Finding, Verdict

# What damaged files raise in code that expects whole ones.
_DAMAGE = (AgentFlanError, AttributeError, LookupError, TypeError, ValueError, csv.Error, YAMLError)


def is_table(artefact: Artefact | None) -> bool:
    """Whether an artefact is a table whose numbers can be computed again."""
    return artefact is not None and artefact.path.endswith(".csv") and _command(artefact) == "make_table"


def recompute(lineage: Lineage, table: str) -> list[Finding]:
    """Compute the scores behind a table and the table itself again, and name every number that is another one.

    Args:
        lineage: of the store that holds the table.
        table: its path, relative to the store's root.
    """
    artefact, root = lineage.artefacts[table], lineage.store.root
    if not (root / table).is_file():
        return []
    try:
        inputs = sorted({each.path for each in lineage.inputs(artefact)})
    except FileError as error:
        return [_no_more(table, error)]
    plan = next((path for path in inputs if path.endswith("/plan.json")), "")
    if not plan or not (root / plan).exists():
        return [Finding(Verdict.UNANCHORED, f"{table}: its plan is gone, so no number can be computed again")]
    study = Path(plan).parent
    with tempfile.TemporaryDirectory(prefix="agentflan-recompute-") as folder:
        scratch = Path(folder)
        findings = [
            finding
            for path in inputs
            if Path(path).is_relative_to(study)
            for finding in _again(lineage, path, scratch / Path(path).relative_to(study))
        ]
        try:
            return findings + list(_compare_table(artefact, root, root / plan, scratch))
        except _DAMAGE as error:
            return [*findings, _no_more(table, error)]


def _again(lineage: Lineage, path: str, target: Path) -> Iterator[Finding]:
    """Put a file that the table read at `target`: a score computed anew where this host can, anything else as it is."""
    artefact, source = lineage.artefacts.get(path), lineage.store.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if artefact is None or _command(artefact) != "score_transcripts":
        if source.is_file():
            shutil.copyfile(source, target)
        return
    try:
        score_transcripts.run(_score_arguments(lineage, artefact, target))
        findings = _judge_score(path, source, target)
    except _DAMAGE as error:
        findings = [_no_more(path, error)]
    yield from findings


def _judge_score(path: str, source: Path, target: Path) -> list[Finding]:
    """A stored score against the one at `target`, which it replaces where one of them was not run."""
    if not source.is_file():
        return []
    written, found = read_json(source), read_json(target)
    if "not run" not in (written.get("status"), found.get("status")):
        return list(_compare_score(path, written, found))
    shutil.copyfile(source, target)
    if written.get("status") == found.get("status"):
        return []  # each host has its own reason
    if found.get("status") == "not run":
        return [Finding(Verdict.NOT_RUN, f"{path}: cannot be computed again here: {found['reason']}")]
    return [Finding(Verdict.STALE, f"{path}: says it was not run ({written.get('reason')}), and can be computed here")]


def _no_more(path: str, error: Exception) -> Finding:
    reason = error if isinstance(error, AgentFlanError) else f"{type(error).__name__}: {error}"
    return Finding(Verdict.TAMPERED, f"{path}: cannot be computed again: {reason}")


def _score_arguments(lineage: Lineage, artefact: Artefact, out: Path) -> Namespace:
    content, root = artefact.record.content, lineage.store.root
    paths = {entry["argument"]: root / entry["path"] for entry in content["inputs"]}
    given = content["parameters"]
    for name in ("data", "transcripts"):
        if name not in paths:
            raise FileError(artefact.record.path, f"no input {name!r}", "what score_transcripts reads")
    return Namespace(
        benchmark=given["benchmark"],
        settings=json.dumps(given.get("settings") or {}),
        agent=given.get("agent") or paths["transcripts"].parent.name,
        data=paths["data"],
        transcripts=paths["transcripts"],
        parity=paths.get("parity"),
        out=out,
    )


def _compare_score(path: str, written: dict[str, Any], found: dict[str, Any]) -> Iterator[Finding]:
    for key in sorted({*written, *found}):
        if written.get(key) != found.get(key):
            values = f"{_short(written.get(key))}, computed again from the transcripts: {_short(found.get(key))}"
            yield Finding(Verdict.TAMPERED, f"{path}: {key} is {values}")


def _compare_table(artefact: Artefact, root: Path, plan: Path, scratch: Path) -> Iterator[Finding]:
    name, out = artefact.record.content["parameters"]["name"], scratch / "again.csv"
    published = root / "paper" / "published"
    make_table.run(Namespace(name=name, plan=plan, results=scratch, published=published, out=out, cells=None))
    written, found = _rows(root / artefact.path), _rows(out)
    if len(written) != len(found):
        yield Finding(Verdict.TAMPERED, f"{artefact.path}: {len(written)} rows, computed again: {len(found)}")
    for line, (ours, again) in enumerate(zip(written, found, strict=False), 1):
        for column, (cell, number) in enumerate(zip(ours, again, strict=False)):
            if cell != number:
                place = f"row {line} ({ours[1] if len(ours) > 1 else ours[0]}), column {found[0][column]}"
                said = f"says {cell}, computed again from the transcripts: {number}"
                yield Finding(Verdict.TAMPERED, f"{artefact.path}: {place} {said}")


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as handle:
        return list(csv.reader(handle))


def _command(artefact: Artefact) -> str:
    return artefact.record.content.get("command", "")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
