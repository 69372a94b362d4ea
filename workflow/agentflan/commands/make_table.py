"""Write one table of the paper from score files, token counts and the study's plan.

Names: table1 to table6 (the paper's rows and columns), bounds (oracle and random agent), failures (how episodes end),
comparison (every value beside the published one, with interval, status and what is wrong with the printed number),
claims (the paper's claims with their tests and verdicts).
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil

from agentflan import tables
from agentflan.arguments import InputFolder, InputPath, OutputPath
from agentflan.errors import ConfigError
from agentflan.files import atomic_write, read_json, write_json
from agentflan.tables._cells import sidecar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--name", required=True, help=f"one of {', '.join(names())}")
    parser.add_argument("--plan", type=InputPath, required=True, help="the study's plan, JSON (write_plan makes it)")
    parser.add_argument("--results", type=InputFolder, required=True, help="the study's folder, as results/mini")
    parser.add_argument("--published", type=InputFolder, default="paper/published", help="the printed numbers")
    parser.add_argument("--out", type=OutputPath, required=True, help="the table, CSV")
    parser.add_argument("--cells", type=OutputPath, help="the files and episodes behind each number, JSON")


def run(arguments: argparse.Namespace) -> str:
    """Build the table and write it."""
    if arguments.name not in names():
        raise ConfigError([f"--name {arguments.name}: no such table; there are: {', '.join(names())}"])
    table = importlib.import_module(f"agentflan.tables.{arguments.name}")
    # The published numbers are shown to two tables alone, which keep them apart, so that none can pass for ours.
    published = [arguments.published] if arguments.name in ("comparison", "claims") else []
    frame = table.build(read_json(arguments.plan), arguments.results, *published)
    with atomic_write(arguments.out) as handle:
        frame.to_csv(handle, index=False, lineterminator="\n")
    if arguments.cells:
        needed = published if arguments.name == "claims" else []
        cells = table.cells(read_json(arguments.plan), arguments.results, *needed)
        write_json(arguments.cells, sidecar(arguments.name, read_json(arguments.plan), cells, arguments.results))
    return f"{arguments.out}: {len(frame)} rows, {int((frame == 'not run').sum().sum())} not run"


def names() -> list[str]:
    """All tables, by listing the folder."""
    return sorted(module.name for module in pkgutil.iter_modules(tables.__path__) if not module.name.startswith("_"))
