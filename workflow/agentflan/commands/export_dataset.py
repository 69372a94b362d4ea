"""Export a training set in the released dataset's schema: seven JSON-lines files that `datasets` loads one by one."""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan.files import read_jsonl
from agentflan.records import from_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--in", dest="data", type=Path, required=True, help="a training set, JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="folder of the seven files")


def run(arguments: argparse.Namespace) -> str:
    """Export."""
    from agentflan.export import export

    rows = (from_json(row, arguments.data, number) for number, row in enumerate(read_jsonl(arguments.data), 1))
    counts = export(rows, arguments.out)
    return f"{arguments.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items())
