"""Audit artefacts: where each comes from, down to raw bytes, and whether that is still true.

A target is a file or folder below results/. Each artefact gets a verdict: OK, NOT-RUN, SUBSTITUTE (a stand-in for data,
model, environment or encoder), DIRTY (uncommitted code), STALE (code, parameters, packages or an input changed since),
UNANCHORED (the chain does not reach raw bytes), MISSING-RECORD, TAMPERED (other bytes than recorded). The exit code
tells the worst that is not accepted: 0, 3, 4, 5, 6, 7, 8, 9 in this order. Every number of a table among the targets is
computed again from the transcripts; a score that this host cannot compute (no sandbox, encoder or key) is NOT-RUN, and
the table's numbers are computed from it as it stands.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError
from agentflan.knowledge import knowledge
from agentflan.planned import planned_jobs
from agentflan.provenance import report
from agentflan.provenance.audit import Auditor, Node
from agentflan.provenance.cells import describe, find_cell
from agentflan.provenance.replay import Replayed, candidates, replay
from agentflan.provenance.seal import store_root
from agentflan.provenance.store import Store, store_for
from agentflan.provenance.verdicts import Finding, Verdict, parse, worst
from agentflan.recompute import is_table, recompute


class Report(str):
    """What is printed, with the exit code."""

    exit_code: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("targets", type=Path, nargs="*", help="files or folders (default: results)")
    parser.add_argument("--accept", nargs="+", default=[], metavar="VERDICT", help="verdicts that exit with 0")
    parser.add_argument("--full", action="store_true", help="read large files again, even if they look unchanged")
    parser.add_argument("--cell", metavar="ROW,COLUMN", help="follow one number of a table: 'Agent-FLAN,T-Eval'")
    parser.add_argument("--no-recompute", action="store_true", help="do not compute the tables' numbers again")
    parser.add_argument("--replay", type=int, default=0, metavar="N", help="run N jobs again and compare their bytes")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="relative, for replayed jobs that saw GPUs")
    parser.add_argument("--no-plan", action="store_true", help="do not ask Snakemake what the configuration wants now")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> str:
    """Judge the targets and all that they were made from."""
    accepted = _accepted(arguments.accept)
    targets = arguments.targets or [Path("results")]
    store = store_for(targets[0])
    planned = {} if arguments.no_plan else _planned(store)
    auditor = Auditor(store, knowledge(store, planned), arguments.full)
    wanted = [name for target in targets for name in auditor.targets(target)]
    nodes = auditor.judge(wanted)
    if not arguments.no_recompute:
        _recompute(auditor, nodes, wanted)
    replayed = _replay(auditor, arguments.replay, arguments.tolerance)
    findings = [*auditor.store_findings(), *(finding for each in replayed for finding in each.findings)]
    verdict = max(worst(findings), *(node.verdict for node in nodes.values()), Verdict.OK)
    if arguments.json:
        cell = {"cell": find_cell(targets[0], arguments.cell)} if arguments.cell else {}
        text = json.dumps(cell | _as_json(auditor, nodes, findings, verdict), ensure_ascii=False, indent=1)
    elif arguments.cell:
        text = _cell(auditor, targets[0], arguments.cell)
    else:
        text = _as_text(auditor, targets, wanted, nodes, findings)
    if replayed and not arguments.json:
        text = f"{text}\n{_replays(replayed)}"
    result = Report(text)
    worrying = [each.verdict for each in [*findings, *(f for node in nodes.values() for f in node.findings)]]
    result.exit_code = int(max((each for each in worrying if each not in accepted), default=Verdict.OK))
    return result


def _replay(auditor: Auditor, count: int, tolerance: float) -> list[Replayed]:
    if not count:
        return []
    return [replay(auditor.lineage, record, tolerance) for record in candidates(auditor.lineage)[:count]]


def _replays(replayed: list[Replayed]) -> str:
    lines = []
    for each in replayed:
        count = len(each.same) + len(each.close) + len(each.findings)
        close = f", {len(each.close)} within the tolerance" if each.close else ""
        lines.append(f"replayed {each.record.content['attempt']}: {len(each.same)} of {count} files the same{close}")
    return "\n".join(lines)


def _recompute(auditor: Auditor, nodes: dict[str, Node], wanted: list[str]) -> None:
    """Add to each table what its numbers are when they are computed again from the transcripts."""
    for name in wanted:
        if is_table(auditor.lineage.artefacts.get(name)):
            nodes[name].findings += recompute(auditor.lineage, name)


def _cell(auditor: Auditor, table: Path, place: str) -> str:
    """One number and what it was made from, the artefacts of other numbers left out."""
    cell = find_cell(table, place)
    name = auditor.store.relative(table)
    plan = next(path for path in auditor.judge([name])[name].inputs if path.endswith("plan.json"))
    study = plan.rpartition("/")[0]
    nodes = auditor.judge(f"{study}/{source}" for source in cell["sources"])
    found = [finding for finding in recompute(auditor.lineage, name) if _is_about(finding, cell, study)]
    lines = [describe(cell, nodes, study), *(f"{finding.verdict.label}: {finding.reason}" for finding in found)]
    broken = {path: node for path, node in nodes.items() if node.verdict > Verdict.SUBSTITUTE}
    lines += ["behind it:", report.summary(broken, Verdict.DIRTY)] if broken else []
    return "\n".join([*lines, "" if found else "the same when computed again from the transcripts"]).rstrip()


def _is_about(finding: Finding, cell: dict[str, Any], study: str) -> bool:
    place = f"({cell['row'][0]}), column {cell['column']} "
    return place in finding.reason or any(f"{study}/{source}:" in finding.reason for source in cell["sources"])


def _as_text(
    auditor: Auditor, targets: list[Path], wanted: list[str], nodes: dict[str, Node], findings: list[Finding]
) -> str:
    alone = len(wanted) <= len(targets)
    parts = [report.tree(nodes, name) for name in wanted] if alone else [report.summary(nodes)]
    parts += [f"{finding.verdict.label}: {finding.reason}" for finding in findings]
    parts += [f"started and not finished: {name}" for name in auditor.unfinished()]
    parts.append(f"{report.counts(nodes.values())}; {len(auditor.lineage.records)} records, root {_root(auditor)}")
    return "\n".join(parts)


def _as_json(auditor: Auditor, nodes: dict[str, Node], findings: list[Finding], verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.label,
        "findings": report.findings_json(findings),
        "unfinished": auditor.unfinished(),
        "records": len(auditor.lineage.records),
        "root": _root(auditor),
        "artefacts": report.to_json(nodes),
    }


def _root(auditor: Auditor) -> str:
    return store_root(auditor.store)


def _accepted(labels: list[str]) -> set[Verdict]:
    try:
        return {parse(label) for label in labels}
    except ValueError as error:
        raise ConfigError([f"--accept: {error}"]) from None


def _planned(store: Store) -> dict[str, dict[str, Any]]:
    """What the configuration wants of every study that has records; {} where there is no workflow."""
    studies = sorted({str(record.content.get("study")) for record in store.records()})
    known = [study for study in studies if (store.root / "config" / "studies" / f"{study}.yaml").exists()]
    return planned_jobs(store.root, known) if (store.root / "Snakefile").exists() else {}
