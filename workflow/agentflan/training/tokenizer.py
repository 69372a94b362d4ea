"""A small byte-level BPE tokenizer with Llama's special signs, for models that are trained from scratch."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from agentflan import templates
from agentflan.files import write_json, write_text

SPECIAL = ("<unk>", "<s>", "</s>")

# Numbers stay whole: a small model copies one token, but composes none.
_PIECES = r" ?[A-Za-z][a-z]*| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s"  # words, camelCase, numbers, signs, spaces


def train_tokenizer(texts: Iterable[str], vocabulary: int, template: str, folder: Path) -> int:
    """Train on texts and save in the format of `transformers`, with the chat template inside.

    Args:
        texts: training text, in any order of documents that is the same on every run.
        vocabulary: entries at most; the 256 bytes are among them, so every text can be written.
        template: name of the chat template.
        folder: where the tokenizer goes; it appears whole or not at all.

    Returns:
        The number of entries.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    _save(tokenizer, template, folder)
    return tokenizer.get_vocab_size()


def _save(tokenizer: object, template: str, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tokenizer.save(str(partial / "tokenizer.json"))  # type: ignore[attr-defined]
    signs = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    write_json(partial / "tokenizer_config.json", settings | signs)
    write_text(partial / "chat_template.jinja", templates.source(template))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
