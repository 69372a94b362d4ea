"""What a model has read of conversations, kept until their next turns: a prompt that goes on is not read anew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Read(NamedTuple):
    """Tokens that were read, and for each layer their keys and values [tokens, heads, width]."""

    tokens: Sequence[int] = ()
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]] = ()

    def shared(self, prompt: Sequence[int]) -> Read:
        """The common beginning with a prompt; of a prompt that is known whole all but the last token."""
        pairs = zip(self.tokens, prompt[:-1], strict=False)
        length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if not length:
            return Read()
        return Read(self.tokens[:length], [(keys[:length], values[:length]) for keys, values in self.layers])

    @property
    def bytes(self) -> int:
        """Of the keys and values."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)


class Kept:
    """What was read of the conversations of one call of the model, by name.

    Nothing of earlier calls stays. So a reply depends on the episodes that are played side by side and on no others,
    and a killed run that goes on writes the same bytes.

    Args:
        limit: bytes; conversations for which there is no more room are forgotten.
    """

    def __init__(self, limit: float) -> None:
        self._left = limit
        self._reads: dict[str, Read] = {}

    def keep(self, name: str, read: Read) -> None:
        """Keep a conversation, if there is room."""
        if read.bytes <= self._left:
            self._left -= read.bytes
            self._reads[name] = read

    def known(self, name: str, prompt: Sequence[int]) -> Read:
        """What the model need not read anew of a conversation's next prompt."""
        return self._reads.get(name, Read()).shared(prompt)
