"""Count the tokens of a training set both ways: all of them, and those that bear loss (paper Table 2)."""

from __future__ import annotations

import argparse
import os

from agentflan import templates
from agentflan.arguments import InputPath, OutputPath
from agentflan.files import write_json
from agentflan.records import read_trajectories


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--in", dest="data", type=InputPath, required=True, help="a training set, JSON lines")
    parser.add_argument("--tokenizer", type=InputPath, required=True, help="the tokenizer's folder")
    parser.add_argument("--template", choices=templates.names(), default="llama2", help="the chat template")
    parser.add_argument("--out", type=OutputPath, required=True, help="counts, JSON")


def run(arguments: argparse.Namespace) -> str:
    """Count."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from transformers import AutoTokenizer

    from agentflan.tokens import count_tokens

    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    counts = count_tokens(read_trajectories(arguments.data), tokenizer, arguments.template)
    write_json(arguments.out, counts)
    return f"{arguments.out}: {counts['all']} tokens, {counts['loss']} bear loss"
