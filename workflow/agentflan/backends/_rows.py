"""Replies that are being written, and which of them are written together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentflan.backends._kept import Read
from agentflan.benchmarks._protocol import Request


class Row:
    """A reply that is being written; one whose prompt fills the context is done before it begins.

    Args:
        request: what is asked.
        conversation: its name; "" if it will not go on.
        prompt: token ids.
        cut: tokens of the prompt's beginning that were left out.
        known: the prompt's beginning that need not be read.
        stops: strings that end the reply.
        context: tokens that the model can read and write.
    """

    def __init__(
        self,
        request: Request,
        conversation: str,
        prompt: list[int],
        cut: int,
        known: Read,
        stops: tuple[str, ...],
        context: int,
    ) -> None:
        self.request, self.conversation, self.cut, self.stops = request, conversation, cut, stops
        self.prompt, self.known, self.new = prompt, known, prompt[len(known.tokens) :]
        self.tokens: list[int] = []
        self.limit = min(request.max_new_tokens, context - len(prompt))
        self.done = len(prompt) >= context
        self.fault = "context_limit" if self.done else ""


def batches(rows: Iterable[Row], most_rows: int, most_tokens: float) -> Iterator[list[Row]]:
    """Rows that are not done, those together of which about as many tokens are new; a row alone may be of any length.

    Args:
        rows: all.
        most_rows: of a batch.
        most_tokens: that a batch's cache may come to hold, padding included.
    """
    batch: list[Row] = []
    for row in sorted((row for row in rows if not row.done), key=lambda row: len(row.new)):
        if batch and (len(batch) == most_rows or _tokens([*batch, row]) > most_tokens):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _tokens(rows: list[Row]) -> int:
    known, new, written = (
        max(sizes) for sizes in zip(*((len(row.known.tokens), len(row.new), row.limit) for row in rows), strict=True)
    )
    return len(rows) * (known + new + written)
