"""Means with bootstrap intervals. Every score of the project is a weighted sum of group means, so one function does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from agentflan.randomness import generator

RESAMPLES = 1000
COVERAGE = 0.95
_DECIMALS = 4  # of a percentage; beyond that, sums differ between processors


class Group(NamedTuple):
    """Samples of one kind and the share of their mean in the score."""

    weight: float
    values: Sequence[float]


class Estimate(NamedTuple):
    """A score in percent with its 95 % bootstrap interval, the number of samples and the samples themselves.

    Attributes:
        samples: the groups as JSON, {"weight", "values"}. A group's values stand in the order of the tasks, so those of
            two agents that played the same tasks are pairs.
    """

    value: float
    low: float
    high: float
    n: int
    samples: list[dict[str, Any]]


def estimate(groups: Sequence[Group], *seed: object) -> Estimate:
    """The weighted sum of the groups' means, in percent, with a percentile bootstrap interval.

    Each group is resampled by itself, so that strata keep their sizes.

    Args:
        groups: values in 0–1; the weights sum to 1.
        seed: names that fix the resampling.

    Raises:
        ValueError: no group, or an empty one: its mean would not be a number.
    """
    import numpy

    if not groups or not all(group.values for group in groups):
        raise ValueError("a score needs at least one sample in each group")
    random = numpy.random.Generator(numpy.random.PCG64(generator("bootstrap", *seed).getrandbits(64)))
    weighted = [(100 * group.weight, numpy.asarray(group.values, dtype=float)) for group in groups]
    means = [
        sum(weight * array[random.integers(array.size, size=array.size)].mean() for weight, array in weighted)
        for _ in range(RESAMPLES)
    ]
    low, high = numpy.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    value = sum(weight * array.mean() for weight, array in weighted)
    samples = [{"weight": group.weight, "values": [round(float(each), 6) for each in group.values]} for group in groups]
    return Estimate(_round(value), _round(low), _round(high), sum(array.size for _, array in weighted), samples)


def percent(values: Sequence[float]) -> float | None:
    """The mean in percent; None without values."""
    return _round(100 * sum(values) / len(values)) if values else None


def _round(value: float) -> float:
    return round(float(value), _DECIMALS)
