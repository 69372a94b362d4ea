"""A toy corpus and the training of a tiny model on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_training import SETTINGS, SHAPE, make_corpus

from agentflan.cli import main


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve conversations of different lengths and a tokenizer."""
    return make_corpus(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def command(corpus: Path) -> Callable[..., list[str]]:
    """``command(name, *more, **settings)``: the command line that trains the checkpoint `name`."""

    def line(name: str, *more: str, **changes: Any) -> list[str]:
        arguments = ["train_checkpoint", "--from-scratch", json.dumps(SHAPE), "--tokenizer", str(corpus / "t")]
        arguments += ["--data", str(corpus / "data.jsonl"), "--settings", json.dumps(SETTINGS | changes)]
        return [*arguments, "--out", str(corpus / name), "--losses", str(corpus / f"{name}.parquet"), *more]

    return line


@pytest.fixture(scope="module")
def train(corpus: Path, command: Callable[..., list[str]]) -> Callable[..., Path]:
    """``train(name, *more, **settings)``: trains in this process, once, and gives the checkpoint's folder."""
    done: dict[str, list[str]] = {}

    def run(name: str, *more: str, **changes: Any) -> Path:
        line = command(name, *more, **changes)
        if done.get(name) != line:
            assert main(line) == 0
            done[name] = line
        return corpus / name

    return run
