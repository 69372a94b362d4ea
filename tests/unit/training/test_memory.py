"""The planner's memory and time: against exact counts, published rows, and what DeepSpeed and PyTorch really hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflan.errors import ConfigError
from agentflan.training.choice import Limits, Wish, choose, fitting, lacking, layouts, remedies, speed
from agentflan.training.memory import GIB, Job, Layout, memory
from agentflan.training.operations import flops_per_token, mfu
from agentflan.training.shape import LlamaShape

LLAMA_7B = LlamaShape(32_000, 4096, 11_008, 32, 32, 32)
LLAMA_13B = LlamaShape(32_000, 5120, 13_824, 40, 40, 40)
LLAMA_70B = LlamaShape(32_000, 8192, 28_672, 80, 64, 8)
TINYLLAMA = LlamaShape(32_000, 2048, 5632, 22, 32, 4)
TINY = LlamaShape(512, 128, 320, 4, 4, 2)  # that of tests/held_states.py
H200 = Limits(139 * GIB, 1, 128 * GIB)
A100_NODES = Limits(79 * GIB, 8, 900 * GIB)

shapes = st.sampled_from([LLAMA_7B, LLAMA_13B, LLAMA_70B, TINYLLAMA])
stages = st.sampled_from([0, 1, 2, 3])
types = st.sampled_from(["bfloat16", "float32"])


# ---- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        (LLAMA_7B, 6_738_415_616),
        (LLAMA_13B, 13_015_864_320),
        (LLAMA_70B, 68_976_648_192),
        (TINYLLAMA, 1_100_048_384),
    ],
)
def test_parameters_are_exact(shape: LlamaShape, parameters: int) -> None:
    assert shape.parameters == parameters


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kv_heads", [2, 4])
def test_parameters_are_those_of_transformers(tied: bool, kv_heads: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaShape(301, 64, 160, 3, 4, kv_heads, tied)
    with torch.device("meta"):
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=301,
                hidden_size=64,
                intermediate_size=160,
                num_hidden_layers=3,
                num_attention_heads=4,
                num_key_value_heads=kv_heads,
                tie_word_embeddings=tied,
            )
        )
    assert LlamaShape.from_config(model.config.to_dict()) == shape
    assert shape.parameters == sum(each.numel() for each in model.parameters())
    # every matrix but the input embedding is multiplied with; a tied one is the output layer too
    matrices = sum(each.numel() for each in model.parameters() if each.dim() == 2)
    assert shape.matmul_weights == matrices - (0 if tied else shape.embedding)


@pytest.mark.parametrize(("document", "flops"), [(1024, 40.4e9), (2048, 41.3e9), (4096, 42.9e9)])
def test_operations_of_7b_are_the_published_ones(document: int, flops: float) -> None:
    assert LLAMA_7B.matmul_weights == pytest.approx(6.607e9, rel=1e-4)
    assert flops_per_token(LLAMA_7B, document) == pytest.approx(flops, rel=2e-3)


def test_utilisation_is_useful_operations_over_the_peak() -> None:
    # half of 989 TFLOP/s is 12,240 tokens/s of 1k-token documents
    assert mfu(12_240, flops_per_token(LLAMA_7B, 1024), 1, 989e12) == pytest.approx(0.5, rel=2e-3)


# ---- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "gib"), [(LLAMA_7B, 100.4), (LLAMA_13B, 194.0), (LLAMA_70B, 1028)], ids=["7b", "13b", "70b"]
)
def test_sixteen_bytes_a_parameter_with_bf16_gradients(shape: LlamaShape, gib: float) -> None:
    need = memory(Job(shape, 1, 4096, accumulation="bfloat16"), Layout(2))
    assert need.states == 16 * shape.parameters
    assert need.states / GIB == pytest.approx(gib, rel=1e-3)


def test_eighteen_bytes_a_parameter_with_fp32_gradients() -> None:
    assert memory(Job(LLAMA_7B, 1, 4096), Layout(2)).states / GIB == pytest.approx(113.0, rel=1e-3)


def test_twenty_bytes_a_parameter_with_both_gradients() -> None:
    assert memory(Job(LLAMA_7B, 1, 4096), Layout(1)).states / GIB == pytest.approx(125.5, rel=1e-3)


def test_bf16_gradients_are_copied_for_the_update_so_that_they_need_more() -> None:
    narrow, wide = (memory(Job(LLAMA_7B, 1, 4096, accumulation=kind), Layout(2)) for kind in ("bfloat16", "float32"))
    assert (narrow.states + narrow.update) == 22 * LLAMA_7B.parameters
    assert (wide.states + wide.update) == 18 * LLAMA_7B.parameters


def test_activations_of_7b_are_the_published_ones() -> None:
    fused = memory(Job(LLAMA_7B, 1, 4096, fused_layers=True), Layout(2)).activations
    assert fused / GIB == pytest.approx(18.8, rel=0.03)  # 153.6 kB a token and layer, and one layer's way back
    checkpointed = memory(Job(LLAMA_7B, 1, 4096, fused_layers=True), Layout(2, "none", True)).activations
    assert (checkpointed / 4096 - 153_600) / 1e6 == pytest.approx(0.26, rel=0.4)


def test_offload_moves_the_optimizer_and_the_gradients() -> None:
    need = memory(Job(LLAMA_7B, 1, 4096), Layout(2, "optimizer"))
    assert need.weights == 2 * LLAMA_7B.parameters
    assert need.optimizer == 0
    assert need.gradients == 4 * LLAMA_7B.parameters  # the fp32 accumulation stays on the GPU
    assert memory(Job(LLAMA_7B, 1, 4096, accumulation="bfloat16"), Layout(2, "optimizer")).gradients == 0
    assert need.host == 18 * LLAMA_7B.parameters  # of which the optimizer states 12


@settings(deadline=None)
@given(shapes, stages, types, types, st.integers(1, 64), st.booleans())
def test_more_gpus_never_need_more(
    shape: LlamaShape, zero: int, dtype: Any, accumulation: Any, gpus: int, checkpoint: bool
) -> None:
    layout = Layout(zero, "none", checkpoint)
    few = memory(Job(shape, gpus + 1, 4096, 1, dtype, accumulation), layout)
    many = memory(Job(shape, 2 * (gpus + 1), 4096, 1, dtype, accumulation), layout)
    assert many.states <= few.states
    assert many.peak <= few.peak


@settings(deadline=None)
@given(shapes, types, st.integers(2, 512))
def test_each_stage_holds_no_more_than_the_one_before(shape: LlamaShape, accumulation: Any, gpus: int) -> None:
    job = Job(shape, gpus, 4096, accumulation=accumulation)
    states = [memory(job, Layout(zero)).states for zero in (1, 2, 3)]
    assert states == sorted(states, reverse=True)


@settings(deadline=None)
@given(shapes, stages, st.integers(128, 8192), st.integers(1, 8))
def test_checkpointing_and_shorter_rows_never_need_more(shape: LlamaShape, zero: int, length: int, rows: int) -> None:
    plain, checkpointed = (memory(Job(shape, 8, length, rows), Layout(zero, "none", each)) for each in (False, True))
    assert checkpointed.peak <= plain.peak
    assert memory(Job(shape, 8, length // 2, rows), Layout(zero)).peak <= plain.peak


@pytest.fixture(scope="module")
def held(root: Path) -> dict[str, dict[str, int]]:
    """What each of two CPU processes holds of a tiny Llama just before an update, by part and layout."""
    wanted = ["bfloat16:0:bfloat16:none", "bfloat16:1:float32:none", "bfloat16:2:float32:none"]
    wanted += ["bfloat16:2:bfloat16:none", "bfloat16:3:float32:none", "bfloat16:3:bfloat16:none"]
    wanted += ["float32:0:float32:none", "float32:2:float32:none"]
    wanted += ["bfloat16:2:float32:optimizer", "bfloat16:2:bfloat16:optimizer", "bfloat16:3:float32:optimizer"]
    command = [sys.executable, str(root / "tests" / "held_states.py"), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    parts = {layout: sizes for each in found for layout, sizes in each.items()}
    assert list(parts) == wanted, done.stderr[-2000:]
    return parts


def test_estimated_states_are_what_deepspeed_holds(held: dict[str, dict[str, int]]) -> None:
    """Weights and optimizer to the byte, gradients but for two matrices on their way."""
    for name, parts in held.items():
        dtype, zero, accumulation, offload = name.split(":")
        if offload == "none":
            need = memory(Job(TINY, 2, 32, 1, dtype, accumulation), Layout(int(zero)))
            assert parts["weights"] == need.weights, name
            assert parts["optimizer"] == need.optimizer, name
            assert 0 <= parts["gradients"] - need.gradients <= 2 * _largest_matrix(dtype, accumulation), name


def test_estimated_states_are_what_deepspeed_offloads(held: dict[str, dict[str, int]]) -> None:
    """On a CPU both places are one: their sum, but for four matrices on their way."""
    for name, parts in held.items():
        dtype, zero, accumulation, offload = name.split(":")
        if offload == "optimizer":
            need = memory(Job(TINY, 2, 32, 1, dtype, accumulation), Layout(int(zero), "optimizer"))
            more = sum(parts.values()) - (need.weights + need.gradients + need.host)
            assert 0 <= more <= 4 * _largest_matrix(dtype, accumulation), name


def _largest_matrix(dtype: str, accumulation: str) -> int:
    return TINY.embedding * (4 if "float32" in (dtype, accumulation) else 2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("kv_heads", [2, 8])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_estimated_activations_are_what_pytorch_saves(kv_heads: int, checkpoint: bool, dtype: Any) -> None:
    """Bytes that two more layers save, on a CPU."""
    shapes = [LlamaShape(97, 256, 640, layers, 8, kv_heads) for layers in (2, 4)]
    few, many = (memory(Job(each, 1, 256, 1, dtype), Layout(0, "none", checkpoint)).activations for each in shapes)
    saved = _saved_bytes(shapes[1], 256, checkpoint, dtype) - _saved_bytes(shapes[0], 256, checkpoint, dtype)
    assert many - few == pytest.approx(saved, rel=0.01)


def _saved_bytes(shape: LlamaShape, tokens: int, checkpoint: bool, dtype: str) -> int:
    import torch
    from transformers import LlamaConfig, LlamaModel

    configuration = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
    )
    model = LlamaModel(configuration).to(getattr(torch, dtype)).train()
    if checkpoint:
        model.activation_checkpointing_enable()
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    saved: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        if tensor.untyped_storage().data_ptr() not in weights:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(input_ids=torch.zeros(1, tokens, dtype=torch.long), use_cache=False)  # one conversation: no mask
    assert output.last_hidden_state.requires_grad
    return sum(storage.nbytes() for storage in saved.values())


# ---- the choice ------------------------------------------------------------------------------------------------------


def test_the_fastest_comes_first() -> None:
    order = [(each.zero, each.checkpoint_activations, each.offload) for each in layouts(Wish())]
    assert order == [
        (2, False, "none"),
        (3, False, "none"),
        (2, True, "none"),
        (3, True, "none"),
        (2, False, "optimizer"),
        (3, False, "optimizer"),
        (2, True, "optimizer"),
        (3, True, "optimizer"),
    ]
    assert speed(Layout(2)) == 1


@pytest.mark.parametrize(
    ("shape", "gpus", "limits", "expected"),
    [
        (LLAMA_7B, 16, A100_NODES, Layout(2)),
        (LLAMA_70B, 128, A100_NODES, Layout(3, "none", True)),
        (LLAMA_7B, 1, H200, Layout(2, "none", True)),
        (TINYLLAMA, 1, H200, Layout(2)),
    ],
)
def test_the_choice(shape: LlamaShape, gpus: int, limits: Limits, expected: Layout) -> None:
    assert choose("model", Job(shape, gpus, 4096), limits, Wish()) == expected


def test_every_key_can_be_fixed() -> None:
    job = Job(LLAMA_7B, 16, 4096)
    assert choose("model", job, A100_NODES, Wish(zero=3)).zero == 3
    assert choose("model", job, A100_NODES, Wish(offload="optimizer")).offload == "optimizer"
    assert choose("model", job, A100_NODES, Wish(checkpoint_activations=True)).checkpoint_activations
    with pytest.raises(ConfigError, match="offload: optimizer needs ZeRO 1, 2 or 3; found zero: 0"):
        choose("model", job, A100_NODES, Wish(zero=0, offload="optimizer"))


def test_a_refusal_says_by_how_much_and_what_would_help() -> None:
    job = Job(LLAMA_70B, 8, 4096)
    need = memory(job, Layout(3, "none", True)).peak / GIB
    message = rf"llama2_70b does not fit 8 GPUs: .* each GPU needs {need:.1f} GiB .* and has 71.1 GiB: .* too little"
    with pytest.raises(ConfigError, match=message) as caught:
        choose("llama2_70b", job, A100_NODES, Wish())
    assert "The smallest change that makes it fit: 8 more GPUs" in str(caught.value)


def test_too_small_a_host_is_named() -> None:
    with pytest.raises(ConfigError, match=r"each host needs 218\.2 GiB and has 128\.0 GiB: 90\.2 GiB too little"):
        choose("llama2_13b", Job(LLAMA_13B, 1, 4096), H200, Wish())


def test_remedies_come_from_small_to_large() -> None:
    plain = Wish(zero=2, offload="none", checkpoint_activations=False)
    found = remedies(Job(LLAMA_7B, 1, 4096, 2), H200, plain)
    kinds = [each.split(":")[0].split(" (")[0] for each in found]
    assert kinds[0] == "checkpoint_activations"
    assert any("more GPU" in kind for kind in kinds)
    assert kinds[-1].startswith("GPUs of")


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(1, 64), st.integers(1, 4), st.integers(16, 139), st.integers(32, 1000))
def test_a_chosen_layout_fits_and_a_refusal_has_a_remedy(
    shape: LlamaShape, gpus: int, rows: int, gpu_gib: int, host_gib: int
) -> None:
    job, limits = Job(shape, gpus, 4096, rows), Limits(gpu_gib * GIB, 8, host_gib * GIB)
    layout = fitting(job, limits, Wish())
    if layout:
        assert lacking(job, layout, limits) == (0, 0)
        faster = [each for each in layouts(Wish()) if speed(each) > speed(layout)]
        assert all(lacking(job, each, limits) != (0, 0) for each in faster)
    else:
        assert remedies(job, limits, Wish())
