"""Rows that a model reads and writes together: their tokens, padding and cache."""

from __future__ import annotations

from typing import Any

import torch

from agentflan.backends._cache import read_row, roomy_cache
from agentflan.backends._kept import Read
from agentflan.backends._rows import Row

_FINISHED_SHARE = 0.25  # of a batch; then its rows are dropped, which costs a copy of the cache


class Batch:
    """A batch, to be used in `torch.inference_mode`.

    In the cache stand what is known of the rows, then their new tokens, each padded on the right, then what is written.

    Args:
        model: a causal language model.
        rows: not done; their `new` tokens are read first.
    """

    def __init__(self, model: Any, rows: list[Row]) -> None:
        self._model, self.rows = model, rows
        self._known = torch.tensor([len(row.known.tokens) for row in rows], device=model.device)
        self._new = torch.tensor([len(row.new) for row in rows], device=model.device)
        self._lengths = self._known + self._new
        self._mask = torch.cat([_first(self._known), _first(self._new)], dim=1)
        self._cache = roomy_cache([row.known for row in rows])

    def read_prompts(self) -> torch.Tensor:
        """Logits [rows, vocabulary] behind the prompts.

        What follows a token does not change it: where nothing is known the padding needs no mask, and attention takes
        its fast causal path.
        """
        width = max(len(row.new) for row in self.rows)
        ids = torch.tensor([row.new + [0] * (width - len(row.new)) for row in self.rows], device=self._new.device)
        places = self._known[:, None] + torch.arange(width, device=self._new.device)
        behind = {"attention_mask": self._mask, "position_ids": places} if self._cache.get_seq_length() else {}
        ends, which = torch.unique(self._new - 1, return_inverse=True)
        logits = self._forward(ids, logits_to_keep=ends, **behind)
        return logits[torch.arange(len(self.rows), device=which.device), which]

    def read_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits [rows left, vocabulary] behind one more token a row; rows that are done leave once they are many."""
        left = [place for place, row in enumerate(self.rows) if not row.done]
        if len(left) <= (1 - _FINISHED_SHARE) * len(self.rows):
            tokens = self._select(left, tokens)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], dim=1)
        logits = self._forward(tokens[:, None], attention_mask=self._mask, position_ids=self._lengths[:, None])
        self._lengths = self._lengths + 1
        return logits[:, -1]

    def read(self, place: int) -> Read:
        """A copy of what was read of a row so far."""
        row, columns = self.rows[place], self._mask[place].nonzero()[:, 0]
        return read_row(self._cache, place, columns, row.prompt + row.tokens)

    def _select(self, left: list[int], tokens: torch.Tensor) -> torch.Tensor:
        places = torch.tensor(left, device=tokens.device)
        self._cache.batch_select_indices(places)
        self._mask, self._lengths = self._mask[places], self._lengths[places]
        self.rows = [self.rows[place] for place in left]
        return tokens[places]

    def _forward(self, ids: torch.Tensor, **more: Any) -> torch.Tensor:
        return self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, **more).logits


def _first(counts: torch.Tensor) -> torch.Tensor:
    """A mask [rows, largest count] of each row's first columns."""
    return (torch.arange(int(counts.max()), device=counts.device) < counts[:, None]).long()
