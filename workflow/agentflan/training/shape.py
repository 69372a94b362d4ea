"""The shape of a Llama model, and the numbers of weights that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONFIG_KEYS = {  # our names and those of config.json
    "vocabulary": "vocab_size",
    "hidden": "hidden_size",
    "intermediate": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "tied": "tie_word_embeddings",
}


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

    @staticmethod
    def from_config(values: Mapping[str, Any]) -> LlamaShape:
        """From the values of a config.json, or of `model.config.to_dict()`.

        Raises:
            KeyError: a size is missing; older files may leave out `num_key_value_heads` and `tie_word_embeddings`.
        """
        heads = values.get("num_attention_heads")
        values = {"num_key_value_heads": heads, "tie_word_embeddings": False} | dict(values)
        return LlamaShape(**{field: values[key] for field, key in CONFIG_KEYS.items()})

    @property
    def embedding(self) -> int:
        """Weights of the input embedding, the largest matrix; the output layer has as many."""
        return self.vocabulary * self.hidden

    @property
    def layer(self) -> int:
        """Matrix weights of one decoder layer: attention (grouped where kv_heads < heads) and feed-forward."""
        kv = self.hidden // self.heads * self.kv_heads
        return 2 * self.hidden * (self.hidden + kv) + 3 * self.hidden * self.intermediate

    def lora(self, rank: int) -> int:
        """Weights of low-rank additions to every matrix of the layers."""
        kv = self.hidden // self.heads * self.kv_heads
        sides = 4 * self.hidden + 2 * (self.hidden + kv) + 3 * (self.hidden + self.intermediate)
        return rank * self.layers * sides

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
