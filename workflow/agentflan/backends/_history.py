"""The tokens of conversations as they were read and written, so that a later turn repeats them one by one.

A reply that is tokenized anew may come out as other tokens than the model wrote. With the written ones a conversation's
next prompt begins with all tokens of the one before, which is what a server's prefix cache looks for.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from agentflan.backends._chat_tokens import ChatTokens
from agentflan.benchmarks._protocol import Request

_KEPT = 4096  # conversations; those of one batch of episodes are many fewer


class History:
    """What was read and written.

    Args:
        chat: the tokenizer and the template.
    """

    def __init__(self, chat: ChatTokens) -> None:
        self._chat = chat
        self._tokens: OrderedDict[str, list[int]] = OrderedDict()

    def encode(self, request: Request) -> list[int]:
        """Token ids of what the model is given: those of the longest conversation that it goes on, and the rest."""
        for place in range(len(request.messages) - 1, -1, -1):
            if request.messages[place][0] == "assistant":
                before = self._tokens.get(_name(request.messages[: place + 1]))
                if before:
                    return before + self._chat.encode_after(request, place)
        return self._chat.encode(request)

    def keep(self, request: Request, prompt: list[int], written: list[int], reply: str) -> None:
        """Remember a reply. One that was cut at a stop string is not what the model wrote, so it is not kept."""
        if not request.messages or self._chat.decode(written).strip() != reply.strip():
            return
        self._tokens[_name((*request.messages, ("assistant", request.prefix + reply)))] = prompt + written
        while len(self._tokens) > _KEPT:
            self._tokens.popitem(last=False)


def _name(messages: Any) -> str:
    return hashlib.sha256(repr(tuple(map(tuple, messages))).encode()).hexdigest()
