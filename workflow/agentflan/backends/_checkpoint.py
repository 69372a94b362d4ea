"""A checkpoint folder as model and tokenizer: whole, or refused. Nothing is ever looked for on the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentflan.errors import FileError

_EXPECTED = "config.json, safetensors and a tokenizer with a chat template"
_COMPUTED = "inv_freq"  # old checkpoints hold tables that the model computes


def load_model(folder: Path, **options: Any) -> Any:
    """The model of a checkpoint with exactly the weights that lie in the folder.

    Raises:
        FileError: something is missing, damaged, or not what config.json says. `transformers` would make up weights
            that are missing, at random.
    """
    from transformers import AutoModelForCausalLM

    if not (folder / "config.json").exists():
        raise FileError(folder, "no config.json", "the folder of a checkpoint")
    with _named(folder):
        model, told = AutoModelForCausalLM.from_pretrained(
            folder, output_loading_info=True, local_files_only=True, use_safetensors=True, **options
        )
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        odd = sorted(str(key) for key in told[kind] if _COMPUTED not in str(key))
        if odd:
            found = f"{len(odd)} {kind.replace('_', ' ')}, such as {odd[0]}"
            raise FileError(folder, found, "the weights of the model in config.json, all of them and no others")
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint.

    Raises:
        FileError: there is none, or its chat template is missing or cannot be used.
    """
    from jinja2 import TemplateError
    from transformers import AutoTokenizer

    with _named(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    try:
        shown = tokenizer.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False)
    except (TemplateError, ValueError) as error:
        raise FileError(folder, f"no chat template that can be used ({_first_line(error)})", _EXPECTED) from None
    if "hello" not in shown:
        raise FileError(folder, "a chat template that leaves out what the user says", _EXPECTED)
    return tokenizer


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Turn what `transformers` and `safetensors` raise of damaged files into one sentence."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise FileError(folder, f"a checkpoint that cannot be loaded ({_first_line(error)})", _EXPECTED) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
