"""Write config/README.md and config/schema.json from the typed configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from agentflan.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--config", type=Path, default=Path("config"), help="the configuration's folder")


def run(arguments: argparse.Namespace) -> str:
    """Write both files."""
    from agentflan.config_docs import files

    written = files(arguments.config)
    for path, text in written.items():
        write_text(path, text)
    return ", ".join(str(path) for path in written)
