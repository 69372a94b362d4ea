"""The loss of a packed row, and its parts: by capability, by format against content, by stream, by dataset.

Figures 2 and 3 are drawn from these parts alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy
import torch
from torch.nn import functional

from agentflan.records import CAPABILITIES
from agentflan.training.attention import Conversations, by_conversation
from agentflan.training.data import Example

Parts = dict[tuple[str, str], tuple[float, int]]  # (kind, group) → summed loss, tokens


class Row(NamedTuple):
    """Packed conversations as tensors. All have shape (rows, length)."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor  # the next token where it bears loss, else -100
    groups: torch.Tensor  # index into the step's group table, of the next token


class GroupTable:
    """Numbers for the distinct (capability, format, stream, dataset) of a run, and sums by them.

    The numbers follow from the examples alone, so that every process has the same ones, after a resumption too.
    """

    def __init__(self, examples: Iterable[Example] = ()) -> None:
        self._names: list[tuple[int, bool, str, str]] = []
        self._numbers: dict[tuple[str, str], numpy.ndarray] = {}  # origin → number of each code; -1: none yet
        for example in examples:
            self.numbers(example)

    def __len__(self) -> int:
        return len(self._names)

    def numbers(self, example: Example) -> numpy.ndarray:
        """The group of each token, shape (tokens,), 0 where it bears no loss; unseen groups get new numbers."""
        origin = (example.stream, example.dataset)
        known = self._numbers.setdefault(origin, numpy.full(2 * len(CAPABILITIES), -1))
        codes = numpy.where(example.loss, 2 * example.capability.astype(int) + example.is_format, 0)
        for code in numpy.unique(codes[example.loss]):
            if known[code] < 0:
                known[code] = len(self._names)
                self._names.append((int(code) // 2, bool(code % 2), *origin))
        return numpy.where(example.loss, known[codes], 0)

    def sums(self, losses: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        """Summed losses and token counts of each group, shape (2, groups), float64.

        Args:
            losses: shape (tokens,), natural-log cross-entropy of each loss-bearing token.
            groups: shape (tokens,), the tokens' group numbers.
        """
        sums = torch.zeros(2, len(self), dtype=torch.float64)
        sums[0].index_add_(0, groups, losses.double())
        sums[1] = torch.bincount(groups, minlength=len(self))
        return sums

    def parts(self, sums: torch.Tensor) -> Parts:
        """Summed loss and token count by (kind, group), from `sums`."""
        parts: Parts = defaultdict(lambda: (0.0, 0))
        for (capability, is_format, stream, dataset), (loss, tokens) in zip(self._names, sums.T.tolist(), strict=True):
            names = (
                ("all", "all"),
                ("capability", CAPABILITIES[capability]),
                ("format", "format" if is_format else "content"),
                ("stream", stream),
                ("dataset", dataset),
                ("stream_format", f"{stream} {'format' if is_format else 'content'}"),
            )
            for name in names if tokens else ():
                before = parts[name]
                parts[name] = (before[0] + loss, before[1] + int(tokens))
        return dict(parts)


def pack(rows: list[list[Example]], table: GroupTable, pad: int) -> Row:
    """Tensors of packed rows, as long as the longest of them; padding is a document of its own without loss."""
    length = max(sum(len(example) for example in row) for row in rows)
    packed = [_row(row, table, pad, length) for row in rows]
    return Row(*(torch.from_numpy(numpy.stack(column)) for column in zip(*packed, strict=True)))


class TokenLosses(torch.nn.Module):
    """A language model whose forward pass gives the losses of a packed row: what a DeepSpeed engine wraps."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `token_losses`; the arguments are the fields of a `Row`."""
        return token_losses(self.model, Row(*row))


def token_losses(model: Any, row: Row) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of each loss-bearing token, and its group.

    Only positions that bear loss go through the output layer: it is the most expensive one of a small model.
    The restarted positions make the attention block-diagonal; that needs ``use_cache=False``.

    Returns:
        losses of shape (tokens,) in float32, groups of shape (tokens,).
    """
    body = model.get_decoder()
    more = {"conversations": Conversations.of(row.position_ids)} if by_conversation(model) else {}
    # Before the layers: a GPU is asked how many there are while it has nothing to do yet.
    bearing = torch.nonzero(row.labels.flatten() != -100).flatten()
    hidden = body(input_ids=row.input_ids, position_ids=row.position_ids, use_cache=False, **more).last_hidden_state
    logits = model.get_output_embeddings()(hidden.flatten(0, 1)[bearing]).float()
    labels, groups = row.labels.flatten()[bearing], row.groups.flatten()[bearing]
    return functional.cross_entropy(logits, labels, reduction="none"), groups


def _row(row: list[Example], table: GroupTable, pad: int, length: int) -> tuple[numpy.ndarray, ...]:
    """The fields of a `Row` for one row, each of shape (length,)."""
    missing = length - sum(len(example) for example in row)
    ids = [example.input_ids for example in row]
    positions = [numpy.arange(len(example)) for example in row]
    labels = [_ahead(numpy.where(example.loss, example.input_ids, -100), -100) for example in row]
    groups = [_ahead(table.numbers(example), 0) for example in row]
    fills = (numpy.full(missing, pad), numpy.arange(missing), numpy.full(missing, -100), numpy.zeros(missing))
    columns = zip((ids, positions, labels, groups), fills, strict=True)
    return tuple(numpy.concatenate([*column, fill]).astype(numpy.int64) for column, fill in columns)


def _ahead(values: numpy.ndarray, last: int) -> numpy.ndarray:
    """What belongs to the next token, at the place of the token that predicts it."""
    return numpy.append(values[1:], last)
