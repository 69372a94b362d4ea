"""Keys and values of a batch in buffers with room for more tokens: a step writes one token and copies nothing.

`DynamicCache` joins the old and the new tensors at each step, which costs more than the model itself when it is tiny.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.cache_utils import Cache, DynamicLayer

from agentflan.backends._kept import Read

_ROOM = 64  # tokens


class RoomyLayer(DynamicLayer):
    """A layer whose `keys` and `values` [rows, heads, tokens, width] are views of larger buffers."""

    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new tokens behind the old ones and return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if self._buffers is None or after > self._buffers[0].shape[-2]:
            self._buffers = tuple(self._larger(new, old, after) for new, old in self._pairs(key_states, value_states))
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, before:after] = new
        self.keys, self.values = (buffer[:, :, :after] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some rows; the next token makes room again."""
        super().batch_select_indices(indices)
        self._buffers = None

    def _pairs(self, keys: torch.Tensor, values: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(keys, self.keys), (values, self.values)]

    @staticmethod
    def _larger(new: torch.Tensor, old: torch.Tensor, tokens: int) -> torch.Tensor:
        rows, heads, _, width = new.shape
        buffer = new.new_empty(rows, heads, tokens + _ROOM, width)
        if old.numel():
            buffer[:, :, : old.shape[-2]] = old
        return buffer


def roomy_cache(reads: list[Read]) -> Cache:
    """A cache that holds what was read of each row, padded on the right; an empty one if that is nothing."""
    example = next((read.layers for read in reads if read.layers), None)
    if example is None:
        return Cache(layer_class_to_replicate=RoomyLayer)
    cache = Cache(layers=[RoomyLayer() for _ in example])
    for layer, pair in enumerate(example):
        rows = [read.layers[layer] if read.layers else (pair[0][:0], pair[1][:0]) for read in reads]
        cache.update(
            *(pad_sequence(list(tensors), batch_first=True).transpose(1, 2) for tensors in zip(*rows, strict=True)),
            layer,
        )
    return cache


def read_row(cache: Cache, row: int, columns: torch.Tensor, tokens: Sequence[int]) -> Read:
    """A copy of what the cache holds in some columns of a row.

    Args:
        cache: a batch's.
        row, columns: where to look.
        tokens: the row's; the last ones may not have been read.
    """
    layers = [(_columns(layer.keys[row], columns), _columns(layer.values[row], columns)) for layer in cache.layers]
    return Read(tokens[: len(columns)], layers)


def _columns(row: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return row.transpose(0, 1).index_select(0, columns.to(row.device))
