"""How a run tells where it is: a bar where someone watches, else a line every twentieth of the way."""

from __future__ import annotations

import logging
import sys
from typing import Any

log = logging.getLogger(__name__)
LINES = 20


class Progress:
    """The progress of one run.

    Args:
        steps: of the whole run.
        done: steps that an earlier part of the run has done.
    """

    def __init__(self, steps: int, done: int) -> None:
        self._steps = steps
        self._bar = _bar(steps, done) if sys.stderr.isatty() else None

    def step(self, number: int, facts: str) -> None:
        """One step more.

        Args:
            number: of the step, from 1.
            facts: what there is to say about it.
        """
        if self._bar is not None:
            self._bar.set_postfix_str(facts, refresh=False)
            self._bar.update()
        elif number in (1, self._steps) or number % max(1, self._steps // LINES) == 0:
            log.info("step %d of %d: %s", number, self._steps, facts)

    def close(self) -> None:
        """Leave the last state of the bar behind."""
        if self._bar is not None:
            self._bar.close()


def clock(seconds: float) -> str:
    """A duration as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _bar(steps: int, done: int) -> Any:
    from tqdm import tqdm

    form = "{n_fmt}/{total_fmt} |{bar}| {postfix}"
    return tqdm(total=steps, initial=done, file=sys.stderr, dynamic_ncols=True, bar_format=form)
