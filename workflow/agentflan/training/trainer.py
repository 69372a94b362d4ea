"""The training loop: global batches of packed conversations through a DeepSpeed engine, losses by group on the way.

The loss of a step is the mean over the loss-bearing tokens of the whole global batch, whatever the number of rows,
passes or processes. On a CPU with one process this is the same loop as on a cluster.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import torch

from agentflan.errors import AgentFlanError
from agentflan.randomness import generator
from agentflan.training import attention, processes, signals
from agentflan.training.data import Example, batches, shares
from agentflan.training.loss import GroupTable, Parts, Row, TokenLosses, pack
from agentflan.training.meter import Meter
from agentflan.training.recipe import Settings, engine_configuration
from agentflan.training.snapshot import Snapshots

LossRow = dict[str, Any]  # step, kind, group, loss_sum, tokens


class TrainingFailed(AgentFlanError):
    """The loss is not a number, or another reason to stop."""


class Interrupted(AgentFlanError):
    """SIGTERM came; the run can go on from its snapshot."""

    exit_code = 143


def train(
    model: Any,
    examples: list[Example],
    settings: Settings,
    pad: int,
    snapshots: Snapshots | None = None,
    meter: Meter | None = None,
) -> list[LossRow]:
    """Train a model in place, from the newest snapshot on if there is one.

    Args:
        model: a causal language model of `transformers`.
        examples: tokenized conversations.
        settings: the recipe.
        pad: id of the padding token.
        snapshots: where the run is saved on the way.
        meter: measures the run and tells of it.

    Returns:
        Summed loss (natural log) and tokens for each step and group.

    Raises:
        TrainingFailed: the loss of a step is not finite, or the GPU's memory is full.
        Interrupted: SIGTERM; a snapshot is written first.
        ProcessFailed: a snapshot cannot be written.
    """
    torch.set_num_threads(settings.threads)
    processes.join()
    steps = list(batches(examples, settings.batch, settings.epochs, settings.seed))
    engine, table = _engine(model, settings), GroupTable(examples)
    done, facts = snapshots.resume(engine) if snapshots else (0, {})
    rows: list[LossRow] = facts.get("losses", [])
    meter = meter or Meter()
    meter.start(model.config, steps, settings, done, facts.get("meter"))
    with signals.heeded() as wishes:
        for number in range(done, len(steps)):
            torch.manual_seed(generator("step", settings.seed, number).getrandbits(63))
            rate = settings.learning_rate(number, len(steps))
            _set_learning_rate(engine, rate)
            try:
                parts = _step(engine, steps[number], settings, table, pad)
            except torch.cuda.OutOfMemoryError:
                raise TrainingFailed(
                    f"step {number + 1}: the GPU's memory is full; lower rows_per_pass or row_length, or checkpoint "
                    "activations (`agentflan plan` says what should fit)"
                ) from None
            rows += _loss_rows(number + 1, parts, settings)
            meter.step(number + 1, parts, rate)
            _heed(processes.largest(wishes.take()), snapshots, engine, number + 1, len(steps), rows, meter)
    return rows


def _heed(
    wish: int,
    snapshots: Snapshots | None,
    engine: Any,
    step: int,
    steps: int,
    rows: list[LossRow],
    meter: Meter,
) -> None:
    """Save a snapshot where one is due or asked for; stop if that was the wish."""
    asked = wish != signals.NOTHING
    if snapshots and step < steps and (asked or snapshots.due(step)):
        snapshots.save(engine, step, {"losses": rows, "meter": meter.state()})
    if wish == signals.STOP and step < steps:
        kept = f"the same command goes on from {snapshots.folder}" if snapshots else "nothing was kept"
        raise Interrupted(f"SIGTERM after step {step} of {steps}; {kept}")


def _loss_rows(step: int, parts: Parts, settings: Settings) -> list[LossRow]:
    total = parts[("all", "all")][0]
    if not math.isfinite(total):
        raise TrainingFailed(f"step {step}: the loss is {total}; lower the learning rate ({settings.lr})")
    return [
        {"step": step, "kind": kind, "group": group, "loss_sum": loss, "tokens": count}
        for (kind, group), (loss, count) in sorted(parts.items())
    ]


def weights(model: Any) -> dict[str, torch.Tensor]:
    """The trained weights by name, on the host of the first process alone, and there only once.

    All processes take part: what ZeRO-3 has spread is gathered one at a time.
    """
    import deepspeed

    gathered = {}
    for name, parameter in model.named_parameters():
        spread = hasattr(parameter, "ds_id")
        with deepspeed.zero.GatheredParameters([parameter], enabled=spread):
            if processes.rank() == 0:
                gathered[name] = parameter.detach().to("cpu", copy=spread)
    return gathered


def _step(engine: Any, batch: list[Example], settings: Settings, table: GroupTable, pad: int) -> Parts:
    rank, world = processes.rank(), processes.world()
    parts = shares(batch, settings, world)
    bearing = sum(example.bearing for example in batch)
    losses, groups = [], []
    for first in range(0, len(parts), world):
        packed = _share(parts, first + rank, table, pad)
        each, group = engine(*(part.to(engine.device) for part in packed))
        engine.set_gradient_accumulation_boundary(first + world >= len(parts))
        engine.backward(each.sum() * (world / bearing))  # the engine takes the mean over processes
        engine.step()
        losses.append(each.detach())
        groups.append(group)
    # Fetched once a step: a GPU that is asked after each pass waits for the next one's kernels.
    return table.parts(processes.summed(table.sums(torch.cat(losses).cpu(), torch.cat(groups).cpu())))


def _share(parts: list[list[list[Example]]], number: int, table: GroupTable, pad: int) -> Row:
    """The packed rows of one process; where none is left, a conversation without loss, so that all keep step."""
    if number < len(parts):
        return pack(parts[number], table, pad)
    idle = pack([parts[0][0][:1]], table, pad)
    return idle._replace(labels=torch.full_like(idle.labels, -100))


def _engine(model: Any, settings: Settings) -> Any:
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    model.set_attn_implementation(attention.NAME)
    model.train()  # loaded weights come for evaluation, and then no activations are checkpointed
    if settings.checkpoint_activations:
        model.activation_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=settings.lr,
        betas=(0.9, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,  # no temporary copies of the weights
    )
    return deepspeed.initialize(model=TokenLosses(model), optimizer=optimizer, config=engine_configuration(settings))[0]


def _set_learning_rate(engine: Any, rate: float) -> None:
    for group in engine.optimizer.param_groups:
        group["lr"] = rate
