"""Tokens of a training set, counted twice: all, and those that bear loss (Table 2 does not say which it means)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from agentflan.records import CAPABILITIES, Trajectory
from agentflan.templates import encode_many


def count_tokens(conversations: Iterable[Trajectory], tokenizer: Any, template: str) -> dict[str, Any]:
    """All and loss-bearing tokens: in sum, by stream, and the loss-bearing ones by capability and format.

    Args:
        conversations: the training set.
        tokenizer: a fast tokenizer of `transformers`.
        template: name of the chat template.
    """
    every: Counter[str] = Counter()
    bearing: Counter[str] = Counter()
    capabilities: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    streams = []

    def remember(source: Iterable[Trajectory]) -> Iterable[Trajectory]:
        for conversation in source:
            streams.append(conversation.stream)
            yield conversation

    for number, encoded in enumerate(encode_many(remember(conversations), tokenizer, template)):
        stream = streams[number]
        every[stream] += len(encoded.input_ids)
        for loss, capability, is_format in zip(encoded.loss, encoded.capability, encoded.is_format, strict=True):
            if loss:
                bearing[stream] += 1
                capabilities[CAPABILITIES[capability]] += 1
                formats["format" if is_format else "content"] += 1
    return {
        "all": every.total(),
        "loss": bearing.total(),
        "streams": {name: {"all": every[name], "loss": bearing[name]} for name in sorted(every)},
        "capabilities": dict(sorted(capabilities.items())),
        "format": dict(sorted(formats.items())),
    }
