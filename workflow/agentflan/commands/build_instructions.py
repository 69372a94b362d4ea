"""Build instruction-following pairs from the steps of dialogues (paper §4.1, App. A: 2,000 pairs).

Each pair asks for one call in a named format, JSON or ReAct-like lines, and answers exactly in it.
"""

from __future__ import annotations

import argparse
from itertools import chain

from agentflan.arguments import InputPath, OutputPath
from agentflan.files import write_jsonl
from agentflan.instruction import build_pairs
from agentflan.records import read_trajectories, to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in", dest="sources", type=InputPath, nargs="+", required=True, help="dialogues, JSON lines")
    parser.add_argument("--out", type=OutputPath, required=True, help="the pairs, JSON lines")
    parser.add_argument("--count", type=int, default=2000, help="pairs wanted (default 2000, as in the paper)")
    parser.add_argument("--seed", type=int, default=0, help="draws the steps and the formats (default 0)")


def run(arguments: argparse.Namespace) -> str:
    dialogues = chain.from_iterable(read_trajectories(path, stream="chat") for path in arguments.sources)
    pairs = build_pairs(dialogues, arguments.count, arguments.seed)
    written = write_jsonl(arguments.out, map(to_json, pairs))
    return f"{written} of {arguments.count} pairs wanted"
