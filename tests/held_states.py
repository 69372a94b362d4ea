"""Train a tiny Llama for three steps on two CPU processes and print what DeepSpeed holds, as JSON.

Each argument is `dtype:zero:accumulation:offload`, for example `bfloat16:2:float32:none`. For each it prints the bytes
of one process just before an update: weights, optimizer (master weights and moments), gradients (all other tensors).
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", LOCAL_RANK="0")
import deepspeed
import torch
import torch.multiprocessing as processes
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE = {"vocabulary": 512, "hidden": 128, "intermediate": 320, "layers": 4, "heads": 4, "kv_heads": 2}
WORLD = 2
TOKENS = 32


def model(dtype: torch.dtype) -> Any:
    """A Llama of the shape above."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=SHAPE["vocabulary"],
            hidden_size=SHAPE["hidden"],
            intermediate_size=SHAPE["intermediate"],
            num_hidden_layers=SHAPE["layers"],
            num_attention_heads=SHAPE["heads"],
            num_key_value_heads=SHAPE["kv_heads"],
        )
    ).to(dtype)


def held_by(tensors: Any) -> dict[int, int]:
    """Bytes by address of the storages behind tensors."""
    return {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors if each.numel()}


def measure(rank: int, layout: str, meeting: str) -> None:
    """One process; the first one prints."""
    dtype, zero, accumulation, offload = layout.split(":")
    torch.set_num_threads(1)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORLD, auto_mpi_discovery=False, verbose=False
    )
    engine = _engine(dtype, int(zero), accumulation, offload)
    inputs = torch.zeros(1, TOKENS, dtype=torch.long)
    for step in range(3):
        engine.backward(engine.module(input_ids=inputs, labels=inputs, use_cache=False).loss)
        if step == 2 and rank == 0:
            print(json.dumps({layout: _parts(engine)}), flush=True)
        engine.step()
    torch.distributed.destroy_process_group()


def _engine(dtype: str, zero: int, accumulation: str, offload: str) -> Any:
    network = model(getattr(torch, dtype))
    configuration = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": 1.0,
        "zero_optimization": {
            "stage": zero,
            "reduce_bucket_size": 1000,
            "stage3_param_persistence_threshold": 0,
            "offload_optimizer": {"device": "cpu" if offload == "optimizer" else "none"},
        },
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
        "bf16": {"enabled": dtype == "bfloat16"},
        "data_types": {"grad_accum_dtype": {"float32": "fp32", "bfloat16": "bf16"}[accumulation]},
    }
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    return deepspeed.initialize(model=network, optimizer=optimizer, config=configuration)[0]


def _parts(engine: Any) -> dict[str, int]:
    gc.collect()
    every = held_by(each for each in gc.get_objects() if isinstance(each, torch.Tensor))
    weights = held_by(getattr(each, "ds_tensor", each) for each in engine.module.parameters())
    adam = getattr(engine.optimizer, "optimizer", engine.optimizer)
    states = held_by(adam.state)  # its keys are the master weights
    states |= held_by(each for state in adam.state.values() for each in state.values() if each.numel() > 1)
    optimizer = {place: size for place, size in states.items() if place not in weights}
    rest = {place: size for place, size in every.items() if place not in weights | optimizer}
    return {name: sum(part.values()) for name, part in _named(weights, optimizer, rest)}


def _named(*parts: dict[int, int]) -> list[tuple[str, dict[int, int]]]:
    return list(zip(("weights", "optimizer", "gradients"), parts, strict=True))


if __name__ == "__main__":
    for each in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            processes.start_processes(measure, (each, str(Path(folder) / "meeting")), nprocs=WORLD, start_method="fork")
