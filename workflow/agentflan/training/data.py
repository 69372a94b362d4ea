"""Training data: conversations tokenized, cut to the context, and put into global batches of packed rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from agentflan import templates
from agentflan.errors import RecordError
from agentflan.files import read_jsonl
from agentflan.randomness import generator
from agentflan.records import CAPABILITIES, CONVERSATION, Trajectory, from_json
from agentflan.templates import Encoded
from agentflan.training import packing
from agentflan.training.recipe import Settings


class Text(NamedTuple):
    """A plain text to train on, all of it."""

    id: str
    text: str
    stream: str = "text"
    dataset: str = "text"


@dataclass(frozen=True)
class Example:
    """A tokenized conversation with its origin. All arrays have shape (tokens,); a token takes 7 bytes."""

    input_ids: numpy.ndarray  # int32
    loss: numpy.ndarray  # bool
    capability: numpy.ndarray  # int8, index into CAPABILITIES, -1 where the token bears no loss
    is_format: numpy.ndarray  # bool
    stream: str
    dataset: str

    @staticmethod
    def of(encoded: Encoded, stream: str, dataset: str) -> Example:
        """The arrays of an encoded conversation."""
        return Example(
            numpy.asarray(encoded.input_ids, numpy.int32),
            numpy.asarray(encoded.loss, bool),
            numpy.asarray(encoded.capability, numpy.int8),
            numpy.asarray(encoded.is_format, bool),
            stream,
            dataset,
        )

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def bearing(self) -> int:
        """Tokens that are predicted and bear loss; the first token is never predicted."""
        return int(self.loss[1:].sum())


@dataclass
class Counts:
    """What happened to the conversations of a training set."""

    conversations: int = 0
    tokens: int = 0
    loss_tokens: int = 0
    cut: list[str] = field(default_factory=list)  # ids of conversations that lost their end
    without_loss: list[str] = field(default_factory=list)  # ids of conversations that train nothing


def read_examples(
    paths: Iterable[Path], tokenizer: Any, template: str, max_length: int, loss: str
) -> tuple[list[Example], Counts]:
    """Tokenize conversations, and plain texts where a row is ``{"text": …}``.

    A conversation longer than the context keeps its beginning: the tokens after `max_length` are cut and counted.
    One without a loss-bearing token is skipped and counted.

    Args:
        paths: JSON-lines files.
        tokenizer: a fast tokenizer of `transformers`.
        template: name of the chat template.
        max_length: tokens of the context.
        loss: "assistant" (what the template generates, of turns that are trained on) or "all" tokens.
    """
    counts = Counts()
    examples = []
    documents = [document for path in paths for document in _read(path)]
    conversations = (document for document in documents if isinstance(document, Trajectory))
    encodings = templates.encode_many(conversations, tokenizer, template)
    for row in documents:
        encoded = next(encodings) if isinstance(row, Trajectory) else _encode_text(row.text, tokenizer)
        if loss == "all":
            encoded = _all_tokens(encoded)
        if len(encoded.input_ids) > max_length:
            counts.cut.append(row.id)
            encoded = _cut(encoded, max_length)
        if not any(encoded.loss[1:]):  # the first token is never predicted
            counts.without_loss.append(row.id)
            continue
        counts.conversations += 1
        counts.tokens += len(encoded.input_ids)
        counts.loss_tokens += sum(encoded.loss[1:])
        examples.append(Example.of(encoded, row.stream, row.dataset))
    return examples, counts


def batches(examples: list[Example], batch: int, epochs: float, seed: int) -> Iterator[list[Example]]:
    """Global batches of `batch` conversations, shuffled anew each epoch by a named seed; the last may be smaller."""
    wanted = round(len(examples) * epochs)
    order: list[int] = []
    for epoch in range(-(-wanted // max(len(examples), 1))):
        indices = list(range(len(examples)))
        generator("order", seed, epoch).shuffle(indices)
        order += indices
    for start in range(0, wanted, batch):
        yield [examples[index] for index in order[start : min(start + batch, wanted)]]


def rows_of(examples: list[Example], max_length: int, multiple: int = 1) -> list[list[Example]]:
    """A global batch as packed rows, their number a multiple of `multiple` where the conversations allow it."""
    lengths = [len(example) for example in examples]
    return [[examples[index] for index in row] for row in packing.rows(lengths, max_length, multiple)]


def shares(batch: list[Example], settings: Settings, world: int) -> list[list[list[Example]]]:
    """A global batch as packed rows, cut into what one process computes in one pass.

    Args:
        batch: its conversations.
        settings: the recipe.
        world: how many processes compute side by side.

    Returns:
        Lists of rows; number ``pass × world + rank`` is of that pass and process, and the last ones may be missing.
    """
    side_by_side = world * (settings.rows_per_pass or 1) if world > 1 else 1
    capacity = settings.row_length or settings.max_length
    rows = rows_of(batch, capacity, side_by_side) if settings.packing else [[example] for example in batch]
    size = settings.rows_per_pass or -(-len(rows) // world)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _read(path: Path) -> Iterator[Trajectory | Text]:
    for number, row in enumerate(read_jsonl(path), 1):
        if "text" not in row:
            yield from_json(row, path, number)
        elif isinstance(row["text"], str):
            yield Text(f"{path.name} {number}", row["text"])
        else:
            raise RecordError(path, number, "text", type(row["text"]).__name__, "a string")


def _encode_text(text: str, tokenizer: Any) -> Encoded:
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = [*start, *tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.eos_token_id]
    return Encoded(ids, [True] * len(ids), [CAPABILITIES.index(CONVERSATION)] * len(ids), [False] * len(ids))


def _all_tokens(encoded: Encoded) -> Encoded:
    conversation = CAPABILITIES.index(CONVERSATION)
    capability = [conversation if index < 0 else index for index in encoded.capability]
    return Encoded(encoded.input_ids, [True] * len(encoded.loss), capability, encoded.is_format)


def _cut(encoded: Encoded, length: int) -> Encoded:
    return Encoded(
        encoded.input_ids[:length], encoded.loss[:length], encoded.capability[:length], encoded.is_format[:length]
    )
