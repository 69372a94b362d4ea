"""Keys and values of a batch in buffers with room for more tokens: a step writes one token and copies nothing.

`DynamicCache` joins the old and the new tensors at each step, which costs more than the model itself when it is tiny.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

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


def roomy_cache() -> Cache:
    """An empty cache."""
    return Cache(layer_class_to_replicate=RoomyLayer)
