"""The next token of each row: the likeliest, or one that is drawn.

A draw depends on its name and on how far the reply is, not on the batch or on a generator's state: a killed run that
goes on draws the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from agentflan.backends._rows import Row
from agentflan.benchmarks._protocol import Sampling
from agentflan.randomness import unit


def pick(logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """A token id a row [rows], from logits [rows, vocabulary]."""
    tokens = logits.argmax(-1)
    for place, row in enumerate(rows):
        if row.request.sampling and not row.done:
            tokens[place] = _drawn(logits[place], row.request.sampling, len(row.tokens))
    return tokens


def _drawn(logits: torch.Tensor, sampling: Sampling, step: int) -> int:
    """Nucleus sampling (Holtzman et al., 2020): of the fewest likeliest tokens that have `top_p` together."""
    shares, ids = (logits.double().cpu() / sampling.temperature).softmax(-1).sort(descending=True, stable=True)
    sums = shares.cumsum(-1)
    kept = int((sums < sampling.top_p).sum()) + 1
    reached = unit("sample", sampling.seed, step) * sums[:kept][-1]
    return int(ids[min(int((sums[:kept] <= reached).sum()), len(sums[:kept]) - 1)])
