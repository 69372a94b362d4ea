"""What a setting may be: of the kind of its default, and counts of at least one."""

from __future__ import annotations

from math import isfinite
from typing import Any

_MAY_BE_ZERO = ("seed", "restarts", "shots", "previous", "distractors")


def expected(key: str, value: Any, default: Any) -> str:
    """What was expected of a value that a setting cannot have; "" for one that it can."""
    if key == "limit" or isinstance(default, int):
        return _expected_count(key, value)
    kind, words = _KINDS[type(default)]
    fits = isinstance(value, kind) and not isinstance(value, bool)
    if isinstance(default, float):
        fits = fits and isfinite(value) and value >= 0
    return "" if fits else words


def _expected_count(key: str, value: Any) -> str:
    least, none = 0 if key in _MAY_BE_ZERO else 1, key == "limit"  # null: all tasks
    if (none and value is None) or (type(value) is int and value >= least):
        return ""
    return f"a whole number from {least}" + (" or null" if none else "")


_KINDS: dict[type, tuple[Any, str]] = {
    str: (str, "a text"),
    float: ((int, float), "a number from 0"),
    list: (list, "a list"),
    dict: (dict, "an object"),
    type(None): ((str, type(None)), "a text or null"),
}
