"""Make one self-contained HTML page of all tables and figures, in which each number opens its lineage.

It needs no server and no network: open it from disk, send it, print it. A number or figure that is clicked shows where
it comes from as a graph, down to the raw files, each step with its record. Published values stand beside ours. The
verdicts are those of `agentflan audit --no-plan --no-recompute`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan.arguments import InputFolder, InputPath, OutputPath
from agentflan.errors import FileError
from agentflan.files import write_text
from agentflan.knowledge import knowledge
from agentflan.page.contents import figures, tables
from agentflan.page.evidence import Evidence
from agentflan.page.render import render
from agentflan.provenance.audit import Auditor
from agentflan.provenance.store import store_for

LARGEST = 5_000_000  # bytes
_SHOWN = ("*.csv", "*.cells.json", "figure*.svg", "figure*.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    here = [InputPath(path) for pattern in _SHOWN for path in sorted(Path("results").glob(pattern))]
    parser.add_argument(
        "artefacts",
        type=InputPath,
        nargs="*",
        default=here,
        help="tables (CSV; their .cells.json lie beside them) and figures (SVG, PNG); default: those in results/",
    )
    parser.add_argument("--captions", type=InputFolder, default="workflow/report", help="folder of NAME.rst")
    parser.add_argument("--out", type=OutputPath, default="results/index.html", help="the page")


def run(arguments: argparse.Namespace) -> str:
    """Judge what is shown and write the page.

    Raises:
        FileError: nothing to show, a broken table, or more than a page of this kind can hold.
    """
    shown_tables, shown_figures = tables(arguments.artefacts), figures(arguments.artefacts)
    shown = [each.path for each in [*shown_tables, *shown_figures]]
    if not shown:
        raise FileError("results", "no table and no figure", "something to show", "Build some: snakemake --cores all.")
    store = store_for(shown[0])
    evidence = Evidence(Auditor(store, knowledge(store, {})), shown)
    page = render(shown_tables, shown_figures, arguments.captions, evidence)
    size = len(page.encode())
    if size > LARGEST:
        raise FileError(arguments.out, f"a page of {size:,} bytes", f"at most {LARGEST:,}", "Name fewer artefacts.")
    write_text(arguments.out, page)
    return f"{arguments.out}: {len(shown_tables)} tables, {len(shown_figures)} figures, {size / 1e6:.1f} MB"
