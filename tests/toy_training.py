"""A toy training for the tests: its corpus, shape and recipe, and the comparison of two of its runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet
from safetensors.torch import load_file

from agentflan.cli import main
from agentflan.files import sha256_of, write_jsonl

SHAPE = {"hidden_size": 32, "layers": 2, "heads": 2, "intermediate": 64, "max_length": 128}
SETTINGS = {"lr": 1e-3, "warmup_lr": 1e-4, "batch": 4, "max_length": 64, "template": "llama2"}


def make_corpus(folder: Path) -> Path:
    """Twelve conversations of different lengths (`data.jsonl`) and a tokenizer (`t`)."""
    rows = []
    for number in range(12):
        words = " ".join(f"w{index % 7}" for index in range(number + 1))
        turns = [{"role": "user", "content": f"say {words}"}, {"role": "assistant", "content": words, "loss": True}]
        rows.append({"id": str(number), "dataset": "toy", "stream": "general", "turns": turns})
    write_jsonl(folder / "data.jsonl", rows)
    line = ["train_tokenizer", "--in", str(folder / "data.jsonl"), "--vocab", "300", "--out", str(folder / "t")]
    assert main(line) == 0
    return folder


def assert_close(one: Path, other: Path) -> None:
    """Every loss and every weight of two checkpoints agree to 1e-4."""
    losses = [parquet.read_table(folder.with_suffix(".parquet")).to_pylist() for folder in (one, other)]
    assert len(losses[0]) == len(losses[1]) > 10
    for ours, theirs in zip(*losses, strict=True):
        assert ours | {"loss_sum": 0} == theirs | {"loss_sum": 0}
        assert ours["loss_sum"] / ours["tokens"] == pytest.approx(theirs["loss_sum"] / theirs["tokens"], abs=1e-4)
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.shape == second[name].shape
        assert float((tensor.float() - second[name].float()).abs().max()) < 1e-4, name


def assert_same_bytes(one: Path, other: Path) -> None:
    """Weights and losses of two checkpoints are the same bytes."""
    assert sha256_of(one / "model.safetensors") == sha256_of(other / "model.safetensors")
    assert sha256_of(one.with_suffix(".parquet")) == sha256_of(other.with_suffix(".parquet"))
