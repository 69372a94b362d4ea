"""The model to train: public weights, or a Llama of a given shape from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError, FileError

SHAPE_KEYS = {"hidden_size", "layers", "heads", "intermediate", "max_length"}
# Small models learn to copy from their context several times sooner from wider initial weights than Llama's 0.02.
SCRATCH_INITIALIZER_RANGE = 0.06


def load_model(folder: Path, dtype: Any) -> Any:
    """Weights and configuration of a folder, safetensors only."""
    from transformers import AutoModelForCausalLM

    if not (folder / "config.json").is_file():
        raise FileError(folder, "no config.json", "the folder of a model")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True)


def model_from_scratch(shape: dict[str, int], tokenizer: Any, seed: int) -> Any:
    """A Llama with random weights fixed by `seed`.

    Args:
        shape: hidden_size, layers, heads, intermediate, max_length.
        tokenizer: gives the vocabulary and the special signs.
        seed: of the initial weights.

    Raises:
        ConfigError: a key is missing, unknown or impossible.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if set(shape) != SHAPE_KEYS:
        raise ConfigError([f"--from-scratch: found keys {sorted(shape)}; expected {sorted(SHAPE_KEYS)}"])
    if shape["hidden_size"] % shape["heads"]:
        raise ConfigError(
            [f"--from-scratch: hidden_size {shape['hidden_size']} is no multiple of heads {shape['heads']}"]
        )
    torch.manual_seed(seed)
    configuration = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape["hidden_size"],
        intermediate_size=shape["intermediate"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        max_position_embeddings=shape["max_length"],
        initializer_range=SCRATCH_INITIALIZER_RANGE,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(configuration)
