"""Attention within each conversation: as a block-diagonal mask gives it, and as models of several families have it."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModelForCausalLM

from agentflan.training import attention
from agentflan.training.attention import Conversations, attend
from agentflan.training.data import Example
from agentflan.training.loss import GroupTable, Row, pack, token_losses

SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.fixture(scope="module")
def examples(corpus: Path) -> list[Example]:
    from transformers import PreTrainedTokenizerFast

    from agentflan.training.data import read_examples

    tokenizer = PreTrainedTokenizerFast.from_pretrained(corpus / "t")
    return read_examples([corpus / "data.jsonl"], tokenizer, "llama2", 64, "assistant")[0]


def _model(kind: str, **changes: Any) -> Any:
    from transformers import AutoConfig

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES | changes))


@pytest.mark.parametrize("heads", [4, 2], ids=["as many key heads", "fewer key heads"])
def test_attention_by_conversation_is_that_of_a_mask(examples: list[Example], heads: int) -> None:
    model = _model("llama", num_key_value_heads=heads)
    row = pack([examples[:4], examples[4:6]], GroupTable(), 2)  # the second row ends in padding
    found = {}
    for implementation in ("sdpa", attention.NAME):
        model.set_attn_implementation(implementation)
        losses, _ = token_losses(model, row)
        model.zero_grad()
        losses.sum().backward()
        found[implementation] = losses, model.model.layers[0].self_attn.k_proj.weight.grad.clone()
    for masked, ours in zip(found["sdpa"], found[attention.NAME], strict=True):
        assert torch.allclose(masked, ours, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_losses_are_those_of_the_model_itself(examples: list[Example], kind: str) -> None:
    """Other families train by configuration alone: packed, their losses are what their own code says of each alone."""
    model = _model(kind).eval()
    row = pack([examples[:4]], GroupTable(), 2)
    with torch.no_grad():
        own = [
            model(input_ids=torch.from_numpy(example.input_ids).long()[None]).logits[0].log_softmax(-1)
            for example in examples[:4]
        ]
        model.set_attn_implementation(attention.NAME)
        ours, _ = token_losses(model, row)
    expected = [
        -scores[place - 1, example.input_ids[place]]
        for scores, example in zip(own, examples, strict=False)
        for place in range(1, len(example))
        if example.loss[place]
    ]
    assert torch.allclose(ours, torch.stack(expected), atol=1e-4)


def test_conversations_are_found_by_their_positions() -> None:
    found = Conversations.of(torch.tensor([[0, 1, 2, 0, 1], [0, 0, 1, 2, 3]]))
    assert found.lengths == [[3, 2], [1, 4]]
    assert found.starts.tolist() == [0, 3, 5, 6, 10]
    assert found.longest == 4


def test_the_kernel_for_gpus_is_asked_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that does what PyTorch documents of `varlen_attn`; the kernel itself runs on GPUs alone."""
    states, conversations = _states()
    expected = attention._one_by_one(*states, 0.3, conversations)
    monkeypatch.setattr(attention, "varlen_attn", _documented)
    assert torch.allclose(attention._at_once(*states, 0.3, conversations), expected, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_kernel_for_gpus_gives_the_same() -> None:
    states, conversations = _states()
    expected = attention._one_by_one(*states, 0.3, conversations)
    moved = [each.to("cuda", torch.bfloat16) for each in states]
    ours = attention._at_once(*moved, 0.3, conversations._replace(starts=conversations.starts.cuda()))
    assert torch.allclose(ours.float().cpu(), expected, atol=2e-2)


@pytest.mark.skipif(not torch.cuda.is_available() or find_spec("liger_kernel") is None, reason="needs a GPU and liger")
def test_fused_layers_give_the_same_losses(examples: list[Example]) -> None:
    from agentflan.training.model import fuse_layers

    model = _model("llama").cuda()
    model.set_attn_implementation(attention.NAME)
    row = Row(*(part.cuda() for part in pack([examples[:4]], GroupTable(), 2)))
    plain, _ = token_losses(model, row)
    fuse_layers(model)
    fused, _ = token_losses(model, row)
    assert torch.allclose(fused, plain, atol=1e-3)


def _states() -> tuple[list[torch.Tensor], Conversations]:
    torch.manual_seed(0)
    states = [torch.randn(2, heads, 10, 8) for heads in (4, 2, 2)]
    positions = [[*range(6), *range(4)], [*range(2), *range(8)]]
    return states, Conversations.of(torch.tensor(positions))


def _documented(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    key_starts: torch.Tensor,
    longest: int,
    key_longest: int,
    *,
    scale: float,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    assert query.dim() == 3 and starts.dtype == torch.int32 and window_size == (-1, 0)  # (-1, 0): causal
    assert longest == key_longest == int(starts.diff().max()) and torch.equal(starts, key_starts)
    parts = []
    for begin, end in pairwise(starts.tolist()):
        part = (states[begin:end].transpose(0, 1)[None] for states in (query, key, value))
        attended = scaled_dot_product_attention(*part, is_causal=True, scale=scale, enable_gqa=enable_gqa)
        parts.append(attended[0].transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("wish", [{"softcap": 50.0}, {"sliding_window": 3}, {"dropout": 0.1}], ids=str)
def test_what_other_models_want_of_attention_is_refused(wish: dict[str, Any]) -> None:
    states, conversations = _states()
    with pytest.raises(ValueError, match="attention by conversation: no"):
        attend(None, *states, None, 0.3, conversations=conversations, **wish)
