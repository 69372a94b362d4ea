"""Export the run behind tables and figures as a Workflow Run RO-Crate (Provenance Run Crate 0.5).

The crate tells of every job with inputs, outputs, parameters, machine and times, and of every file with its SHA-256.
It refers to the studies' files in place, by links; `cp -rL` makes a copy that can be sent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan.arguments import InputPath, OutputPath
from agentflan.errors import FileError
from agentflan.provenance.lineage import Lineage
from agentflan.provenance.store import RESULTS, store_for

_SHOWN = ("*.csv", "figure*.pdf", "figure*.svg", "figure*.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    here = [InputPath(path) for pattern in _SHOWN for path in sorted(Path(RESULTS).glob(pattern))]
    parser.add_argument(
        "targets", type=InputPath, nargs="*", default=here, help="default: tables and figures in results/"
    )
    parser.add_argument("--out", type=OutputPath, default="results/ro-crate", help="the crate's folder")


def run(arguments: argparse.Namespace) -> str:
    """Export.

    Raises:
        FileError: nothing to tell of, or no record of it.
    """
    from agentflan.provenance.crate import write_crate

    if not arguments.targets:
        raise FileError(Path(RESULTS), "no table and no figure", "something that was made", "Build some first.")
    store = store_for(arguments.targets[0])
    told = write_crate(Lineage(store), [store.relative(path) for path in arguments.targets], arguments.out)
    return f"{arguments.out}: {told['jobs']} jobs, {told['files']} files"
