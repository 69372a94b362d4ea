"""LoRA: only additions are trained, and what is saved loads like any other model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import assert_close

from agentflan.errors import ConfigError
from agentflan.training.choice import Limits, Wish, choose
from agentflan.training.memory import GIB, Job, Layout, memory
from agentflan.training.operations import flops_per_token
from agentflan.training.recipe import Settings
from agentflan.training.shape import LlamaShape

Train = Callable[..., Path]
LLAMA_7B = LlamaShape(32_000, 4096, 11_008, 32, 32, 32)


def test_the_saved_model_is_plain_and_its_layers_have_moved(train: Train) -> None:
    from transformers import AutoModelForCausalLM

    tuned = AutoModelForCausalLM.from_pretrained(train("lora", lora_rank=4, epochs=4))
    start = AutoModelForCausalLM.from_pretrained(train("unmoved", lora_rank=4, lr=1e-30, warmup_lr=0.0))
    for (name, after), (other, before) in zip(tuned.named_parameters(), start.named_parameters(), strict=True):
        assert name == other and "lora" not in name
        assert torch.equal(after, before) != ("proj" in name), name  # embeddings and norms stay
    change = tuned.model.layers[0].mlp.up_proj.weight - start.model.layers[0].mlp.up_proj.weight
    assert torch.linalg.matrix_rank(change.double(), rtol=1e-4) <= 4


def test_spread_states_give_the_same_additions(train: Train) -> None:
    assert_close(train("lora", lora_rank=4, epochs=4), train("lora_spread", lora_rank=4, epochs=4, zero=2))


def test_zero_3_cannot_merge() -> None:
    with pytest.raises(ConfigError, match="zero: impossible value 3; expected at most 2 with lora_rank"):
        Settings.from_json({"lora_rank": 8, "zero": 3})
    with pytest.raises(ConfigError, match="lora_rank: 8 needs ZeRO 0, 1 or 2; found zero: 3"):
        choose("model", Job(LLAMA_7B, 8, 4096, lora_rank=8), Limits(79 * GIB, 8, 100 * GIB), Wish(zero=3))


def test_the_planner_knows_that_little_is_trained() -> None:
    assert LLAMA_7B.lora(16) == 39_976_960  # as peft counts for all linear layers of Llama-2-7B
    job = Job(LLAMA_7B, 1, 4096, lora_rank=16)
    need = memory(job, Layout(2))
    assert need.optimizer == 12 * LLAMA_7B.lora(16)
    assert need.weights == 2 * (LLAMA_7B.parameters + LLAMA_7B.lora(16))
    assert choose("model", job, Limits(79 * GIB, 1, 100 * GIB), Wish()) == Layout(2)
    assert flops_per_token(LLAMA_7B, 0, lora=True) == pytest.approx(flops_per_token(LLAMA_7B, 0) * 2 / 3)


def test_additions_are_counted_as_peft_makes_them() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from agentflan.training.lora import with_additions

    shape: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 100}
    model = LlamaForCausalLM(LlamaConfig(**shape, num_attention_heads=4, num_key_value_heads=2))
    added = with_additions(model, Settings(lora_rank=3))
    trained = sum(parameter.numel() for parameter in added.parameters() if parameter.requires_grad)
    assert trained == LlamaShape(100, 32, 64, 2, 4, 2).lora(3)
