"""The shape of a Llama model, and what follows from it alone: parameters and floating-point operations a token."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LlamaShape:
    """Sizes of a Llama decoder, as in its config.json."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    tied: bool = False  # input embedding and output layer are one matrix

    @property
    def embedding(self) -> int:
        """Weights of the input embedding, the largest matrix; the output layer has as many."""
        return self.vocabulary * self.hidden

    @property
    def layer(self) -> int:
        """Matrix weights of one decoder layer: attention (grouped where kv_heads < heads) and feed-forward."""
        kv = self.hidden // self.heads * self.kv_heads
        return 2 * self.hidden * (self.hidden + kv) + 3 * self.hidden * self.intermediate

    @property
    def norms(self) -> int:
        """Weights of all RMS norms: two a layer and the last."""
        return (2 * self.layers + 1) * self.hidden

    @property
    def parameters(self) -> int:
        """All weights, each counted once; Llama-2-7B has 6,738,415,616."""
        return self.matmul_weights + self.norms + (0 if self.tied else self.embedding)

    @property
    def matmul_weights(self) -> int:
        """Weights that each token is multiplied with: the layers and the output layer."""
        return self.layers * self.layer + self.embedding

    def flops_per_token(self, document: float) -> float:
        """Operations of forward and backward pass for one token, recomputation not counted.

        Six a matrix weight (two forward, four backward), and 6 × document × hidden × layers for causal attention,
        where a token sees half of its document on average (PaLM, arXiv 2204.02311, appendix B, halved for causality).

        Args:
            document: mean length of a conversation, tokens; packed rows see no further.
        """
        return 6 * self.matmul_weights + 6 * document * self.hidden * self.layers


def mfu(tokens_per_second: float, flops_per_token: float, gpus: int, peak: float) -> float:
    """Model FLOPs utilisation: useful tokens/s × FLOPs/token ÷ (GPUs × peak FLOP/s)."""
    return tokens_per_second * flops_per_token / (gpus * peak)
