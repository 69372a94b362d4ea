"""Training: packing changes nothing but speed, the mask is kept, the same inputs give the same weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accident import run
from toy_training import SETTINGS, SHAPE, assert_close, assert_same_bytes

from agentflan.cli import main
from agentflan.errors import ConfigError
from agentflan.files import sha256_of
from agentflan.training.packing import best_fit, rows
from agentflan.training.recipe import Settings

Train = Callable[..., Path]


def test_best_fit_fills_rows_and_loses_nothing() -> None:
    lengths = [5, 3, 8, 2, 7, 1, 4]
    rows = best_fit(lengths, 10)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 10 for row in rows)
    assert len(rows) == 3


def test_rows_are_even_and_lose_nothing() -> None:
    lengths = [900, 100, 350, 300, 250, 500, 700, 60, 40, 20]
    assert len(best_fit(lengths, 1000)) == 4
    spread = rows(lengths, 1000, 8)
    assert sorted(index for row in spread for index in row) == list(range(len(lengths)))
    tokens = [sum(lengths[index] for index in row) for row in spread]
    assert len(tokens) == 8 and max(tokens) == 900  # the longest conversation
    assert (
        max(sum(lengths[index] for index in row) for row in rows(lengths, 1000, 1))
        < 1000
        == max(sum(lengths[index] for index in row) for row in best_fit(lengths, 1000))
    )
    assert len(rows(lengths, 1000, 16)) == len(lengths)
    assert rows([600, 600, 600], 1000, 2) == [[0], [1], [2]]


def test_packed_and_alone_give_the_same_token_losses(corpus: Path) -> None:
    import torch

    from agentflan.training.loss import GroupTable, pack, token_losses
    from agentflan.training.model import model_from_scratch

    tokenizer, examples = _read(corpus)
    model = model_from_scratch(SHAPE, tokenizer, 0).eval()
    with torch.no_grad():
        packed, _ = token_losses(model, pack([examples[:4]], GroupTable(), 2))
        alone = [token_losses(model, pack([[example]], GroupTable(), 2))[0] for example in examples[:4]]
    assert packed.numel() == sum(sum(example.loss[1:]) for example in examples[:4]) > 10
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)


def _read(corpus: Path) -> tuple[Any, list[Any]]:
    from transformers import PreTrainedTokenizerFast

    from agentflan.training.data import read_examples

    tokenizer = PreTrainedTokenizerFast.from_pretrained(corpus / "t")
    return tokenizer, read_examples([corpus / "data.jsonl"], tokenizer, "llama2", 64, "assistant")[0]


def test_padded_rows_train_as_packed_ones(train: Train) -> None:
    assert_close(train("plain"), train("padded", packing=False))


def test_same_inputs_give_the_same_weights_and_losses(train: Train) -> None:
    first, second, other = train("first"), train("second"), train("other", seed=1)
    assert_same_bytes(first, second)
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
def test_where_states_lie_changes_no_loss_and_no_weight(train: Train, layout: dict[str, Any]) -> None:
    assert_close(train("plain"), train("placed", **layout))


@pytest.mark.parametrize("zero", [0, 2])
def test_two_processes_give_the_losses_and_weights_of_one(
    train: Train, command: Callable[..., list[str]], corpus: Path, zero: int
) -> None:
    done = run(command(f"pair{zero}", zero=zero), processes=2)
    assert done.returncode == 0, done.stderr
    assert_close(train("plain"), corpus / f"pair{zero}")


def test_the_command_starts_its_processes_itself(train: Train, command: Callable[..., list[str]], corpus: Path) -> None:
    line = command("launched", "--processes", "2", zero=3)
    done = subprocess.run([sys.executable, "-m", "agentflan", *line], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert_close(train("plain"), corpus / "launched")


@pytest.mark.parametrize("zero", [0, 3])
def test_a_stored_model_is_trained_by_two_processes_as_by_one(
    train: Train, command: Callable[..., list[str]], corpus: Path, zero: int
) -> None:
    base = str(train("plain"))
    again = ["train_checkpoint", "--model", base, *command("tuned")[5:]]
    assert main(again) == 0
    done = run(["train_checkpoint", "--model", base, *command(f"tuned{zero}", zero=zero)[5:]], processes=2)
    assert done.returncode == 0, done.stderr
    assert_close(corpus / "tuned", corpus / f"tuned{zero}")


def test_activations_of_loaded_weights_are_checkpointed(train: Train) -> None:
    """Weights are loaded for evaluation, in which `transformers` would checkpoint nothing."""
    from transformers import AutoModelForCausalLM

    from agentflan.training import processes, trainer

    processes.join()
    passes = []
    for checkpoint in (False, True):
        model = AutoModelForCausalLM.from_pretrained(train("plain"))
        engine = trainer._engine(model, Settings(checkpoint_activations=checkpoint))
        counted: list[int] = []
        model.model.layers[0].mlp.register_forward_pre_hook(lambda *_, counted=counted: counted.append(1))
        losses, _ = engine(*(part.to(engine.device) for part in _row(train("plain").parent)))
        engine.backward(losses.sum())
        passes.append(len(counted))
    assert passes == [1, 2]


def _row(corpus: Path) -> Any:
    from agentflan.training.loss import GroupTable, pack

    return pack([_read(corpus)[1][:2]], GroupTable(), 2)


def test_small_updates_of_bf16_weights_are_not_lost(train: Train) -> None:
    """At the paper's rate a step is under half a bf16 spacing of most weights; fp32 master weights add them up."""
    from safetensors.torch import load_file

    slow = {"dtype": "bfloat16", "zero": 2, "lr": 2e-5, "warmup_lr": 4e-6}
    few = load_file(train("few", **slow) / "model.safetensors")
    many = load_file(train("many", **slow, epochs=40) / "model.safetensors")
    large = {name: tensor.abs() > 0.02 for name, tensor in few.items() if "proj" in name}  # spacing at least 1.2e-4
    moved = sum(int(((many[name] != few[name]) & mask).sum()) for name, mask in large.items())
    assert moved > 0.5 * sum(int(mask.sum()) for mask in large.values()) > 1000


def test_losses_of_groups_add_up_to_the_step(train: Train, corpus: Path) -> None:
    from pyarrow import parquet

    train("groups")
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


def test_training_lowers_the_loss(train: Train, corpus: Path) -> None:
    from pyarrow import parquet

    train("long", epochs=12)
    rows = [row for row in parquet.read_table(corpus / "long.parquet").to_pylist() if row["kind"] == "all"]
    first, last = (row["loss_sum"] / row["tokens"] for row in (rows[0], rows[-1]))
    assert last < 0.8 * first


def test_a_checkpoint_loads_with_its_template(train: Train) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from agentflan import templates

    folder = train("load")
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
