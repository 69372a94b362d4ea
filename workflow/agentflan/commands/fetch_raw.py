"""Fetch the raw files of a dataset by pinned revision, check their hashes, and write a receipt.

Files that are there and right are not fetched again; cut-off downloads are gone on with. `--from` takes a folder or an
address instead of the pinned place.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan import datasets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--dataset", required=True, choices=datasets.names(), help="which dataset")
    parser.add_argument("--out", type=Path, required=True, help="its raw folder")
    parser.add_argument("--from", dest="origin", help="a folder or an address that holds the files")
    parser.add_argument("--manifest", type=Path, help="JSON with hashes that replace the pinned ones")


def run(arguments: argparse.Namespace) -> str:
    """Fetch and check."""
    from agentflan.fetch import fetch

    module = datasets.load(arguments.dataset)
    optional = getattr(module, "OPTIONAL_FILES", ())
    fetched = fetch(module.SOURCE, arguments.out, arguments.origin, arguments.manifest, optional)
    return f"{arguments.out}: {len(fetched)} files, {sum(file.size for file in fetched)} bytes"
