"""An audit in words: the lineage as a tree, each artefact with its verdict; and the same as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from agentflan.provenance.audit import Node
from agentflan.provenance.verdicts import MEANINGS, Finding, Verdict, worst

_SHOWN = 5  # findings of one artefact in a tree
_REASONS = 30  # of one verdict in a summary
_NAMES = 3  # of several artefacts
_FROM = re.compile(r" \(of [^()]+\)$")  # what an artefact has from another one


def tree(nodes: dict[str, Node], target: str) -> str:
    """The lineage of one artefact, from it down to its sources; what was shown above is only named again."""
    lines: list[str] = []
    seen: set[str] = set()
    _branch(nodes, target, "", "", lines, seen)
    lowest = worst(finding for path in seen for finding in nodes[path].findings)
    if lowest > nodes[target].verdict:
        paths = sorted(path for path in seen if nodes[path].verdict is lowest)
        lines.insert(1, f"    rests on {lowest.label}: {_names(paths)}")
    return "\n".join(lines)


def summary(nodes: dict[str, Node], least: Verdict = Verdict.OK) -> str:
    """Verdict by verdict, the worst first: each reason once, with the artefacts that it is about.

    Args:
        nodes: by path.
        least: findings of lesser verdicts are left out.
    """
    groups: dict[tuple[Verdict, str], list[str]] = {}
    for node in nodes.values():
        for finding in (each for each in node.findings if each.verdict >= least):
            groups.setdefault((finding.verdict, _FROM.sub("", finding.reason)), []).append(node.path)
    lines: list[str] = []
    for verdict in sorted({verdict for verdict, _ in groups}, reverse=True):
        found = {reason: paths for (each, reason), paths in groups.items() if each is verdict}
        ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        lines.append(f"{verdict.label}: {MEANINGS[verdict]}")
        lines += [f"  {reason}{_about(reason, paths)}" for reason, paths in ranked[:_REASONS]]
        if len(ranked) > _REASONS:
            lines.append(f"  and {len(ranked) - _REASONS} reasons more: name an artefact, or ask for --json")
    return "\n".join(lines)


def counts(nodes: Iterable[Node]) -> str:
    """How many artefacts have which verdict."""
    found = Counter(node.verdict for node in nodes)
    return ", ".join(f"{found[verdict]} {verdict.label}" for verdict in sorted(found, reverse=True)) or "no artefact"


def to_json(nodes: dict[str, Node]) -> list[dict[str, Any]]:
    """Every artefact with its findings, the main facts of its record, and what it was made from."""
    return [_node_json(node) for node in nodes.values()]


def findings_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Findings as JSON."""
    return [{"verdict": finding.verdict.label, "reason": finding.reason} for finding in findings]


def _branch(nodes: dict[str, Node], path: str, first: str, rest: str, lines: list[str], seen: set[str]) -> None:
    node = nodes[path]
    if path in seen:
        lines.append(f"{first}{node.path} (above)")
        return
    seen.add(path)
    lines.append(f"{first}{_head(node)}{_reasons(node, f'{rest}    ', whole=not first)}")
    below = [*node.inputs, *node.sources]
    for number, each in enumerate(below):
        last = number == len(below) - 1
        turn, onward = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if each in nodes:
            _branch(nodes, each, f"{rest}{turn}", f"{rest}{onward}", lines, seen)
        else:
            lines.append(f"{rest}{turn}{each}")


def _head(node: Node) -> str:
    made = ""
    if node.record:
        content = node.record.content
        made = f"  [{content.get('command')} {str(content.get('end', ''))[:19]} on {_host(content)}]"
    return f"{node.path}  {node.verdict.label}{'' if node.present else ' (not kept)'}{made}"


def _host(content: dict[str, Any]) -> str:
    machine = content.get("machine", {})
    job = machine.get("slurm", {}).get("SLURM_JOB_ID")
    return f"{machine.get('host', '?')}{f', job {job}' if job else ''}"


def _reasons(node: Node, indent: str, whole: bool) -> str:
    """The findings of an artefact, the worst first; unless `whole`, those that it has from others are left to them."""
    kept = [finding for finding in node.findings if whole or not _FROM.search(finding.reason)]
    ranked = sorted(kept, key=lambda finding: -finding.verdict)
    lines = [f"\n{indent}{finding.verdict.label}: {finding.reason}" for finding in ranked[:_SHOWN]]
    more = len(ranked) - _SHOWN
    return "".join(lines) + (f"\n{indent}and {more} more" if more > 0 else "")


def _about(reason: str, paths: list[str]) -> str:
    """The artefacts that a reason is about, unless it names the one."""
    if len(paths) == 1 and reason.startswith(paths[0]):
        return ""
    return f"\n    {len(paths)} artefact{'s' if len(paths) > 1 else ''}: {_names(paths)}"


def _names(paths: list[str]) -> str:
    return ", ".join(paths[:_NAMES]) + (" …" if len(paths) > _NAMES else "")


def _node_json(node: Node) -> dict[str, Any]:
    content = node.record.content if node.record else {}
    facts = {name: content.get(name) for name in _FACTS} if content else None
    return {
        "path": node.path,
        "verdict": node.verdict.label,
        "findings": findings_json(node.findings),
        "present": node.present,
        "inputs": node.inputs,
        "sources": node.sources,
        "record": node.record.path.name if node.record else None,
        "facts": facts,
    }


_FACTS = ("command", "study", "parameters", "seeds", "commit", "machine", "start", "end", "seconds", "peak_memory")
