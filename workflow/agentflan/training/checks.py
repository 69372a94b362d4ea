"""What can be known to be wrong before weights are read or a GPU is used."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agentflan import templates
from agentflan.errors import ConfigError, FileError, NotAvailable
from agentflan.files import read_json, sha256_of
from agentflan.training.recipe import Settings

# What some models do to scores or logits, which the loss and the attention of `training` leave out.
_NOT_DONE = ("attn_logit_softcapping", "final_logit_softcapping", "logit_scale", "logits_scaling")


def check_kernels(settings: Settings) -> None:
    """Whether the kernels that a recipe asks for are there.

    Raises:
        NotAvailable: they are not, or there is no GPU to run them.
    """
    import torch

    if not settings.fused_layers:
        return
    if not torch.cuda.is_available():
        raise NotAvailable("--settings: fused_layers: found no GPU; expected one, or false")
    if find_spec("liger_kernel") is None:
        raise NotAvailable("--settings: fused_layers: liger-kernel is not installed; install the extra `gpu`")


def check_record(data: Path, record: Path) -> dict[str, Any]:
    """The record of a mixture, if the mixture is the one that it tells of.

    Args:
        data: the mixture.
        record: what `mix_training_set` wrote beside it (``{condition}.counts.json``).

    Raises:
        FileError: the record holds no hash, or that of another file.
    """
    told = read_json(record)
    if not isinstance(told, dict) or not isinstance(told.get("sha256"), str):
        raise FileError(record, "no field sha256", "the hash of the mixture", "Mix it again")
    found = sha256_of(data)
    if found != told["sha256"]:
        advice = f"It is not the mixture that {record} tells of: mix it again"
        raise FileError(data, f"SHA-256 {found}", f"SHA-256 {told['sha256']}", advice)
    return told


def check_tokenizer(tokenizer: Any, template: str) -> None:
    """Whether a tokenizer can write a chat template.

    Raises:
        ConfigError: a character or a special sign of the template is missing.
    """
    named = f"tokenizer {tokenizer.name_or_path!r}"
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ConfigError([f"{named}: has no tokenizer.json; expected a fast tokenizer"])
    if tokenizer.eos_token_id is None:
        raise ConfigError([f"{named}: has no eos_token; template {template!r} needs one to end a reply or a text"])
    templates.check_characters(tokenizer, template)


def check_model(config: Any, tokenizer: Any, settings: Settings) -> None:
    """Whether a model has room for the tokenizer's entries and the recipe's conversations, and is one that we train.

    Args:
        config: of the model, from `transformers`.
        tokenizer: what writes its tokens.
        settings: the recipe.

    Raises:
        ConfigError: it has not.
    """
    problems = []
    entries, positions = len(tokenizer), getattr(config, "max_position_embeddings", None)
    if entries > config.vocab_size:
        problems.append(
            f"tokenizer {tokenizer.name_or_path!r}: {entries} entries; expected at most the model's vocab_size, "
            f"{config.vocab_size}"
        )
    if positions and settings.max_length > positions:
        problems.append(
            f"--settings: max_length: found {settings.max_length}; expected at most the model's {positions} positions"
        )
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if window and settings.max_length > window:
        problems.append(
            f"--settings: max_length: found {settings.max_length}; expected at most the model's attention window, "
            f"{window}"
        )
    problems += [
        f"the model's config.json: {key}: found {getattr(config, key)}; expected a model without it, as Llama's"
        for key in _NOT_DONE
        if getattr(config, key, None) not in (None, 1, 1.0)
    ]
    if problems:
        raise ConfigError(problems)
