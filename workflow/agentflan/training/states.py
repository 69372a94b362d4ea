"""The fp32 weights and Adam states that this process holds, wherever DeepSpeed keeps them.

DeepSpeed's own checkpoints are pickles that want the same number of processes; these views carry both worlds apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from deepspeed.runtime.bf16_optimizer import BF16_Optimizer
from deepspeed.runtime.zero.stage3 import DeepSpeedZeroOptimizer_Stage3
from deepspeed.runtime.zero.stage_1_and_2 import DeepSpeedZeroOptimizer

from agentflan.training import processes

ADAM = ("exp_avg", "exp_avg_sq")


class Fragment(NamedTuple):
    """A stretch of a flat parameter with its states; the tensors are views, a copy into them changes the engine."""

    name: str
    start: int  # elements from the beginning of the flat parameter
    values: dict[str, torch.Tensor]  # "weight" and the names in `ADAM` → shape (length,)


def held_fragments(engine: Any) -> Iterator[Fragment]:
    """All that this process holds, in the order of the parameters."""
    for name, parameter in engine.module.named_parameters():
        if parameter.requires_grad and (fragment := _fragment(engine, name, parameter)):
            yield fragment


def own_fragments(engine: Any) -> Iterator[Fragment]:
    """What this process must store: where all hold the same, each takes its share."""
    rank, world = processes.rank(), processes.world()
    for fragment in held_fragments(engine):
        if _is_zero(engine):
            yield fragment
            continue
        length = fragment.values["weight"].numel()
        begin, end = length * rank // world, length * (rank + 1) // world
        if begin < end:
            yield Fragment(fragment.name, begin, {kind: part[begin:end] for kind, part in fragment.values.items()})


def adam_steps(engine: Any) -> int:
    """How many steps Adam has counted; 0 before the first."""
    counts = {int(state["step"]) for state in _adam(engine).state.values() if "step" in state}
    return max(counts, default=0)


def set_adam_steps(engine: Any, steps: int) -> None:
    """Make Adam's states where there are none yet, and set its count."""
    adam = _adam(engine)
    on_device = adam.defaults["fused"] or adam.defaults["capturable"]
    for flat in _flats(engine):
        state = adam.state[flat]
        for kind in ADAM:
            state.setdefault(kind, torch.zeros_like(flat))
        state["step"] = torch.tensor(float(steps), device=flat.device if on_device else "cpu")


def refresh(engine: Any) -> None:
    """Bring the weights that compute up to the fp32 weights."""
    optimizer = engine.optimizer
    if isinstance(optimizer, DeepSpeedZeroOptimizer_Stage3):
        for number in range(len(optimizer.fp32_partitioned_groups_flat)):
            optimizer._reassign_or_swap_out_partitioned_parameters(number)
    elif isinstance(optimizer, (BF16_Optimizer, DeepSpeedZeroOptimizer)):
        optimizer.update_lp_params()


def _fragment(engine: Any, name: str, parameter: Any) -> Fragment | None:
    optimizer = engine.optimizer
    if isinstance(optimizer, DeepSpeedZeroOptimizer_Stage3):
        return _stage_3(optimizer, name, parameter)
    if isinstance(optimizer, BF16_Optimizer):  # stage 1 with fp32 sums of bf16 gradients
        return _stage_1_and_2(optimizer, optimizer.fp32_groups_flat_partition, name, parameter)
    if isinstance(optimizer, DeepSpeedZeroOptimizer):
        return _stage_1_and_2(optimizer, optimizer.single_partition_of_fp32_groups, name, parameter)
    state = optimizer.state[parameter]
    return Fragment(name, 0, {"weight": parameter.data.view(-1)} | {kind: state[kind].view(-1) for kind in ADAM})


def _stage_1_and_2(optimizer: Any, flats: list[torch.Tensor], name: str, parameter: Any) -> Fragment | None:
    mapping = parameter._hp_mapping
    if mapping is None:  # another process holds all of it
        return None
    flat = flats[mapping.param_group_index]
    state, place = optimizer.optimizer.state[flat], mapping.hp_fragment_address
    whole = {"weight": flat.data} | {kind: state[kind] for kind in ADAM}
    values = {kind: values.narrow(0, place.start, place.numel) for kind, values in whole.items()}
    return Fragment(name, mapping.lp_fragment_address.start, values)


def _stage_3(optimizer: Any, name: str, parameter: Any) -> Fragment | None:
    group, offset, size = optimizer.grad_position[optimizer.get_param_id(parameter)]
    start = processes.rank() * size
    length = min(size, parameter.ds_numel - start)  # the last one's end is padding
    if length <= 0:
        return None
    flat = optimizer.fp32_partitioned_groups_flat[group]
    whole = {"weight": flat.data} | {kind: optimizer.optimizer.state[flat][kind] for kind in ADAM}
    return Fragment(name, start, {kind: values.narrow(0, offset, length) for kind, values in whole.items()})


def _flats(engine: Any) -> list[torch.Tensor]:
    """What Adam's states belong to; stage 3 shows them to Adam one at a time, within a step."""
    if isinstance(engine.optimizer, DeepSpeedZeroOptimizer_Stage3):
        return engine.optimizer.fp32_partitioned_groups_flat
    return [flat for group in _adam(engine).param_groups for flat in group["params"]]


def _is_zero(engine: Any) -> bool:
    return isinstance(engine.optimizer, (BF16_Optimizer, DeepSpeedZeroOptimizer, DeepSpeedZeroOptimizer_Stage3))


def _adam(engine: Any) -> Any:
    return engine.optimizer.optimizer if _is_zero(engine) else engine.optimizer
