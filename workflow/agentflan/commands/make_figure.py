"""Draw one figure of the paper, figure1 to figure11, as PDF, SVG and PNG.

It reads the study's plan and its files (scores, losses, transcripts, corpora). Where an input was not run, the figure
says so in words.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil

from agentflan import figures
from agentflan.arguments import InputFolder, InputPath, OutputFolder
from agentflan.errors import ConfigError
from agentflan.figures._style import render
from agentflan.files import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--name", required=True, help=f"one of {', '.join(names())}")
    parser.add_argument("--plan", type=InputPath, required=True, help="the study's plan, JSON (write_plan makes it)")
    parser.add_argument("--results", type=InputFolder, required=True, help="the study's folder, as results/mini")
    parser.add_argument("--out", type=OutputFolder, required=True, help="the files' name without .pdf, .svg, .png")


def run(arguments: argparse.Namespace) -> str:
    """Draw the figure and write its three files."""
    if arguments.name not in names():
        raise ConfigError([f"--name {arguments.name}: no such figure; there are: {', '.join(names())}"])
    figure = importlib.import_module(f"agentflan.figures.{arguments.name}")
    render(figure.draw, read_json(arguments.plan), arguments.results, arguments.out)
    return f"{arguments.out}: 3 files"


def names() -> list[str]:
    """All figures, by listing the folder."""
    found = [module.name for module in pkgutil.iter_modules(figures.__path__) if not module.name.startswith("_")]
    return sorted(found, key=lambda name: (len(name), name))
