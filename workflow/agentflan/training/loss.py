"""The loss of a packed row, and its parts: by capability, by format against content, by stream, by dataset.

Figures 2 and 3 are drawn from these parts alone.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from agentflan.records import CAPABILITIES
from agentflan.training.data import Example


class Row(NamedTuple):
    """Packed conversations as tensors. All have shape (rows, length)."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor  # the next token where it bears loss, else -100
    groups: torch.Tensor  # index into the step's group table, of the next token


class GroupTable:
    """Numbers for the distinct (capability, format, stream, dataset) of a run, and their sums for one step."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, bool, str, str], int] = {}

    def number(self, capability: int, is_format: bool, stream: str, dataset: str) -> int:
        """The number of a group, a new one at first sight."""
        return self._numbers.setdefault((capability, is_format, stream, dataset), len(self._numbers))

    def sums(self, losses: torch.Tensor, groups: torch.Tensor) -> dict[tuple[str, str], tuple[float, int]]:
        """Summed loss and token count by (kind, group).

        Args:
            losses: shape (tokens,), natural-log cross-entropy of each loss-bearing token.
            groups: shape (tokens,), the tokens' group numbers.
        """
        size = len(self._numbers)
        loss_sums = torch.zeros(size, dtype=torch.float64).index_add_(0, groups, losses.double()).tolist()
        tokens = torch.bincount(groups, minlength=size).tolist()
        parts: dict[tuple[str, str], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        for (capability, is_format, stream, dataset), number in self._numbers.items():
            names = (
                ("all", "all"),
                ("capability", CAPABILITIES[capability]),
                ("format", "format" if is_format else "content"),
                ("stream", stream),
                ("dataset", dataset),
                ("stream_format", f"{stream} {'format' if is_format else 'content'}"),
            )
            for name in names if tokens[number] else ():
                loss, count = parts[name]
                parts[name] = (loss + loss_sums[number], count + tokens[number])
        return dict(parts)


def pack(rows: list[list[Example]], table: GroupTable, pad: int) -> Row:
    """Tensors of packed rows, as long as the longest of them; padding is a document of its own without loss."""
    length = max(sum(len(example) for example in row) for row in rows)
    columns: list[list[list[int]]] = [[], [], [], []]
    for row in rows:
        for column, values in zip(columns, _row(row, table, pad, length), strict=True):
            column.append(values)
    return Row(*(torch.tensor(column, dtype=torch.long) for column in columns))


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
    hidden = body(input_ids=row.input_ids, position_ids=row.position_ids, use_cache=False).last_hidden_state
    bearing = row.labels != -100
    logits = model.get_output_embeddings()(hidden[bearing]).float()
    return functional.cross_entropy(logits, row.labels[bearing], reduction="none"), row.groups[bearing]


def _row(row: list[Example], table: GroupTable, pad: int, length: int) -> tuple[list[int], ...]:
    ids: list[int] = []
    positions: list[int] = []
    labels: list[int] = []
    groups: list[int] = []
    for example in row:
        encoded = example.encoded
        ids += encoded.input_ids
        positions += range(len(example))
        labels += [token if loss else -100 for token, loss in zip(encoded.input_ids[1:], encoded.loss[1:], strict=True)]
        groups += [
            table.number(capability, is_format, example.stream, example.dataset) if loss else 0
            for loss, capability, is_format in zip(
                encoded.loss[1:], encoded.capability[1:], encoded.is_format[1:], strict=True
            )
        ]
        labels.append(-100)
        groups.append(0)
    missing = length - len(ids)
    return (
        ids + [pad] * missing,
        positions + list(range(missing)),
        labels + [-100] * missing,
        groups + [0] * missing,
    )
