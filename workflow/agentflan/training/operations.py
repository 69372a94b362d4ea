"""Floating-point operations of training, and how much of a GPU's peak they use (MFU)."""

from __future__ import annotations

from agentflan.training.shape import LlamaShape

# Dense bf16 peaks, TFLOP/s, of NVIDIA's data sheets (SXM).
PEAK_TFLOPS = {"a100": 312.0, "h100": 989.0, "h200": 989.0}

FORMULA = (
    "MFU = useful tokens/s x FLOPs a token / (GPUs x peak of one); FLOPs a token = 6 x matrix weights (4 x with LoRA)"
    " + 6 x length x hidden x layers, causal attention within each conversation, recomputation not counted;"
    " length: mean over tokens of the conversation's length"
)


def flops_per_token(shape: LlamaShape, document: float, lora: bool = False) -> float:
    """Operations of forward and backward pass for one token; what checkpointing computes anew is not counted.

    Six a matrix weight (two forward, four backward), and 6 × document × hidden × layers for causal attention,
    where a token sees half of its document on average (PaLM, arXiv 2204.02311, appendix B, halved for causality).

    Args:
        shape: of the model.
        document: mean length of a conversation, tokens; packed rows see no further.
        lora: the matrices are frozen, so they get no gradient: four a weight; the additions are too small to count.
    """
    return (4 if lora else 6) * shape.matmul_weights + 6 * document * shape.hidden * shape.layers


def mfu(tokens_per_second: float, flops: float, gpus: int, peak: float) -> float:
    """Model FLOPs utilisation.

    Args:
        tokens_per_second: of all GPUs together, padding not counted.
        flops: operations a token, see `flops_per_token`.
        gpus: how many.
        peak: of one GPU, FLOP/s.
    """
    return tokens_per_second * flops / (gpus * peak)
