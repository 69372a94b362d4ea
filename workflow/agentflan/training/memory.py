"""Memory of one fine-tune, by part, in bytes a GPU: a model of what DeepSpeed 0.19.8 and transformers 5.23 allocate.

Sources: the installed DeepSpeed (`runtime/engine.py`, `runtime/bf16_optimizer.py`, `runtime/fp16/unfused_optimizer.py`,
`runtime/zero/stage_1_and_2.py`, `runtime/zero/stage3.py`); activations counted with `saved_tensors_hooks` on
`LlamaForCausalLM`. The tests compare both with what is really held. What no source gives is marked "assumed".

The peak is the larger of two moments: the end of the backward pass (activations, logits, buckets), and the update
(copies of the gradients). Weights, gradients and optimizer states are there at both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentflan.training.shape import LlamaShape

GIB = 2**30

# reduce_bucket_size, stage3_max_live_parameters and sub_group_size of DeepSpeed's defaults (runtime/zero/config.py).
BUCKET = 500_000_000
LIVE_PARAMETERS = 1_000_000_000
SUB_GROUP = 1_000_000_000

# CUDA context, cuBLAS workspaces and NCCL channels of one process. Assumed.
OVERHEAD = int(1.5 * GIB)
# Share of a GPU that is kept free: the estimate may be 10 % too low, and PyTorch's allocator fragments. Assumed.
SPARE = 0.1

_SIZE = {"bfloat16": 2, "float32": 4}


@dataclass(frozen=True)
class Layout:
    """How the states of a fine-tune are spread and kept."""

    zero: int = 0
    offload: Literal["none", "optimizer"] = "none"
    checkpoint_activations: bool = False

    def __str__(self) -> str:
        parts = [f"ZeRO-{self.zero}"]
        parts += ["activation checkpointing"] if self.checkpoint_activations else []
        parts += ["optimizer on the host"] if self.offload == "optimizer" else []
        return " + ".join(parts)


@dataclass(frozen=True)
class Job:
    """What is trained, as far as memory depends on it."""

    shape: LlamaShape
    gpus: int  # processes; 1 on a CPU too
    row_length: int  # tokens of a packed row
    rows_per_pass: int = 1
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    accumulation: Literal["bfloat16", "float32"] = "float32"  # DeepSpeed's data_types.grad_accum_dtype, ZeRO 1 to 3
    fused_layers: bool = False  # norms, rotations and activations by fused kernels that keep only their inputs
    bucket: int = BUCKET  # elements
    lora_rank: int = 0  # 0: all weights are trained

    @property
    def tokens(self) -> int:
        """Tokens of one forward pass."""
        return self.row_length * self.rows_per_pass

    @property
    def trained(self) -> int:
        """Parameters that have gradients and optimizer states."""
        return self.shape.lora(self.lora_rank) if self.lora_rank else self.shape.parameters

    @property
    def weights(self) -> int:
        """All parameters, with the low-rank additions."""
        return self.shape.parameters + self.shape.lora(self.lora_rank)

    @property
    def partition(self) -> int:
        """Trained parameters that fall to one process where states are spread."""
        return -(-self.trained // self.gpus)


@dataclass(frozen=True)
class Memory:
    """Bytes of one GPU by part, and of one process on the host."""

    weights: int
    gradients: int
    optimizer: int  # fp32 master weights and both Adam moments
    activations: int
    logits: int
    buffers: int  # communication buckets, gathered parameters
    update: int  # copies of gradients while the optimizer steps, when activations are gone
    overhead: int
    host: int  # states of one process on the host

    @property
    def states(self) -> int:
        """What is there all the time: weights, gradients, optimizer."""
        return self.weights + self.gradients + self.optimizer

    @property
    def peak(self) -> int:
        """The most that a GPU holds at once."""
        return self.states + self.overhead + max(self.activations + self.logits + self.buffers, self.update)


def memory(job: Job, layout: Layout) -> Memory:
    """The parts of one process."""
    offload = layout.offload == "optimizer"
    held, update = _offloaded_gradients(job, layout) if offload else _gradients(job, layout)
    return Memory(
        weights=_SIZE[job.dtype] * (job.partition if layout.zero == 3 else job.weights),
        gradients=held,
        optimizer=0 if offload else _optimizer(job, layout),
        activations=_activations(job, layout),
        logits=_logits(job),
        buffers=_buffers(job, layout),
        update=update,
        overhead=OVERHEAD,
        host=_host(job, layout) if offload else 0,
    )


def _optimizer(job: Job, layout: Layout) -> int:
    """Adam's moments in fp32 and the master weights, of the own partition (fused AdamW: no temporaries).

    In float32 the weights are their own master under ZeRO 0; ZeRO 1 to 3 clone the partition nevertheless.
    """
    if layout.zero:
        return 12 * job.partition
    return (8 if job.dtype == "float32" else 12) * job.trained


def _gradients(job: Job, layout: Layout) -> tuple[int, int]:
    """(bytes held until the update, further bytes during the update)."""
    every, own = job.trained, job.partition
    part = min(own, SUB_GROUP)  # ZeRO 3 updates one sub-group after another
    size = _SIZE[job.dtype]
    if job.accumulation == "float32" and job.dtype == "bfloat16" and layout.zero:
        return {
            1: ((4 + 2) * every, 0),  # BF16_Optimizer: bf16 of the pass, fp32 of everything; the update reads a view
            2: (4 * own, 0),  # one flat fp32 buffer of the partition, which is the gradient of the update
            3: (4 * own, 4 * part),  # the flat buffer, and a flattened copy of a sub-group
        }[layout.zero]
    master = 4 if job.dtype == "bfloat16" else 0  # the copy in the master's precision
    return {
        0: (size * every, master * every),
        1: (size * (every + own), max(0, (2 * size + master) * own - size * (every + own))),
        2: (size * own, (size + master) * own),
        3: (size * own, (size + master) * part),
    }[layout.zero]


def _offloaded_gradients(job: Job, layout: Layout) -> tuple[int, int]:
    """The same on the GPU where the optimizer is on the host: ZeRO 1 keeps all, 2 the fp32 accumulation, 3 nothing."""
    size = 4 if job.accumulation == "float32" else _SIZE[job.dtype]
    wide = size > _SIZE[job.dtype]
    return {1: size * job.trained, 2: size * job.partition if wide else 0, 3: 0}[layout.zero], 0


def _activations(job: Job, layout: Layout) -> int:
    """What the backward pass needs again, and the gradients of one layer's insides on the way back.

    Each layer keeps 24 × hidden + 8 × intermediate bytes a token in bf16, less with fewer key heads: of each norm the
    input in fp32, the scaled input and the output; query, key and value; the attention's output; four vectors of the
    feed-forward layer. Fused kernels keep 16 and 8. Attention by conversation has no mask. Checkpointed layers keep
    their input alone, and one layer at a time is computed anew.
    """
    shape, scale = job.shape, _SIZE[job.dtype] / 2
    plain = (8 if job.dtype == "bfloat16" else 4) * shape.hidden
    keys = shape.hidden // shape.heads * shape.kv_heads
    layer = 12 * shape.hidden + 4 * keys + 8 * shape.intermediate + (0 if job.fused_layers else plain)
    layer += (4 * shape.heads + 8) / scale  # fp32 sums of softmax and norms
    backward = 4 * shape.hidden + 6 * shape.intermediate
    kept = 2 * shape.hidden * shape.layers + layer if layout.checkpoint_activations else layer * shape.layers
    return round(scale * job.tokens * (kept + backward))


def _logits(job: Job) -> int:
    """Logits of the positions that bear loss, at worst all of them, 10 bytes an entry in bf16.

    Forward: as computed (2), in fp32 (4), their log-softmax (4). Backward: log-softmax (4), gradient in fp32 (4) and
    bf16 (2). In float32 nothing is converted: 8.
    """
    return (10 if job.dtype == "bfloat16" else 8) * job.shape.vocabulary * job.tokens


def _buffers(job: Job, layout: Layout) -> int:
    """Buckets of the gradient reduction; under ZeRO 3 the gathered parameters too.

    ZeRO 0 and 1 flatten a bucket of gradients to reduce them, if there is more than one process. ZeRO 2 has one bucket
    and one matrix on its way to the partition, in the accumulation's type; ZeRO 3 converts the whole bucket.
    """
    size = _SIZE[job.dtype]
    wide = 4 if job.accumulation == "float32" and job.dtype == "bfloat16" else 0
    if layout.zero in (0, 1):
        bucket = min(job.bucket, job.trained) * (wide or size if layout.zero else size)
        return bucket if job.gpus > 1 else 0
    if layout.zero == 2:
        return job.bucket * size + (wide or size) * job.shape.embedding
    return job.bucket * (size + wide) + size * min(LIVE_PARAMETERS, job.shape.parameters)


def _host(job: Job, layout: Layout) -> int:
    """Offloaded states: master, both moments, and the gradients of the update in fp32.

    ZeRO 1 and 2 keep a copy of the partition in the weights' type as well, ZeRO 3 the flat accumulated gradients. The
    often quoted twelve bytes a parameter are the optimizer states alone.
    """
    size = _SIZE[job.dtype]
    accumulated = 4 if job.accumulation == "float32" else size
    return (16 + (accumulated if layout.zero == 3 else size)) * job.partition
