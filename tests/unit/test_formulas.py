"""The aggregates of the paper reproduce its printed numbers."""

from __future__ import annotations

import pytest

from agentflan.formulas import HELD_IN_WEIGHTS, held_in, overall

TASKS = ("alfworld", "webshop", "mind2web", "kg", "os", "db")


@pytest.mark.parametrize(
    ("scores", "printed"),
    [
        ((78.0, 58.6, 22.6, 52.1, 36.8, 33.7), 2.751),  # GPT-4
        ((14.0, 67.2, 15.7, 27.2, 32.6, 15.0), 1.591),  # GPT-3.5
        ((2.0, 4.4, 3.7, 0.0, 8.3, 0.3), 0.188),  # Llama2-7B-chat
        ((84.0, 63.6, 6.4, 18.1, 17.4, 30.6), 1.957),  # AgentLM-7B
    ],
)
def test_held_in_of_published_rows(scores: tuple[float, ...], printed: float) -> None:
    assert round(held_in(dict(zip(TASKS, scores, strict=True))), 3) == printed


def test_held_in_has_no_partial_form() -> None:
    with pytest.raises(ValueError, match="HELD-IN is of"):
        held_in(dict.fromkeys(list(HELD_IN_WEIGHTS)[1:], 1.0))


def test_overall_of_table_1_is_the_mean_of_the_held_out_columns() -> None:
    assert overall([28.5, 20.0, 4.68, 66.0, 89.1]) == pytest.approx(41.656)
    with pytest.raises(ValueError, match="five held-out columns"):
        overall([28.5, 20.0])
