"""Contrasts of scores and of loss curves: effects that are there are found, those that are not stay open."""

from __future__ import annotations

import random
from statistics import stdev

import pytest
from scipy.stats import ttest_rel

from agentflan.contrasts import Curve, Effect, Term, contrast, holm, loss_gap
from agentflan.statistics import Group, estimate

DRAW = random.Random(1)
EASE = [DRAW.random() for _ in range(200)]
BETTER, WORSE = ([float(ease < skill) for ease in EASE] for skill in (0.7, 0.5))


def _term(weight: float, *seeds: list[float]) -> Term:
    return Term(weight, [[Group(1.0, values)] for values in seeds])


def test_a_difference_is_that_of_the_scores_and_pairs_make_it_sharp() -> None:
    found = contrast([_term(1, BETTER), _term(-1, WORSE)], 0.0, "x")
    scores = [estimate([Group(1.0, values)], "x").value for values in (BETTER, WORSE)]

    assert found.value == pytest.approx(scores[0] - scores[1])
    assert 0 < found.low < found.value < found.high
    assert found.p < 0.005
    assert (found.n, found.seeds) == (200, 1)
    shuffled = contrast([_term(1, BETTER), _term(-1, random.Random(2).sample(WORSE, 200))], 0.0, "x")
    assert found.error < 0.8 * shuffled.error


def test_the_p_value_agrees_with_the_paired_t_test() -> None:
    draw = random.Random(3)
    first = [draw.gauss(0.55, 0.2) for _ in range(80)]
    second = [draw.gauss(0.5, 0.2) for _ in range(80)]

    found = contrast([_term(1, first), _term(-1, second)], 0.0, "x")

    assert found.p == pytest.approx(ttest_rel(first, second, alternative="greater").pvalue, abs=0.02)


def test_equal_agents_show_nothing() -> None:
    found = contrast([_term(1, BETTER), _term(-1, BETTER)], 0.0, "x")

    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_bound_below_zero_asks_only_that_the_score_is_kept() -> None:
    terms = [_term(1, WORSE), _term(-1, BETTER)]

    assert contrast(terms, 0.0, "x").p > 0.99
    assert contrast(terms, -60.0, "x").p < 0.005


def test_groups_keep_their_weights() -> None:
    def term(weight: float, first: float, second: float) -> Term:
        return Term(weight, [[Group(0.25, [first] * 9), Group(0.75, [second] * 5)]])

    assert contrast([term(1, 1.0, 0.5), term(-1, 0.0, 0.5)], 0.0, "x").value == 25


def test_a_mean_of_two_others_can_be_exceeded() -> None:
    found = contrast([_term(1, BETTER), _term(-0.5, BETTER), _term(-0.5, WORSE)], 0.0, "x")

    assert found.value == pytest.approx(100 * (sum(BETTER) - sum(WORSE)) / 200 / 2)
    assert found.low > 0


def test_seeds_that_differ_widen_the_interval() -> None:
    one = contrast([_term(1, BETTER), _term(-1, WORSE)], 0.0, "x")
    low, high = ([float(ease < skill) for ease in EASE] for skill in (0.5, 0.9))
    several = contrast([_term(1, low, high), _term(-1, WORSE, WORSE)], 0.0, "x")

    assert several.value == pytest.approx(one.value, abs=5)
    assert several.error > 2 * one.error
    assert several.seeds == 2


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_error_of_a_mean_over_seeds_is_the_one_of_theory(count: int) -> None:
    """Every episode of a seed has the same value, so seeds alone differ: s/√n, s with n − 1."""
    levels = [random.Random(number).gauss(0.5, 0.1) for number in range(count)]
    found = contrast([_term(1, *([level] * 30 for level in levels)), _term(-1, [0.4] * 30)], 0.0, "x")

    assert found.error == pytest.approx(100 * stdev(levels) / count**0.5, rel=0.1)


def test_no_effect_is_seldom_found_though_seeds_differ() -> None:
    """Of 200 pairs of equal agents, three seeds each, whose skill varies by 5 points: 2.5 % and 5 % are expected."""
    draw = random.Random(4)
    above = significant = 0
    for number in range(200):
        ease = [draw.random() for _ in range(60)]
        sides = []
        for weight in (1, -1):
            skills = [draw.gauss(0.5, 0.05) for _ in range(3)]
            sides.append(_term(weight, *([float(each < skill) for each in ease] for skill in skills)))
        found = contrast(sides, 0.0, number)
        above += found.low > 0
        significant += found.p <= 0.05
    assert above <= 12 and significant <= 20


def test_other_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match="same episodes"):
        contrast([_term(1, BETTER), _term(-1, WORSE[:-1])], 0.0, "x")


def test_power_grows_with_the_effect_and_reaches_its_level_at_the_detectable_one() -> None:
    effect = Effect(0, 0, 0, 1, error=2.0, n=9, seeds=1)

    assert effect.power(effect.detectable) == pytest.approx(0.8, abs=1e-3)
    assert effect.power(0.0) == pytest.approx(0.025)


def _curve(pace: float, floor: float, seed: int) -> Curve:
    draw = random.Random(seed)
    tokens = [draw.randint(20, 60) for _ in range(90)]
    return Curve([n * (floor + 2 * 2.718 ** (-pace * step)) for step, n in enumerate(tokens)], tokens)


@pytest.mark.parametrize("measure", ["speed", "last loss"])
def test_a_loss_that_falls_slower_and_less_is_found(measure: str) -> None:
    slow, fast = _curve(0.02, 1.0, 1), _curve(0.2, 0.1, 2)

    found = loss_gap([slow], [fast], measure, "x")

    assert found.low > 0 and found.p < 0.001
    assert loss_gap([fast], [slow], measure, "x").value == -found.value


def test_the_last_loss_is_that_of_the_last_tenth() -> None:
    flat, half = Curve([50.0] * 40, [25.0] * 40), Curve([25.0] * 40, [25.0] * 40)

    assert loss_gap([flat, flat], [half, half], "last loss", "x").value == 1
    assert loss_gap([flat], [half], "speed", "x").value == 0


def test_a_group_without_tokens_in_a_tenth_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no token"):
        loss_gap([_curve(0.1, 1, 1)], [Curve([0.0] * 90, [0.0] * 90)], "speed", "x")


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1, 1]
