"""Differences of scores over the same episodes, and of losses over the steps: effect, interval, p-value, power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from agentflan.randomness import generator
from agentflan.statistics import COVERAGE, Group

if TYPE_CHECKING:
    import numpy

RESAMPLES = 2000  # also the number of permutations
POWER = 0.8  # of the smallest effect that a test is said to be able to find
WINDOWS = 10  # parts of a run whose mean losses make its curve
_DECIMALS = 4  # beyond that, sums differ between processors
_NORMAL = NormalDist()


class Term(NamedTuple):
    """A score in a contrast: its weight, and for each seed the score's groups of samples."""

    weight: float
    seeds: Sequence[Sequence[Group]]


class Curve(NamedTuple):
    """The summed loss and the number of tokens at each step of one run."""

    loss_sum: Sequence[float]
    tokens: Sequence[float]


@dataclass(frozen=True)
class Effect:
    """What a test found.

    Attributes:
        value: the effect, positive in the direction that is claimed.
        low, high: bounds of the 95 % bootstrap interval.
        p: one-sided, of an effect no larger than the bound.
        error: standard error; 0 of something counted.
        n: episodes or steps behind the effect.
        seeds: runs behind each side, the fewest.
    """

    value: float
    low: float
    high: float
    p: float
    error: float
    n: int
    seeds: int

    @property
    def detectable(self) -> float:
        """The smallest distance from the bound that a test of this size finds with a power of 80 %."""
        return round((_critical() + _NORMAL.inv_cdf(POWER)) * self.error, _DECIMALS)

    def power(self, distance: float) -> float:
        """How probably a test of this size finds an effect at this distance from the bound; the error is not 0."""
        return round(_NORMAL.cdf(distance / self.error - _critical()), _DECIMALS)


def contrast(terms: Sequence[Term], bound: float, *seed: object) -> Effect:
    """A weighted sum of scores of agents that played the same episodes, each score the mean over its seeds.

    The interval resamples episodes (within their groups, all agents together) and, of agents with several, seeds. The
    p-value is that of a permutation: under the hypothesis each episode's contrast is as likely to have the other sign.
    That takes the seeds as they are, so where there are several it is at least the resamples' share without an effect.

    Args:
        terms: groups of the same sizes and weights, in the order of the tasks; see `agentflan.statistics.Estimate`.
        bound: what the effect must exceed, in points of the score.
        seed: names that fix the resampling.

    Raises:
        ValueError: the agents did not play the same episodes.
    """
    import numpy

    shape = _shape(terms)
    draws = _draws("contrast", *seed)
    parts = [
        (100 * weight, [numpy.array([groups[index].values for groups in term.seeds], float) for term in terms])
        for index, (weight, _) in enumerate(shape)
    ]
    whole = [numpy.ones((1, len(term.seeds))) / len(term.seeds) for term in terms]
    drawn = [_seed_shares(len(term.seeds), draws) for term in terms]
    shift = bound / sum(weight for weight, _ in parts)
    value, resampled, permuted, observed = 0.0, 0.0, 0.0, 0.0
    for weight, values in parts:
        each = _combined(terms, whole, values)[0]
        value += weight * each.mean()
        chosen = draws.integers(each.size, size=(RESAMPLES, each.size))
        resampled += weight * numpy.take_along_axis(_combined(terms, drawn, values), chosen, axis=1).mean(axis=1)
        signs = draws.integers(2, size=(RESAMPLES, each.size)) * 2 - 1
        observed += weight * (each - shift).mean()
        permuted += weight * (signs * (each - shift)).mean(axis=1)
    extreme, seeds = int((permuted >= observed - 1e-9).sum()), [len(term.seeds) for term in terms]
    if max(seeds) > 1:
        extreme = max(extreme, int((resampled <= bound).sum()))
    return _effect(value, resampled, extreme, sum(size for _, size in shape), seeds)


