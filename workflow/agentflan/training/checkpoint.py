"""The checkpoint folder: weights, tokenizer, generation settings and a model card, all that evaluation needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentflan import templates
from agentflan.errors import FileError
from agentflan.files import atomic_write, write_text
from agentflan.training import processes
from agentflan.training.card import model_card
from agentflan.training.recipe import Settings
from agentflan.training.trainer import LossRow, weights


def save_checkpoint(folder: Path, model: Any, tokenizer_folder: Path, settings: Settings, card: dict[str, Any]) -> None:
    """Write a folder that `AutoModelForCausalLM` and vLLM load as it is; it appears whole or not at all.

    All processes gather the weights; the first one writes, the others wait.

    Args:
        folder: the checkpoint.
        model: the trained model.
        tokenizer_folder: where its tokenizer lies; the files are copied.
        settings: the recipe; its chat template is stored with the weights, its end sign among the stop tokens.
        card: facts for README.md, see `model_card`. No times: the same run gives the same bytes.

    Raises:
        ProcessFailed: the folder cannot be written, or a weight is no number.
    """
    gathered = weights(model)

    def save() -> None:
        if processes.rank() == 0:
            with _whole(folder) as partial:
                _write(partial, model, gathered, tokenizer_folder, settings, model_card(folder.name, card))

    processes.together(save, "checkpoint")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` at the end, or nothing."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _write(
    folder: Path, model: Any, gathered: dict[str, Any], tokenizer_folder: Path, settings: Settings, card: str
) -> None:
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    broken = next((name for name, values in gathered.items() if not values.isfinite().all()), None)
    if broken:
        raise FileError(folder, f"weights of {broken} that are no numbers", "numbers", "Lower the learning rate")
    model.generation_config = generation_config(AutoTokenizer.from_pretrained(tokenizer_folder), settings.template)
    try:
        model.save_pretrained(folder, state_dict=gathered, max_shard_size=settings.max_shard_size)
    except SafetensorError as error:  # its word for a full disk
        raise OSError(f"{folder}: {error}") from None
    for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json"):
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, folder / name)
    write_text(folder / "chat_template.jinja", templates.source(settings.template))
    write_text(folder / "README.md", card)


def generation_config(tokenizer: Any, template: str) -> Any:
    """How replies end: at the end of a turn of the template that the model was trained with, or of the text.

    A template whose end sign is text gives its token where it is a single one, else a stop string, for which
    `generate` wants the tokenizer. Decoding is greedy, as in the evaluations.
    """
    from transformers import GenerationConfig

    sign = templates.end_sign(template, tokenizer.bos_token or "", tokenizer.eos_token)
    ids = tokenizer.backend_tokenizer.encode(sign, add_special_tokens=False).ids
    stops = list(dict.fromkeys([*(ids if len(ids) == 1 else []), tokenizer.eos_token_id]))
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stops if len(stops) > 1 else stops[0],
        pad_token_id=padding_id(tokenizer),
        stop_strings=None if len(ids) == 1 else [sign],
        do_sample=False,
    )


def padding_id(tokenizer: Any) -> int:
    """The token of padding; that of the text's end where a tokenizer has none, as Llama-2's."""
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def save_losses(path: Path, rows: list[LossRow]) -> None:
    """Write the losses as Parquet, long form: step, kind, group, loss_sum, tokens; the first process does it.

    Raises:
        ProcessFailed: the file cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [
            ("step", pyarrow.int32()),
            ("kind", pyarrow.string()),
            ("group", pyarrow.string()),
            ("loss_sum", pyarrow.float64()),
            ("tokens", pyarrow.int64()),
        ]
    )

    def save() -> None:
        if processes.rank() == 0:
            with atomic_write(path, "wb") as handle:
                parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), handle)

    processes.together(save, "losses")
