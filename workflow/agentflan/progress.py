"""How far a long step is: a bar on a terminal, one line for each tenth in a log."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

_LINES = 10


class Progress:
    """Counts finished things.

    Args:
        what: what is counted, with whose: "hotpotqa episodes".
        total: how many there will be.
        done: how many were there before.
    """

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        from tqdm import tqdm

        self.what, self.total, self.done = what, total, done
        self._bar = tqdm(total=total, initial=done, desc=what, disable=not sys.stderr.isatty(), leave=False)

    def advance(self, count: int) -> None:
        """Count more of them."""
        before, self.done = self.done, self.done + count
        self._bar.update(count)
        if self._bar.disable and _tenth(self.done, self.total) > _tenth(before, self.total):
            log.info(f"{self.what}: {self.done} of {self.total}")

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


def _tenth(done: int, total: int) -> int:
    return done * _LINES // max(total, 1)