def bootstrap(seeds: Sequence[Sequence[Group]], tasks: str, agent: str) -> numpy.ndarray:
    """The score of an agent in each resample, in percent: what the interval of an aggregate is made of.

    The same episodes are drawn for every agent that played the same tasks, so differences between agents are of pairs.

    Args:
        seeds: for each seed, the score's groups of samples.
        tasks: names what is played and fixes which episodes are drawn.
        agent: names who plays and fixes which seeds are drawn.

    Raises:
        ValueError: the seeds did not play the same episodes.
    """
    import numpy

    shares = _seed_shares(len(seeds), _draws("aggregate seeds", agent))
    episodes = _draws("aggregate episodes", tasks)
    scores = numpy.zeros(RESAMPLES)
    for index, (weight, size) in enumerate(_shape([Term(1.0, seeds)])):
        values = numpy.array([groups[index].values for groups in seeds], float)
        chosen = episodes.integers(size, size=(RESAMPLES, size))
        scores += 100 * weight * numpy.take_along_axis(shares @ values, chosen, axis=1).mean(axis=1)
    return scores


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The bounds of the 95 % percentile interval of resampled values."""
    import numpy

    low, high = numpy.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return round(float(low), _DECIMALS), round(float(high), _DECIMALS)


def loss_gap(higher: Sequence[Curve], lower: Sequence[Curve], measure: str, *seed: object) -> Effect:
    """How much more one group of tokens has of a measure of its loss curve than another group of the same runs.

    A curve is the mean loss per token in each tenth of the run. ``speed`` is its mean in units of its first value, so
    the group that is learnt faster has less; ``last loss`` is its last value in nats. The interval resamples steps
    within each tenth and, of several, runs; the p-value is the resamples' share without an effect.

    Args:
        higher, lower: one curve a run, of the group that is claimed to have more and of the other.
        measure: ``speed`` or ``last loss``.
        seed: names that fix the resampling.

    Raises:
        ValueError: a tenth of a run holds no token of a group.
    """
    import numpy

    measured = {"speed": lambda curve: (curve / curve[:, :1]).mean(axis=1), "last loss": lambda curve: curve[:, -1]}
    draws = _draws("loss", *seed)
    gaps, resampled = [], []
    for above, below in zip(higher, lower, strict=True):
        sides = [_tenths(curve, None) for curve in (above, below)]
        if not all(numpy.isfinite(side).all() for side in sides):
            raise ValueError(f"a tenth of the {len(above.tokens)} steps holds no token of a group")
        gaps.append(float(numpy.subtract(*(measured[measure](side)[0] for side in sides))))
        steps = [draws.integers(part.size, size=(RESAMPLES, part.size)) for part in _parts(above)]
        resampled.append(numpy.subtract(*(measured[measure](_tenths(curve, steps)) for curve in (above, below))))
    shares = _seed_shares(len(gaps), draws)
    means = numpy.nan_to_num(numpy.einsum("rs,sr->r", shares, numpy.array(resampled)))
    extreme = int((means <= 0).sum())
    return _effect(float(numpy.mean(gaps)), means, extreme, len(higher[0].tokens), [len(gaps)])


def counted(value: float) -> Effect:
    """The effect of something that is counted, not sampled."""
    return Effect(value, value, value, 0.0 if value > 0 else 1.0, 0.0, 1, 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for how many there are, by Holm's step-down method."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = round(highest, _DECIMALS)
    return adjusted


def _shape(terms: Sequence[Term]) -> list[tuple[float, int]]:
    """Weight and size of each group, the same for all agents and seeds."""
    shapes = [[(group.weight, len(group.values)) for group in groups] for term in terms for groups in term.seeds]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError("the agents did not play the same episodes")
    return shapes[0]


def _combined(terms: Sequence[Term], shares: Sequence[numpy.ndarray], values: Sequence[numpy.ndarray]) -> numpy.ndarray:
    """Each episode's contrast, a row a draw of seeds.

    Args:
        shares: of each term, draws × seeds.
        values: of each term, seeds × episodes of one group.
    """
    return sum(term.weight * (share @ each) for term, share, each in zip(terms, shares, values, strict=True))


def _seed_shares(seeds: int, draws: numpy.random.Generator) -> numpy.ndarray:
    """How often each seed is drawn, as a share, a row a resample.

    Of n seeds n − 1 are drawn, which makes the variance of the drawn mean that of the mean of n (Rao and Wu, 1988).
    Drawing n would give (n − 1)/n of it: a third too little where there are three.
    """
    drawn = max(1, seeds - 1)
    return draws.multinomial(drawn, [1 / seeds] * seeds, size=RESAMPLES) / drawn


def _parts(curve: Curve) -> list[numpy.ndarray]:
    import numpy

    return numpy.array_split(numpy.arange(len(curve.tokens)), WINDOWS)


def _tenths(curve: Curve, steps: Sequence[numpy.ndarray] | None) -> numpy.ndarray:
    """The mean loss per token in each tenth of the run, one row a resample.

    Args:
        steps: for each tenth, which of its steps are drawn, resamples × steps; None: each step once.
    """
    import numpy

    columns = []
    for number, part in enumerate(_parts(curve)):
        chosen = part[steps[number]] if steps is not None else part[None, :]
        sums, tokens = (numpy.asarray(side, float)[chosen].sum(axis=1) for side in curve)
        columns.append(numpy.divide(sums, tokens, out=numpy.full_like(sums, numpy.nan), where=tokens > 0))
    return numpy.stack(columns, axis=1)


def _effect(value: float, resampled: numpy.ndarray, extreme: int, n: int, seeds: Sequence[int]) -> Effect:
    low, high = interval(resampled)
    numbers = (value, low, high, (1 + extreme) / (1 + RESAMPLES), resampled.std())
    return Effect(*(round(float(number), _DECIMALS) for number in numbers), n, min(seeds))


def _draws(*names: object) -> numpy.random.Generator:
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(generator(*names).getrandbits(64)))


def _critical() -> float:
    return _NORMAL.inv_cdf((1 + COVERAGE) / 2)
