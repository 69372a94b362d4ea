"""Train a model: fine-tune a folder of weights on a mixture, or train a Llama of a given shape from scratch.

Full-parameter training by DeepSpeed with packed sequences (paper Appendix A, Table 5). Writes a folder that
`AutoModelForCausalLM` loads and the losses by capability, format, stream and dataset for each step. Several processes
on one machine: ``torchrun --standalone --nproc-per-node N -m agentflan train_checkpoint …``; they give the same losses.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentflan.errors import ConfigError, FileError
from agentflan.files import sha256_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--model", type=Path, help="folder of the weights to start from")
    start.add_argument("--from-scratch", help="shape as JSON: hidden_size, layers, heads, intermediate, max_length")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer's folder; the model's own if not given")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="JSON-lines files of conversations or texts"
    )
    parser.add_argument("--loss", choices=["assistant", "all"], default="assistant", help="which tokens bear loss")
    parser.add_argument(
        "--settings", default="{}", help="the recipe as JSON; keys are those of training.recipe.Settings"
    )
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint's folder")
    parser.add_argument("--losses", type=Path, required=True, help="losses by group, Parquet")


def run(arguments: argparse.Namespace) -> str:
    """Check everything, train, save.

    Raises:
        ConfigError: an impossible setting.
        FileError: no tokenizer, or no conversation to train on.
    """
    from agentflan.training.recipe import Settings

    settings = Settings.from_json(_json(arguments.settings, "--settings"))
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))
    from transformers import AutoTokenizer

    from agentflan.training.checkpoint import save_checkpoint, save_losses
    from agentflan.training.data import read_examples
    from agentflan.training.trainer import train

    tokenizer_folder = arguments.tokenizer or arguments.model
    if tokenizer_folder is None:
        raise ConfigError(["--tokenizer: not given; a model from scratch needs one"])
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    examples, counts = read_examples(arguments.data, tokenizer, settings.template, settings.max_length, arguments.loss)
    if not examples:
        raise FileError(arguments.data[0], "no conversation with a loss-bearing token", "at least one")
    log.info("%d conversations, %d tokens, %d bear loss", counts.conversations, counts.tokens, counts.loss_tokens)
    log.info(
        "%d cut at %d tokens, %d without loss skipped", len(counts.cut), settings.max_length, len(counts.without_loss)
    )
    model = _model(arguments, tokenizer, settings)
    losses = train(model, examples, settings, tokenizer.pad_token_id)
    card = {
        "data": {str(path): sha256_of(path) for path in arguments.data},
        "settings": asdict(settings),
        "counts": asdict(counts),
    }
    save_losses(arguments.losses, losses)
    save_checkpoint(arguments.out, model, tokenizer_folder, settings.template, card)
    last = [row for row in losses if row["kind"] == "all"][-1]
    return f"{arguments.out}: {last['step']} steps, last loss {last['loss_sum'] / last['tokens']:.4f}"


def _model(arguments: argparse.Namespace, tokenizer: Any, settings: Any) -> Any:
    import torch

    from agentflan.training.model import load_model, model_from_scratch

    if arguments.model is not None:
        return load_model(arguments.model, torch.float32 if settings.dtype == "float32" else torch.bfloat16)
    return model_from_scratch(_json(arguments.from_scratch, "--from-scratch"), tokenizer, settings.seed)


def _json(text: str, flag: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError([f"{flag}: not JSON ({error})"]) from None
    if not isinstance(value, dict):
        raise ConfigError([f"{flag}: found {type(value).__name__}; expected an object"])
    return value
