"""The verdicts of an audit, from harmless to worst, and the findings that carry them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Verdict(IntEnum):
    """What is the matter with an artefact; the value is the exit code (1 and 2 are the command line's own)."""

    OK = 0
    NOT_RUN = 3  # it says that it was not run, and why
    SUBSTITUTE = 4  # made with stand-in data, model, environment or encoder
    DIRTY = 5  # made by code that is not committed
    STALE = 6  # code, parameters, environment or an input changed since
    UNANCHORED = 7  # its chain does not reach raw bytes
    MISSING_RECORD = 8  # no record tells where it comes from
    TAMPERED = 9  # its bytes, or those of its record, are not those that were recorded

    @property
    def label(self) -> str:
        """As it is printed and given on the command line."""
        return self.name.replace("_", "-")


MEANINGS = {
    Verdict.OK: "as recorded, down to raw bytes",
    Verdict.NOT_RUN: "says that it, or a part of it, was not run",
    Verdict.SUBSTITUTE: "made with stand-in data, model, environment or encoder",
    Verdict.DIRTY: "made by code that is not committed",
    Verdict.STALE: "code, parameters, packages or an input changed since",
    Verdict.UNANCHORED: "its chain does not reach raw bytes",
    Verdict.MISSING_RECORD: "no record tells where it comes from",
    Verdict.TAMPERED: "other bytes than recorded",
}


class Finding(NamedTuple):
    """One reason for a verdict."""

    verdict: Verdict
    reason: str


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict of some findings; OK without any."""
    return max((finding.verdict for finding in findings), default=Verdict.OK)


def parse(label: str) -> Verdict:
    """A verdict by its label.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return Verdict[label.upper().replace("-", "_")]
    except KeyError:
        raise ValueError(f"{label!r}: expected one of {', '.join(each.label for each in Verdict)}") from None
