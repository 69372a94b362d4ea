"""Means with bootstrap intervals."""

from __future__ import annotations

import pytest

from agentflan.statistics import Group, estimate, percent

HALF = [0.0, 1.0] * 50


def test_the_value_is_the_weighted_sum_of_group_means_in_percent() -> None:
    found = estimate([Group(0.25, [1.0]), Group(0.75, [0.0, 0.0, 1.0, 1.0])], "x")

    assert (found.value, found.n) == (62.5, 5)


def test_the_interval_holds_the_value_and_is_of_the_right_width() -> None:
    found = estimate([Group(1.0, HALF)], "x")

    assert found.low < found.value == 50 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * 5, abs=2)  # the normal interval of 100 coin flips


def test_equal_samples_leave_no_doubt() -> None:
    assert estimate([Group(1.0, [1.0] * 9)], "x")[:3] == (100, 100, 100)


def test_the_interval_is_fixed_by_the_names() -> None:
    first = estimate([Group(1.0, HALF)], 0, "x")

    assert first == estimate([Group(1.0, HALF)], 0, "x")
    assert first != estimate([Group(1.0, HALF)], 1, "x")


@pytest.mark.parametrize("groups", [[], [Group(1.0, [])], [Group(0.5, [1.0]), Group(0.5, [])]])
def test_no_samples_give_no_number(groups: list[Group]) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        estimate(groups, "x")


def test_percent_of_nothing_is_nothing() -> None:
    assert percent([]) is None
    assert percent([True, False, False, False]) == 25
