"""Fetch the raw files of a dataset by pinned revision, check their hashes, and write a receipt.

Files that are there and right are not fetched again; cut-off downloads are gone on with. `--from` takes a folder or an
address instead of the pinned place; of a folder, only the files that are taken are recorded as read. The prompt of a
harness that a folder lacks still comes from the pinned address, unless a manifest says all that there is.
"""

from __future__ import annotations

import argparse

from agentflan import datasets
from agentflan.arguments import InputFolder, InputPath, OutputPath


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--dataset", required=True, choices=datasets.names(), help="which dataset")
    parser.add_argument("--out", type=OutputPath, required=True, help="its raw folder")
    parser.add_argument("--from", dest="origin", type=_place, help="a folder or an address that holds the files")
    parser.add_argument("--manifest", type=InputPath, help="JSON with hashes that replace the pinned ones")


def run(arguments: argparse.Namespace) -> str:
    """Fetch and check."""
    from agentflan.fetch import fetch

    module = datasets.load(arguments.dataset)
    optional = getattr(module, "OPTIONAL_FILES", ())
    origin = None if arguments.origin is None else str(arguments.origin)
    fetched = fetch(module.SOURCE, arguments.out, origin, arguments.manifest, optional)
    return f"{arguments.out}: {len(fetched)} files, {sum(file.size for file in fetched)} bytes"


def _place(text: str) -> InputFolder | str:
    """A folder, of which this step takes some files, or an address, which is a parameter."""
    return text if "://" in text else InputFolder(text)
