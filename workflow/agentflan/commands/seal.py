"""Seal all records so far: write down their Merkle root, and sign it with an SSH key if one is given (offline)."""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan.files import read_json
from agentflan.provenance.seal import sign, write_seal
from agentflan.provenance.store import store_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--results", type=Path, default=Path("results"), help="the tree whose records are sealed")
    parser.add_argument("--key", type=Path, help="SSH private key; without it the seal is not signed")


def run(arguments: argparse.Namespace) -> str:
    """Seal."""
    seal = write_seal(store_for(arguments.results))
    signature = f", signed in {sign(seal, arguments.key)}" if arguments.key else ", not signed"
    content = read_json(seal)
    return f"{seal}: root {content['root']} over {len(content['records'])} records{signature}"
