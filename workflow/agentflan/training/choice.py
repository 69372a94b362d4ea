"""The chooser: the fastest layout of a fine-tune that fits its GPUs, or by how much none does and what would help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from agentflan.errors import ConfigError
from agentflan.training.memory import GIB, SPARE, Job, Layout, Memory, memory

# Speed against ZeRO-1/2 without any of these, by DeepSpeed measurements of a 7B on 8 A800 (a public gist: 5.33
# iterations/s, 4.19 with activation checkpointing, 1.81 with the optimizer on the host too; ZeRO-3 7 % below ZeRO-2).
# torchtune publishes the same loss by checkpointing, 21 %.
CHECKPOINTING_SPEED = 0.79
OFFLOAD_SPEED = 0.43
ZERO3_SPEED = 0.93


class Limits(NamedTuple):
    """What a node offers."""

    gpu_memory: int  # bytes of one GPU
    gpus_per_node: int
    host_memory: int  # bytes of one node


@dataclass(frozen=True)
class Wish:
    """What the configuration fixes, and what it leaves to the chooser."""

    zero: int | Literal["auto"] = "auto"
    offload: Literal["none", "optimizer", "auto"] = "auto"
    checkpoint_activations: bool | Literal["auto"] = "auto"

    def fixed(self) -> Iterator[str]:
        """The keys that are not left to the chooser."""
        return (key for key, value in vars(self).items() if value != "auto")


def speed(layout: Layout) -> float:
    """Expected speed of a layout against the fastest, up to 1."""
    factor = CHECKPOINTING_SPEED if layout.checkpoint_activations else 1.0
    factor *= OFFLOAD_SPEED if layout.offload == "optimizer" else 1.0
    return factor * (ZERO3_SPEED if layout.zero == 3 else 1.0)


def layouts(wish: Wish) -> list[Layout]:
    """The layouts that a wish allows, fastest first.

    ZeRO 0 and 1 are never chosen, only obeyed: ZeRO 2 sends as much as they (arXiv 1910.02054, §7) and holds less.
    """
    stages = (2, 3) if wish.zero == "auto" else (wish.zero,)
    offloads = ("none", "optimizer") if wish.offload == "auto" else (wish.offload,)
    checkpointing = (False, True) if wish.checkpoint_activations == "auto" else (wish.checkpoint_activations,)
    allowed = [
        Layout(zero, offload, checkpoint)
        for offload in offloads
        for checkpoint in checkpointing
        for zero in stages
        if zero or offload == "none"  # DeepSpeed offloads under ZeRO 1 to 3
    ]
    return sorted(allowed, key=speed, reverse=True)


def possible(job: Job, wish: Wish) -> list[Layout]:
    """Of these, what a fine-tune can be laid out as: ZeRO 3 cannot merge low-rank additions."""
    return [layout for layout in layouts(wish) if job.lora_rank == 0 or layout.zero < 3]


def lacking(job: Job, layout: Layout, limits: Limits) -> tuple[int, int]:
    """(bytes that each GPU lacks, bytes that each host lacks); both 0 where it fits."""
    need = memory(job, layout)
    gpu = need.peak - round(limits.gpu_memory * (1 - SPARE))
    host = need.host * min(job.gpus, limits.gpus_per_node) - limits.host_memory
    return max(0, gpu), max(0, host)


def fitting(job: Job, limits: Limits, wish: Wish) -> Layout | None:
    """The fastest layout that fits, if there is one."""
    return next((layout for layout in possible(job, wish) if lacking(job, layout, limits) == (0, 0)), None)


def choose(name: str, job: Job, limits: Limits, wish: Wish) -> Layout:
    """The layout of a fine-tune.

    Args:
        name: what the error calls it.
        job: what is trained.
        limits: the hardware.
        wish: what the configuration fixes.

    Raises:
        ConfigError: nothing fits; with numbers and the smallest change that would, or the wish is impossible.
    """
    if not layouts(wish):
        raise ConfigError([f"{name}: offload: optimizer needs ZeRO 1, 2 or 3; found zero: {wish.zero}"])
    if not possible(job, wish):
        raise ConfigError([f"{name}: lora_rank: {job.lora_rank} needs ZeRO 0, 1 or 2; found zero: {wish.zero}"])
    layout = fitting(job, limits, wish)
    if layout is None:
        raise ConfigError([refusal(name, job, limits, wish)])
    return layout


def refusal(name: str, job: Job, limits: Limits, wish: Wish) -> str:
    """The sentence that says by how much a fine-tune does not fit, and what would help."""
    best = min(possible(job, wish), key=lambda layout: sum(lacking(job, layout, limits)))
    need = memory(job, best)
    gpu, host = lacking(job, best, limits)
    usable = limits.gpu_memory * (1 - SPARE)
    found = []
    if gpu:
        found.append(
            f"each GPU needs {_gib(need.peak)} ({_parts(need)}) and has {_gib(usable)}: {_gib(gpu)} too little"
        )
    if host:
        ranks = min(job.gpus, limits.gpus_per_node)
        found.append(
            f"each host needs {_gib(need.host * ranks)} and has {_gib(limits.host_memory)}: {_gib(host)} too little"
        )
    first, *others = remedies(job, limits, wish)
    lack = f"{name} does not fit {_counted(job.gpus, 'GPU')}: at best ({best}) {' and '.join(found)}"
    also = f" (or: {'; '.join(others)})" if others else ""
    return f"{lack}. The smallest change that makes it fit: {first}{also}"


def remedies(job: Job, limits: Limits, wish: Wish) -> list[str]:
    """What would make it fit, the least change first: settings that cost speed alone, GPUs, shorter rows, memory."""
    found = [*_freed(job, limits, wish), *_fewer_rows(job, limits, wish), *_more_gpus(job, limits, wish)]
    return [*found, *_shorter_rows(job, limits, wish), *_larger_gpus(job, limits, wish)]


def _freed(job: Job, limits: Limits, wish: Wish) -> Iterator[str]:
    """One key left to the chooser, the fastest first; all of them where one is not enough."""
    keys = list(wish.fixed())
    freed = {key: fitting(job, limits, replace(wish, **{key: "auto"})) for key in keys}
    single = [(key, layout) for key, layout in freed.items() if layout]
    for key, layout in sorted(single, key=lambda pair: speed(pair[1]), reverse=True):
        yield f"{key}: {str(getattr(layout, key)).lower()} ({layout})"
    layout = fitting(job, limits, Wish())
    if layout and keys and not single:
        yield f"{', '.join(keys)}: auto ({layout})"


def _fewer_rows(job: Job, limits: Limits, wish: Wish) -> Iterator[str]:
    for rows in range(job.rows_per_pass - 1, 0, -1):
        if layout := fitting(replace(job, rows_per_pass=rows), limits, wish):
            yield f"rows_per_pass: {rows} ({layout})"
            return


def _more_gpus(job: Job, limits: Limits, wish: Wish) -> Iterator[str]:
    """One GPU more at a time up to a whole node, then whole nodes, up to 4,096 GPUs."""
    node = limits.gpus_per_node
    counts = [*range(job.gpus + 1, node + 1), *range((job.gpus // node + 1) * node, 4097, node)]
    for gpus in counts:
        if layout := fitting(replace(job, gpus=gpus), limits, wish):
            yield f"{_counted(gpus - job.gpus, 'more GPU')} ({layout})"
            return


def _shorter_rows(job: Job, limits: Limits, wish: Wish) -> Iterator[str]:
    length = job.row_length // 2
    while length >= 256:
        if layout := fitting(replace(job, row_length=length), limits, wish):
            yield f"row length {length}, which cuts longer conversations ({layout})"
            return
        length //= 2


def _larger_gpus(job: Job, limits: Limits, wish: Wish) -> Iterator[str]:
    hosted = [layout for layout in possible(job, wish) if lacking(job, layout, limits)[1] == 0]
    if hosted:
        peak = min(memory(job, layout).peak for layout in hosted)
        yield f"GPUs of {_gib(peak / (1 - SPARE))}"
    else:
        yield "more memory on each host, or offload: none"


def _parts(need: Memory) -> str:
    working = need.activations + need.logits + need.buffers
    parts = {
        "weights": need.weights,
        "gradients": need.gradients,
        "Adam": need.optimizer,
        "activations, logits and buffers" if working >= need.update else "copies for the update": max(
            working, need.update
        ),
        "CUDA": need.overhead,
    }
    return ", ".join(f"{part} {size / GIB:.1f}" for part, size in parts.items() if size)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
