"""Training: packing changes nothing but speed, the mask is kept, the same inputs give the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentflan.cli import main
from agentflan.errors import ConfigError
from agentflan.files import sha256_of, write_jsonl
from agentflan.training.packing import best_fit
from agentflan.training.recipe import Settings

SHAPE = {"hidden_size": 32, "layers": 2, "heads": 2, "intermediate": 64, "max_length": 128}
SETTINGS = {"lr": 1e-3, "warmup_lr": 1e-4, "batch": 4, "max_length": 64, "template": "llama2"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve conversations of different lengths and a tokenizer."""
    folder = tmp_path_factory.mktemp("training")
    rows = []
    for number in range(12):
        words = " ".join(f"w{index % 7}" for index in range(number + 1))
        turns = [{"role": "user", "content": f"say {words}"}, {"role": "assistant", "content": words, "loss": True}]
        rows.append({"id": str(number), "dataset": "toy", "stream": "general", "turns": turns})
    write_jsonl(folder / "data.jsonl", rows)
    assert (
        main(["train_tokenizer", "--in", str(folder / "data.jsonl"), "--vocab", "300", "--out", str(folder / "t")]) == 0
    )
    return folder


def _train(corpus: Path, name: str, **changes: Any) -> Path:
    out = corpus / name
    arguments = ["--from-scratch", json.dumps(SHAPE), "--tokenizer", str(corpus / "t")]
    arguments += ["--data", str(corpus / "data.jsonl"), "--settings", json.dumps(SETTINGS | changes)]
    assert main(["train_checkpoint", *arguments, "--out", str(out), "--losses", str(corpus / f"{name}.parquet")]) == 0
    return out


def test_best_fit_fills_rows_and_loses_nothing() -> None:
    lengths = [5, 3, 8, 2, 7, 1, 4]
    rows = best_fit(lengths, 10)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 10 for row in rows)
    assert len(rows) == 3


def test_packed_and_alone_give_the_same_token_losses(corpus: Path) -> None:
    import torch
    from transformers import PreTrainedTokenizerFast

    from agentflan.training.data import read_examples
    from agentflan.training.loss import GroupTable, pack, token_losses
    from agentflan.training.model import model_from_scratch

    tokenizer = PreTrainedTokenizerFast.from_pretrained(corpus / "t")
    examples, _ = read_examples([corpus / "data.jsonl"], tokenizer, "llama2", 64, "assistant")
    model = model_from_scratch(SHAPE, tokenizer, 0).eval()
    with torch.no_grad():
        packed, _ = token_losses(model, pack([examples[:4]], GroupTable(), 2))
        alone = [token_losses(model, pack([[example]], GroupTable(), 2))[0] for example in examples[:4]]
    assert packed.numel() == sum(sum(example.encoded.loss[1:]) for example in examples[:4]) > 10
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)


def test_same_inputs_give_the_same_weights_and_losses(corpus: Path) -> None:
    first, second = _train(corpus, "first"), _train(corpus, "second")
    assert sha256_of(first / "model.safetensors") == sha256_of(second / "model.safetensors")
    assert sha256_of(corpus / "first.parquet") == sha256_of(corpus / "second.parquet")
    other = _train(corpus, "other", seed=1)
    assert sha256_of(first / "model.safetensors") != sha256_of(other / "model.safetensors")


