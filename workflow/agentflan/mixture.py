"""What a training condition asks of its mixture: the settings, their checks, and the paper's own choices as presets."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from agentflan.errors import ConfigError
from agentflan.records import REASONING, RETRIEVAL, UNDERSTANDING

VIEWS = (REASONING, RETRIEVAL, UNDERSTANDING)
FORMS = ("chat", "react", "none")

# What the paper's text says (App. A), and what the names of the released files say.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "weights": {REASONING: 1.0, RETRIEVAL: 0.25, UNDERSTANDING: 0.75},
        "instruction": 2000,
        "react_share": 0.1,
        "negative": True,
    },
    "release": {
        "weights": {REASONING: 1.0, RETRIEVAL: 0.5, UNDERSTANDING: 0.7},
        "instruction": 3000,
        "react_share": 0.1,
        "cot_share": 0.3,
        "negative": True,
    },
}


@dataclass(frozen=True)
class Mixture:
    """What a condition asks for.

    Attributes:
        form: of the agent trajectories: chat, react, or none (general conversation alone).
        weights: share of the dialogues that train each capability, 0 to 1.
        instruction: instruction-following pairs: a count if an integer, else their share.
        react_share, cot_share: share of the trajectories in ReAct form, and as thought-and-call.
        negative: all negative samples (true), none (false), or a count.
        general: `ratio` general conversations for each agent sample, or tokens for each agent token (`by`).
        datasets: agent datasets; all where null.
        fraction: nested share of the agent part.
        scale_general: whether general conversation shrinks with the fraction.
        seed: of all draws.
    """

    form: str = "chat"
    weights: dict[str, float] = field(default_factory=dict)
    instruction: float = 0
    react_share: float = 0.0
    cot_share: float = 0.0
    negative: bool | int = False
    general: dict[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] | None = None
    fraction: float = 1.0
    scale_general: bool = True
    seed: int = 0

    @staticmethod
    def from_json(values: dict[str, Any]) -> Mixture:
        """Check a condition's settings; weights that are not given are 1.

        Raises:
            ConfigError: unknown keys and impossible values, all at once.
        """
        problems = [*_unknown_keys(values), *_impossible_values(values)]
        if problems:
            raise ConfigError([f"condition: {problem}" for problem in problems])
        datasets = values.get("datasets")
        return Mixture(
            **values
            | {
                "weights": {view: values.get("weights", {}).get(view, 1.0) for view in VIEWS},
                "general": {"ratio": 1.0, "by": "sample"} | values.get("general", {}),
                "datasets": None if datasets is None else tuple(datasets),
            }
        )


def _unknown_keys(values: dict[str, Any]) -> Iterator[str]:
    known = [part.name for part in fields(Mixture)]
    for place, keys, names in (
        ("", values, known),
        ("weights.", values.get("weights"), VIEWS),
        ("general.", values.get("general"), ("ratio", "by")),
    ):
        for key in sorted(set(keys) - set(names)) if isinstance(keys, dict) else ():
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
            yield f"{place}{key}: unknown key; {hint}"


def _impossible_values(values: dict[str, Any]) -> Iterator[str]:
    weights, general = values.get("weights", {}), values.get("general", {})
    flat = {key: value for key, value in values.items() if key not in ("weights", "general")}
    for place, part in (("weights", weights), ("general", general)):
        flat |= {f"{place}.{key}": value for key, value in part.items()} if isinstance(part, dict) else {place: part}
    for key, value in flat.items():
        accepts, expected = _ACCEPTED.get(key, (None, ""))
        if accepts and not accepts(value):
            yield f"{key}: found {value!r}; expected {expected}"
    shares = [values.get(name, 0) for name in ("react_share", "cot_share")]
    if all(map(_is_share, shares)) and sum(shares) > 1:
        yield f"react_share + cot_share: found {sum(shares)}; expected at most 1"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(name, str) for name in value)


_Check = tuple[Callable[[Any], bool], str]
_SHARE: _Check = (_is_share, "a number from 0 to 1")
_SWITCH: _Check = (lambda value: isinstance(value, bool), "true or false")
_ACCEPTED: dict[str, _Check] = {
    "form": (lambda value: value in FORMS, f"one of {', '.join(FORMS)}"),
    "weights": (lambda value: False, "an object of capabilities"),  # objects are checked key by key
    **{f"weights.{view}": _SHARE for view in VIEWS},
    "instruction": (lambda value: _is_count(value) or _is_share(value), "a count, or a share from 0.0 to 1.0"),
    "react_share": _SHARE,
    "cot_share": _SHARE,
    "negative": (lambda value: isinstance(value, bool) or _is_count(value), "true, false or a count"),
    "general": (lambda value: False, "an object with ratio and by"),
    "general.ratio": (lambda value: _is_number(value) and value >= 0, "a number from 0"),
    "general.by": (lambda value: value in ("sample", "token"), "sample or token"),
    "datasets": (lambda value: value is None or _is_list_of_names(value), "null or names of datasets"),
    "fraction": (lambda value: _is_share(value) and value > 0, "a number over 0, up to 1"),
    "scale_general": _SWITCH,
    "seed": (_is_count, "a whole number from 0"),
}
