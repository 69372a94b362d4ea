"""Train a byte-level BPE tokenizer on JSON-lines files of texts and conversations.

A row is ``{"text": …}`` or a conversation with ``turns``; the chat template is stored with the tokenizer.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from agentflan import templates
from agentflan.arguments import InputPath, OutputPath
from agentflan.files import read_jsonl
from agentflan.records import from_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--in", dest="inputs", type=InputPath, nargs="+", required=True, help="JSON-lines files")
    parser.add_argument("--vocab", type=int, required=True, help="entries at most, the 256 bytes included")
    parser.add_argument("--template", choices=templates.names(), default="llama2", help="chat template to store")
    parser.add_argument("--out", type=OutputPath, required=True, help="the tokenizer's folder")


def run(arguments: argparse.Namespace) -> str:
    """Train and save."""
    from agentflan.training.tokenizer import train_tokenizer

    entries = train_tokenizer(
        _texts(arguments.inputs, arguments.template), arguments.vocab, arguments.template, arguments.out
    )
    return f"{arguments.out}: {entries} entries"


def _texts(paths: list[Path], template: str) -> Iterator[str]:
    for path in paths:
        for number, row in enumerate(read_jsonl(path), 1):
            if "text" in row:
                yield row["text"]
            else:
                yield templates.render(from_json(row, path, number).turns, template, bos="", eos="")
