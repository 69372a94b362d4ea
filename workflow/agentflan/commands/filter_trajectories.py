"""Keep the trajectories that follow the paper's rules (App. B); set the others aside, each with the reason.

Demonstrations that the corpora build into their rows are removed while reading.
"""

from __future__ import annotations

import argparse

from agentflan import datasets
from agentflan.arguments import InputPath, OutputPath
from agentflan.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--dataset", required=True, choices=datasets.names(), help="which dataset the files are")
    parser.add_argument("--raw", type=InputPath, required=True, help="the raw folder")
    parser.add_argument("--out", type=OutputPath, required=True, help="kept trajectories, JSON lines")
    parser.add_argument("--rejected", type=OutputPath, required=True, help="rejected ones with the reason, JSON lines")
    parser.add_argument("--counts", type=OutputPath, required=True, help="counts, JSON")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="of the dataset's rule")


def run(arguments: argparse.Namespace) -> str:
    """Filter a dataset."""
    from agentflan.filtered import filter_trajectories

    module = datasets.load(arguments.dataset)
    if not hasattr(module, "reject"):
        raise ConfigError([f"dataset {arguments.dataset}: holds tasks, not trajectories; there is nothing to filter"])
    options = dict(_option(text) for text in arguments.option)
    counts = filter_trajectories(module, arguments.raw, arguments.out, arguments.rejected, arguments.counts, options)
    return f"{arguments.out}: {counts.kept} of {counts.read} kept"


def _option(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ConfigError([f"--option {text!r}: expected KEY=VALUE"])
    return key, value
