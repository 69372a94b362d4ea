"""Draw the training set of a condition from the decomposed corpus (paper §4.2, App. A) and print it as a tree.

A condition is JSON with the keys of config/conditions.yaml, for example
{"form": "chat", "weights": {"reasoning": 1, "retrieval": 0.25, "understanding": 0.75}, "react_share": 0.1},
or the name of a preset: `paper` (the text's 1 : 0.25 : 0.75) or `release` (the released files' 1 : 0.5 : 0.7 with 30 %
thought-and-call). Both add 10 % ReAct, negative samples and one general conversation for each agent sample.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from agentflan.arguments import InputFolder, InputPath, OutputPath, json_object
from agentflan.errors import ConfigError
from agentflan.files import sha256_of, write_json, write_jsonl, write_text
from agentflan.mixed import Corpus, Item, Summary, choose, load, read_corpus
from agentflan.mixture import PRESETS, Mixture
from agentflan.records import to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--condition", required=True, help="the condition's settings, JSON, or a preset's name")
    parser.add_argument("--decomposed", type=InputFolder, required=True, help="folder of the decomposed corpus")
    parser.add_argument("--tokenizer", type=InputPath, help="counts tokens, where general data is mixed by token")
    parser.add_argument("--template", default="llama2", help="chat template in which tokens are counted")
    parser.add_argument("--out", type=OutputPath, required=True, help="the training set, JSON lines")
    parser.add_argument("--tree", type=OutputPath, required=True, help="the mixture as a printed tree")
    parser.add_argument(
        "--counts", type=OutputPath, required=True, help="the same as JSON, with the hash of the training set"
    )


def run(arguments: argparse.Namespace) -> str:
    """Draw, write, count."""
    mixture = Mixture.from_json(_settings(arguments.condition))
    corpus = read_corpus(arguments.decomposed)
    choice = choose(mixture, corpus, _measure(arguments, corpus) if arguments.tokenizer else None)
    summary = Summary(arguments.out.stem, mixture, choice)
    count = write_jsonl(arguments.out, map(to_json, summary.watch(load(choice.items, corpus))))
    write_text(arguments.tree, summary.tree())
    write_json(arguments.counts, summary.to_json() | {"sha256": sha256_of(arguments.out)})
    return f"{summary.tree()}{arguments.out}: {count} conversations"


def _settings(text: str) -> dict[str, object]:
    if text in PRESETS:
        return PRESETS[text]
    if not text.lstrip().startswith("{"):
        raise ConfigError([f"--condition: found {text!r}; expected a preset ({', '.join(PRESETS)}) or a JSON object"])
    return json_object(text, "--condition")


def _measure(arguments: argparse.Namespace, corpus: Corpus) -> Callable[[list[Item]], list[int]]:
    from transformers import AutoTokenizer

    from agentflan.templates import encode_many

    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)

    def measure(items: list[Item]) -> list[int]:
        return [len(each.input_ids) for each in encode_many(load(items, corpus), tokenizer, arguments.template)]

    return measure
