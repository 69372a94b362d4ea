"""Tell in one screen what this machine has and lacks for each study and benchmark, and how to mend it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from agentflan.doctor import STUDIES, Finding, examine, lacking
from agentflan.errors import NotAvailable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--study", choices=STUDIES, help="fail if this study cannot run here")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: this folder)")


def run(arguments: argparse.Namespace) -> str:
    """Print the findings.

    Raises:
        NotAvailable: the study that was named lacks something.
    """
    findings = examine(arguments.root)
    if arguments.study and (missing := lacking(findings, arguments.study)):
        told = "; ".join(f"{finding.name} (found: {finding.found}) → {finding.mend}" for finding in missing)
        raise NotAvailable(f"{arguments.study} cannot run here: {told}")
    if arguments.json:
        return json.dumps([asdict(finding) for finding in findings], indent=2)
    return "\n".join([*map(_line, findings), "", *(_verdict(findings, study) for study in STUDIES)])


def _line(finding: Finding) -> str:
    sign = "✓" if finding.there else "✗"
    wanted = " ".join([*finding.needed_by, *([f"({finding.used_by})"] if finding.used_by else [])])
    mend = "" if finding.there else f"  → {finding.mend}"
    return f"{sign} {finding.name:22} {finding.found[:44]:44} {wanted}{mend}"


def _verdict(findings: list[Finding], study: str) -> str:
    missing = [finding.name for finding in lacking(findings, study)]
    return f"{study}: " + (f"lacks {', '.join(missing)}" if missing else "can run here")
