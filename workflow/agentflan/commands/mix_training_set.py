"""Draw the training set of a condition from the decomposed corpus (paper §4.2, App. A) and print it as a tree.

A condition is JSON with the keys of config/conditions.yaml, for example
{"form": "chat", "weights": {"reasoning": 1, "retrieval": 0.25, "understanding": 0.75}, "react_share": 0.1}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from agentflan.errors import ConfigError
from agentflan.files import write_json, write_jsonl, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--condition", required=True, help="the condition's settings, JSON")
    parser.add_argument("--decomposed", type=Path, required=True, help="folder of the decomposed corpus")
    parser.add_argument("--tokenizer", type=Path, help="measures lengths, where general data is mixed by token")
    parser.add_argument("--template", default="llama2", help="chat template of the lengths")
    parser.add_argument("--out", type=Path, required=True, help="the training set, JSON lines")
    parser.add_argument("--tree", type=Path, required=True, help="the mixture as a printed tree")
    parser.add_argument("--counts", type=Path, required=True, help="the same as JSON")


def run(arguments: argparse.Namespace) -> str:
    """Draw, write, count."""
    from agentflan import mixed
    from agentflan.records import to_json

    try:
        mixture = mixed.Mixture.from_json(json.loads(arguments.condition))
    except json.JSONDecodeError as error:
        raise ConfigError([f"--condition: not JSON ({error})"]) from None
    corpus = mixed.read_keys(arguments.decomposed)
    lengths = _lengths(arguments) if mixture.general.get("by") == "token" else None
    conversations = list(mixed.load(mixed.choose(mixture, corpus, lengths), arguments.decomposed))
    count = write_jsonl(arguments.out, (to_json(conversation) for conversation in conversations))
    printed, summary = mixed.tree(arguments.out.stem, mixture, corpus, conversations)
    write_text(arguments.tree, printed)
    write_json(arguments.counts, summary)
    return f"{printed}{arguments.out}: {count} conversations"


def _lengths(arguments: argparse.Namespace) -> dict[tuple[str, str], int]:
    from transformers import AutoTokenizer

    from agentflan.files import read_jsonl
    from agentflan.records import from_json
    from agentflan.templates import encode_many

    if arguments.tokenizer is None:
        raise ConfigError(["--tokenizer: not given; general.by: token needs one"])
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    lengths = {}
    for name in ("reasoning", "instruction", "negative", "general"):
        path = arguments.decomposed / f"{name}.jsonl"
        rows = [from_json(row, path, number) for number, row in enumerate(read_jsonl(path), 1)]
        for row, encoded in zip(rows, encode_many(rows, tokenizer, arguments.template), strict=True):
            lengths[row.dataset, row.id] = len(encoded.input_ids)
    return lengths
