"""The checkpoint folder: weights, tokenizer, generation settings and a model card, all that evaluation needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import distributed

from agentflan import templates
from agentflan.files import atomic_write, write_text
from agentflan.training.trainer import LossRow, weights


def save_checkpoint(folder: Path, model: Any, tokenizer_folder: Path, template: str, card: dict[str, Any]) -> None:
    """Write a folder that `AutoModelForCausalLM` loads; it appears whole or not at all.

    All processes gather the weights; the first one writes.

    Args:
        folder: the checkpoint.
        model: the trained model.
        tokenizer_folder: where its tokenizer lies; the files are copied.
        template: name of the chat template, stored with the weights.
        card: facts for README.md: data, recipe, counts. No times: the same run gives the same bytes.
    """
    gathered = weights(model)
    if distributed.get_rank():
        return
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, state_dict=gathered)
    for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json"):
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, partial / name)
    write_text(partial / "chat_template.jinja", templates.source(template))
    write_text(partial / "README.md", _model_card(folder.name, card))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def save_losses(path: Path, rows: list[LossRow]) -> None:
    """Write the losses as Parquet, long form: step, kind, group, loss_sum, tokens; the first process does it."""
    if distributed.get_rank():
        return
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
    with atomic_write(path, "wb") as handle:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), handle)


def _model_card(name: str, card: dict[str, Any]) -> str:
    facts = json.dumps(card, indent=2, ensure_ascii=False)
    return f"# {name}\n\nMade by `agentflan train_checkpoint`.\n\n```json\n{facts}\n```\n"
