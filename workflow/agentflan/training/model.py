"""The model to train: public weights, or a Llama of a given shape from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError, FileError
from agentflan.training.recipe import Settings, engine_configuration

SHAPE_KEYS = {"hidden_size", "layers", "heads", "intermediate", "max_length"}
# Small models learn to copy from their context several times sooner from wider initial weights than Llama's 0.02.
SCRATCH_INITIALIZER_RANGE = 0.06


def load_model(folder: Path, settings: Settings) -> Any:
    """Weights and configuration of a folder, safetensors only.

    Under ZeRO-3 (`zero.Init`) no process holds the whole model: the first one maps the files into its memory, and one
    weight after another is spread from there; the others read shapes alone.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.integrations import HfDeepSpeedConfig

    # `transformers` spreads the weights while it reads them as long as such an object lives.
    spread = HfDeepSpeedConfig(engine_configuration(settings)) if settings.zero == 3 else None
    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, settings.dtype), use_safetensors=True)
    finally:
        del spread


def fuse_layers(model: Any) -> None:
    """Put liger-kernel's kernels in the place of norms, rotations and activations.

    The output layer keeps ours: only loss-bearing positions go through it, so a fused loss would save little.
    """
    from liger_kernel.transformers import _apply_liger_kernel_to_instance

    _apply_liger_kernel_to_instance(model, fused_linear_cross_entropy=False, cross_entropy=False)


def model_from_scratch(shape: dict[str, int], tokenizer: Any, seed: int) -> Any:
    """A Llama with random weights fixed by `seed`; see `llama_config` for the other arguments and errors."""
    import torch
    from transformers import LlamaForCausalLM

    configuration = llama_config(shape, tokenizer)
    torch.manual_seed(seed)
    return LlamaForCausalLM(configuration)


def read_config(folder: Path) -> Any:
    """The configuration of a folder of weights.

    Raises:
        FileError: it is not the folder of a model.
    """
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise FileError(folder, "no config.json", "the folder of a model")
    return AutoConfig.from_pretrained(folder)


def llama_config(shape: dict[str, int], tokenizer: Any) -> Any:
    """The configuration of a Llama of a given shape.

    Args:
        shape: hidden_size, layers, heads, intermediate, max_length.
        tokenizer: gives the vocabulary and the special signs.

    Raises:
        ConfigError: a key is missing, unknown or impossible.
    """
    from transformers import LlamaConfig

    if set(shape) != SHAPE_KEYS:
        raise ConfigError([f"--from-scratch: found keys {sorted(shape)}; expected {sorted(SHAPE_KEYS)}"])
    if shape["hidden_size"] % shape["heads"]:
        raise ConfigError(
            [f"--from-scratch: hidden_size {shape['hidden_size']} is no multiple of heads {shape['heads']}"]
        )
    return LlamaConfig(
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
