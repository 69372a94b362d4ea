"""Write the embedded world: small corpora and benchmark tasks in the upstream formats, drawn from one seed.

The study `mini` is built on it. Nothing is fetched and nothing is copied from anybody's data.
"""

from __future__ import annotations

import argparse

from agentflan.arguments import OutputPath, json_object


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--seed", type=int, default=0, help="everything is drawn from it")
    parser.add_argument("--size", default="{}", help="counts by kind of record that differ from the defaults, as JSON")
    parser.add_argument("--out", type=OutputPath, required=True, help="the world's folder")


def run(arguments: argparse.Namespace) -> str:
    """Write the files and their manifest."""
    from agentflan.world.build import build_world

    manifest = build_world(arguments.out, arguments.seed, json_object(arguments.size, "--size"))
    total = sum(entry["size"] for entry in manifest["files"].values())
    return f"{arguments.out}: {len(manifest['files'])} files, {total} bytes"
