"""Signals of a scheduler: SIGTERM means save and stop, SIGUSR1 means save and go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NOTHING, SAVE, STOP = 0, 1, 2


class Wishes:
    """What the signals since the last look ask for."""

    def __init__(self) -> None:
        self._wish = NOTHING

    def take(self) -> int:
        """NOTHING, SAVE or STOP; a wish for SAVE is told once."""
        wish = self._wish
        if wish == SAVE:
            self._wish = NOTHING
        return wish

    def on_signal(self, number: int, _: Any) -> None:
        """The handler. A scheduler and a launcher may both send SIGTERM, so the second one changes nothing."""
        self._wish = max(self._wish, STOP if number == signal.SIGTERM else SAVE)


@contextmanager
def heeded() -> Iterator[Wishes]:
    """Take note of signals inside the block; before and after, they do what they did."""
    wishes = Wishes()
    numbers = (signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, wishes.on_signal) for number in numbers}
    try:
        yield wishes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
