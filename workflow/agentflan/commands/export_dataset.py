"""Export a training set in the released schema: up to seven JSON-lines files that `datasets` loads one by one.

The names tell the shares as those of the release do: toolbench_tflan_90p_r10r2.5u7.5.jsonl.
"""

from __future__ import annotations

import argparse

from agentflan.arguments import InputPath, OutputPath


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--in", dest="data", type=InputPath, required=True, help="a training set, JSON lines")
    parser.add_argument("--out", type=OutputPath, required=True, help="folder of the files")


def run(arguments: argparse.Namespace) -> str:
    """Export."""
    from agentflan.export import export

    counts = export(arguments.data, arguments.out)
    return f"{arguments.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items())
