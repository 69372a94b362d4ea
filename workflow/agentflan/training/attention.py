"""Attention within each packed conversation: block-diagonal without a mask.

A dense mask over a row costs the square of the row; this costs the squares of its conversations. On a GPU in half
precision all of them go through FlashAttention's kernel for sequences of different length, which PyTorch brings along;
elsewhere one after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

NAME = "by_conversation"
# What some models' attention does beside a causal softmax; transformers hands it to the attention function.
_UNSUPPORTED = ("softcap", "s_aux")


class Conversations(NamedTuple):
    """Where the conversations of packed rows lie; padding is one of its own."""

    lengths: list[list[int]]  # tokens of each, by row
    starts: torch.Tensor  # shape (conversations + 1,), int32: in all rows one after another, with the end of the last

    @staticmethod
    def of(position_ids: torch.Tensor) -> Conversations:
        """From the positions, shape (rows, length): a zero begins a conversation."""
        rows, length = position_ids.shape
        begins = torch.nonzero(position_ids.flatten() == 0).flatten()
        starts = torch.cat([begins, begins.new_tensor([rows * length])])
        lengths: list[list[int]] = [[] for _ in range(rows)]
        for start, size in zip(begins.tolist(), starts.diff().tolist(), strict=True):
            lengths[start // length].append(size)
        return Conversations(lengths, starts.to(torch.int32))

    @property
    def longest(self) -> int:
        """Tokens of the longest."""
        return max(max(row) for row in self.lengths)


def by_conversation(model: Any) -> bool:
    """Whether a model attends this way."""
    return model.config._attn_implementation == NAME


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    dropout: float = 0.0,
    conversations: Conversations | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of `transformers`; `conversations` comes from the caller of the model.

    Args:
        query: shape (rows, heads, length, size of a head).
        key: shape (rows, key heads, length, size of a head).
        value: as `key`.

    Returns:
        The attended values, shape (rows, length, heads, size of a head), and no weights.

    Raises:
        ValueError: the model wants another attention than a causal one within each conversation.
    """
    if conversations is None:
        raise ValueError("attention by conversation needs the lengths of the conversations")
    window = more.get("sliding_window")
    wanted = [name for name in _UNSUPPORTED if more.get(name) is not None]
    wanted += ["sliding_window"] if window and conversations.longest > window else []
    if wanted or dropout:
        raise ValueError(f"attention by conversation: no {', '.join(wanted) or 'dropout'}")
    kernel = _at_once if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) else _one_by_one
    return kernel(query, key, value, scaling, conversations), None


def _one_by_one(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, conversations: Conversations
) -> torch.Tensor:
    rows = []
    for row, lengths in enumerate(conversations.lengths):
        parts = zip(*(states[row : row + 1].split(lengths, dim=2) for states in (query, key, value)), strict=True)
        attended = [
            scaled_dot_product_attention(*part, scale=scaling, is_causal=True, enable_gqa=True) for part in parts
        ]
        rows.append(torch.cat(attended, dim=2))
    return torch.cat(rows).transpose(1, 2).contiguous()


def _at_once(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, conversations: Conversations
) -> torch.Tensor:
    rows, _, length, _ = query.shape
    flat = [states.transpose(1, 2).flatten(0, 1) for states in (query, key, value)]
    attended = varlen_attn(
        *flat,
        conversations.starts,
        conversations.starts,
        conversations.longest,
        conversations.longest,
        scale=scaling,
        window_size=(-1, 0),  # causal
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return attended.unflatten(0, (rows, length))


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, lambda *_, **__: None)
