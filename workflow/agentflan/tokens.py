"""Tokens of a training set, counted twice: all, and those that bear loss (Table 2 does not say which it means)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import tee
from typing import Any

from agentflan.records import CAPABILITIES, Trajectory
from agentflan.templates import NO_CAPABILITY, encode_many


def count_tokens(conversations: Iterable[Trajectory], tokenizer: Any, template: str) -> dict[str, Any]:
    """All and loss-bearing tokens: in sum, by stream, and the loss-bearing ones by capability and format.

    Args:
        conversations: the training set.
        tokenizer: a fast tokenizer of `transformers`.
        template: name of the chat template.
    """
    every: Counter[str] = Counter()
    bearing: Counter[str] = Counter()
    kinds: Counter[tuple[int, bool]] = Counter()
    conversations, copies = tee(conversations)
    for conversation, encoded in zip(conversations, encode_many(copies, tokenizer, template), strict=True):
        every[conversation.stream] += len(encoded.input_ids)
        bearing[conversation.stream] += sum(encoded.loss)
        kinds.update(zip(encoded.capability, encoded.is_format, strict=True))
    trained = {kind: count for kind, count in kinds.items() if kind[0] != NO_CAPABILITY}
    capabilities: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for (capability, is_format), count in trained.items():
        capabilities[CAPABILITIES[capability]] += count
        formats["format" if is_format else "content"] += count
    return {
        "all": every.total(),
        "loss": bearing.total(),
        "streams": {name: {"all": every[name], "loss": bearing[name]} for name in sorted(every)},
        "capabilities": dict(sorted(capabilities.items())),
        "format": dict(sorted(formats.items())),
    }
