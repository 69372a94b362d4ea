"""The training loop: global batches of packed conversations through a DeepSpeed engine, losses by group on the way.

The loss of a step is the mean over the loss-bearing tokens of the whole global batch, whatever the number of rows,
passes or processes. On a CPU with one process this is the same loop as on a cluster.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from agentflan.errors import AgentFlanError
from agentflan.training.data import Example, batches, rows_of
from agentflan.training.loss import GroupTable, Row, TokenLosses, pack
from agentflan.training.recipe import Settings

Parts = dict[tuple[str, str], tuple[float, int]]  # (kind, group) → summed loss, tokens
LossRow = dict[str, Any]  # step, kind, group, loss_sum, tokens
log = logging.getLogger(__name__)


class TrainingFailed(AgentFlanError):
    """The loss is not a number, or another reason to stop."""


def train(model: Any, examples: list[Example], settings: Settings, pad: int) -> list[LossRow]:
    """Train a model in place.

    Args:
        model: a causal language model of `transformers`.
        examples: tokenized conversations.
        settings: the recipe.
        pad: id of the padding token.

    Returns:
        Summed loss (natural log) and tokens for each step and group.

    Raises:
        TrainingFailed: the loss of a step is not finite.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    steps = list(batches(examples, settings.batch, settings.epochs, settings.seed))
    engine = _engine(model, settings)
    table, rows = GroupTable(), []
    for number, batch in enumerate(steps):
        _set_learning_rate(engine, settings.learning_rate(number, len(steps)))
        parts = _step(engine, batch, settings, table, pad)
        total, tokens = parts[("all", "all")]
        if not torch.isfinite(torch.tensor(total)):
            raise TrainingFailed(f"step {number + 1}: the loss is {total}; lower the learning rate ({settings.lr})")
        rows += [
            {"step": number + 1, "kind": kind, "group": group, "loss_sum": loss, "tokens": count}
            for (kind, group), (loss, count) in sorted(parts.items())
        ]
        _report(number + 1, len(steps), total / tokens, len(batch))
    return rows


def weights(model: Any) -> dict[str, torch.Tensor]:
    """The trained weights by name, on the host; those that ZeRO-3 has spread are gathered one at a time."""
    import deepspeed

    gathered = {}
    for name, parameter in model.named_parameters():
        with deepspeed.zero.GatheredParameters([parameter], enabled=hasattr(parameter, "ds_id")):
            gathered[name] = parameter.detach().cpu().clone()
    return gathered


def _step(engine: Any, batch: list[Example], settings: Settings, table: GroupTable, pad: int) -> Parts:
    rank, world = distributed.get_rank(), distributed.get_world_size()
    rows = rows_of(batch, settings.row_length or settings.max_length)
    bearing = sum(sum(example.encoded.loss[1:]) for example in batch)
    size = settings.rows_per_pass or -(-len(rows) // world)
    losses, groups = [], []
    for start in range(0, len(rows), size * world):
        packed = _share(rows, start + rank * size, size, table, pad)
        each, group = engine(*(part.to(engine.device) for part in packed))
        engine.set_gradient_accumulation_boundary(start + size * world >= len(rows))
        engine.backward(each.sum() * (world / bearing))  # the engine takes the mean over processes
        engine.step()
        losses.append(each.detach().float().cpu())
        groups.append(group.cpu())
    return _over_processes(table.sums(torch.cat(losses), torch.cat(groups)))


def _share(rows: list[list[Example]], start: int, size: int, table: GroupTable, pad: int) -> Row:
    """The packed rows of one process; where none is left, a conversation without loss, so that all keep step."""
    if start < len(rows):
        return pack(rows[start : start + size], table, pad)
    idle = pack([rows[0][:1]], table, pad)
    return idle._replace(labels=torch.full_like(idle.labels, -100))


def _over_processes(parts: Parts) -> Parts:
    """Sums over all processes, added in the order of their ranks."""
    if distributed.get_world_size() == 1:
        return parts
    each: list[Parts] = [{}] * distributed.get_world_size()
    distributed.all_gather_object(each, parts)
    total: Parts = {}
    for one in each:
        for name, (loss, count) in one.items():
            before = total.get(name, (0.0, 0))
            total[name] = (before[0] + loss, before[1] + count)
    return total


def _engine(model: Any, settings: Settings) -> Any:
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if not deepspeed.comm.is_initialized():
        _start(deepspeed)
    if settings.checkpoint_activations:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.lr, betas=(0.9, settings.beta2), weight_decay=settings.weight_decay
    )
    return deepspeed.initialize(model=TokenLosses(model), optimizer=optimizer, config=_configuration(settings))[0]


def _configuration(settings: Settings) -> dict[str, Any]:
    """DeepSpeed's configuration: where states lie, and fp32 sums of bf16 gradients, as the memory model assumes."""
    bf16 = settings.dtype == "bfloat16"
    zero: dict[str, Any] = {"stage": settings.zero}
    if settings.offload == "optimizer":
        zero["offload_optimizer"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,  # packed rows vary; the loop scales the loss by tokens itself
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.clip,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": bf16},
        **({"data_types": {"grad_accum_dtype": "fp32"}} if bf16 and settings.zero else {}),
    }


def _start(deepspeed: Any) -> None:
    """Join the processes of a launcher, or be the only one: then a file to meet at, so that jobs never clash."""
    # The shared-memory operator is compiled at first use, for half a minute; gloo does without.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if "WORLD_SIZE" in os.environ:
        deepspeed.init_distributed(backend, auto_mpi_discovery=False, verbose=False)
        return
    os.environ.setdefault("LOCAL_RANK", "0")
    meeting = Path(tempfile.mkdtemp(prefix="agentflan-")) / "processes"
    deepspeed.init_distributed(
        backend, init_method=f"file://{meeting}", rank=0, world_size=1, auto_mpi_discovery=False, verbose=False
    )


def _set_learning_rate(engine: Any, rate: float) -> None:
    for group in engine.optimizer.param_groups:
        group["lr"] = rate


def _report(step: int, steps: int, loss: float, conversations: int) -> None:
    if step == 1 or step == steps or step % max(1, steps // 20) == 0:
        log.info("step %d of %d: loss %.4f over %d conversations", step, steps, loss, conversations)