@pytest.mark.parametrize(
    "layout",
    [
        {"checkpoint_activations": True},
        {"zero": 1},
        {"zero": 2},
        {"zero": 2, "offload": "optimizer"},
        {"zero": 3},
        {"zero": 3, "offload": "optimizer", "checkpoint_activations": True},
    ],
    ids=str,
)
def test_where_states_lie_changes_no_loss_and_no_weight(corpus: Path, layout: dict[str, Any]) -> None:
    from pyarrow import parquet
    from safetensors.torch import load_file

    plain, placed = _train(corpus, "plain"), _train(corpus, "placed", **layout)

    losses = [parquet.read_table(corpus / f"{name}.parquet").to_pylist() for name in ("plain", "placed")]
    assert len(losses[0]) == len(losses[1]) > 10
    for one, other in zip(*losses, strict=True):
        assert one | {"loss_sum": 0} == other | {"loss_sum": 0}
        assert one["loss_sum"] / one["tokens"] == pytest.approx(other["loss_sum"] / other["tokens"], abs=1e-4)
    ours, theirs = load_file(plain / "model.safetensors"), load_file(placed / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.shape == theirs[name].shape
        assert float((tensor - theirs[name]).abs().max()) < 1e-4, name


@pytest.mark.parametrize("zero", [0, 2, 3])
def test_two_processes_give_the_losses_and_weights_of_one(corpus: Path, zero: int) -> None:
    from pyarrow import parquet
    from safetensors.torch import load_file

    alone, out = _train(corpus, "alone"), corpus / f"pair{zero}"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "agentflan"]
    arguments = ["--from-scratch", json.dumps(SHAPE), "--tokenizer", str(corpus / "t")]
    arguments += ["--data", str(corpus / "data.jsonl"), "--settings", json.dumps(SETTINGS | {"zero": zero})]
    arguments += ["--out", str(out), "--losses", str(corpus / "pair.parquet")]
    done = subprocess.run(
        [sys.executable, *launcher, "train_checkpoint", *arguments], capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stderr
    losses = [parquet.read_table(corpus / f"{name}.parquet").to_pylist() for name in ("alone", "pair")]
    assert len(losses[0]) == len(losses[1]) > 10
    for one, other in zip(*losses, strict=True):
        assert one | {"loss_sum": 0} == other | {"loss_sum": 0}
        assert one["loss_sum"] / one["tokens"] == pytest.approx(other["loss_sum"] / other["tokens"], abs=1e-4)
    ours, theirs = load_file(alone / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(float((tensor - theirs[name]).abs().max()) < 1e-4 for name, tensor in ours.items())


def test_small_updates_of_bf16_weights_are_not_lost(corpus: Path) -> None:
    """At the paper's rate a step is under half a bf16 spacing of most weights; fp32 master weights add them up."""
    from safetensors.torch import load_file

    slow = {"dtype": "bfloat16", "zero": 2, "lr": 2e-5, "warmup_lr": 4e-6}
    few = load_file(_train(corpus, "few", **slow) / "model.safetensors")
    many = load_file(_train(corpus, "many", **slow, epochs=40) / "model.safetensors")
    large = {name: tensor.abs() > 0.02 for name, tensor in few.items() if "proj" in name}  # spacing at least 1.2e-4
    moved = sum(int(((many[name] != few[name]) & mask).sum()) for name, mask in large.items())
    assert moved > 0.5 * sum(int(mask.sum()) for mask in large.values()) > 1000


def test_losses_of_groups_add_up_to_the_step(corpus: Path) -> None:
    from pyarrow import parquet

    _train(corpus, "groups")
    rows = parquet.read_table(corpus / "groups.parquet").to_pylist()
    for step in {row["step"] for row in rows}:
        sums = {
            kind: (sum(row["loss_sum"] for row in part), sum(row["tokens"] for row in part))
            for kind in ("all", "capability", "format", "stream", "dataset")
            if (part := [row for row in rows if row["step"] == step and row["kind"] == kind])
        }
        assert len(sums) == 5
        for loss, tokens in sums.values():
            assert tokens == sums["all"][1] > 0
            assert loss == pytest.approx(sums["all"][0])


def test_training_lowers_the_loss(corpus: Path) -> None:
    from pyarrow import parquet

    _train(corpus, "long", epochs=12)
    rows = [row for row in parquet.read_table(corpus / "long.parquet").to_pylist() if row["kind"] == "all"]
    first, last = (row["loss_sum"] / row["tokens"] for row in (rows[0], rows[-1]))
    assert last < 0.8 * first


def test_a_checkpoint_loads_with_its_template(corpus: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from agentflan import templates

    folder = _train(corpus, "load")
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() > 0
    assert AutoTokenizer.from_pretrained(folder).chat_template == templates.source("llama2")
    assert not list(folder.glob("*.bin"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1}, "lr: impossible value -1"),
        ({"leraning": 1}, "unknown key 'leraning'"),
        ({"zero": 7}, "zero"),
        ({"offload": "optimizer"}, "offload: impossible"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings.from_json(SETTINGS | change)


def test_the_learning_rate_warms_up_and_falls() -> None:
    settings = Settings(lr=1.0, warmup_lr=0.1, warmup_share=0.1)
    rates = [settings.learning_rate(step, 100) for step in range(100)]
    assert rates[9] == pytest.approx(1.0)
    assert rates[0] < rates[5] < rates[9] > rates[50] > rates[99] > 0
