"""Fills the template: one HTML text that asks nothing of any server."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from agentflan.page import cost
from agentflan.page.contents import NOT_RUN, Figure, Number, Table, caption
from agentflan.page.evidence import Evidence, recorded_hash, stage
from agentflan.provenance.verdicts import MEANINGS, Verdict

HERE = Path(__file__).parent
SCRIPTS = ("graph.js", "lineage.js", "page.js")
_EPISODES_SHOWN = 6
_APART = ("claims", "comparison")  # tables with a section of their own

Place = dict[str, Any]  # what the template knows of a place of a table


def render(tables: list[Table], figures: list[Figure], captions: Path, evidence: Evidence) -> str:
    """The whole page.

    Args:
        tables: in the order to show.
        figures: in the order to show.
        captions: folder of ``{name}.rst``.
        evidence: of the files of both.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (HERE / "style.css").read_text(encoding="utf-8")
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    shown = [{"table": table, "rows": _rows(table, evidence), **_whole(table.path, evidence)} for table in tables]
    numbers = _numbered(shown)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"seconds": seconds, "memory": memory}
    return environment.get_template("page.html.jinja").render(
        study=", ".join(sorted({table.study for table in tables if table.study})) or "unknown",
        style=Markup(style),
        script=Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        tables=[each for each in shown if each["table"].name not in _APART],
        apart={each["table"].name: each for each in shown if each["table"].name in _APART},
        figures=[{"figure": figure, **_whole(figure.path, evidence)} for figure in figures],
        captions={each.name: Markup(caption(captions, each.name)) for each in [*tables, *figures]},
        stand_ins=evidence.stand_ins(),
        numbers=len(numbers),
        not_run=sum(number["text"] == NOT_RUN for number in numbers),
        artefacts=[
            {"node": node, "stage": stage(node.record), "sha256": recorded_hash(node)}
            for node in evidence.nodes.values()
        ],
        verdicts=_verdicts(numbers, evidence),
        costs=cost.by_stage(evidence),
        total=cost.total(evidence),
        wall=cost.wall_seconds(evidence.records),
        commits=sorted({str(record.content.get("commit") or "") for record in evidence.records} - {""}),
        root=evidence.root,
        data=evidence.to_json() | {"numbers": numbers, "sources": _sources(tables, evidence)},
    )


def seconds(value: float) -> str:
    """A time that people read: ``0.4 s``, ``12 min 5 s``, ``3 h 4 min``."""
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def memory(value: int) -> str:
    """Bytes as MiB or GiB."""
    return f"{value / 2**20:.0f} MiB" if value < 2**30 else f"{value / 2**30:.1f} GiB"


def _rows(table: Table, evidence: Evidence) -> list[list[Place]]:
    return [[_place(table, number, evidence) for number in row] for row in table.rows]


def _place(table: Table, number: Number, evidence: Evidence) -> Place:
    found = {name: getattr(number, name) for name in ("text", "name", "published", "interval", "note")}
    if not number.name:
        return found
    paths = [table.path.parent / table.study / source for source in number.sources]
    behind = [(path, evidence.of(path)) for path in paths]
    return found | {
        "table": _whole(table.path, evidence)["place"],
        "title": table.title,
        "verdict": evidence.verdict_of_number(table.path, number.text, paths).label,
        "sources": [[evidence.store.relative(path), evidence.place[node.path]] for path, node in behind if node],
    }


def _numbered(shown: list[dict[str, Any]]) -> list[Place]:
    """All places with a lineage, each told its number among them."""
    found = [place for each in shown for row in each["rows"] for place in row if place["name"]]
    for number, place in enumerate(found):
        place["number"] = number
    return found


def _sources(tables: list[Table], evidence: Evidence) -> dict[str, dict[str, Any]]:
    """What the sidecars tell of the files behind numbers, by path; of many episodes only the first ids."""
    found = {}
    for table in tables:
        for source, facts in table.sources.items():
            transcripts = dict(facts.get("transcripts", {}))
            if transcripts:
                ids = transcripts.pop("episodes", [])
                transcripts |= {"count": len(ids), "first": ids[:_EPISODES_SHOWN]}
            path = evidence.store.relative(table.path.parent / table.study / source)
            found[path] = {"sha256": facts.get("sha256", ""), "transcripts": transcripts}
    return found


def _whole(path: Path, evidence: Evidence) -> dict[str, Any]:
    """Verdict and place of the artefact that a file is."""
    node = evidence.of(path)
    return {"verdict": node.verdict.label, "place": evidence.place[node.path]}


def _verdicts(numbers: list[Place], evidence: Evidence) -> list[dict[str, Any]]:
    """Each verdict that there is, the worst first, with its meaning and how many artefacts and numbers have it."""
    artefacts = Counter(node.verdict.label for node in evidence.nodes.values())
    shown = Counter(number["verdict"] for number in numbers)
    return [
        {
            "label": each.label,
            "meaning": MEANINGS[each],
            "artefacts": artefacts[each.label],
            "numbers": shown[each.label],
        }
        for each in sorted(Verdict, reverse=True)
        if artefacts[each.label] or shown[each.label]
    ]


def _policy_hash(text: str) -> str:
    """A script or style as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
